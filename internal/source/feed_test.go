package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

// patience is how long a test waits for what must come. It only passes when the test fails.
const patience = 10 * time.Second

// modes runs a test under inotify and under polling. A minute's sweep would hide an event that
// inotify missed only behind the end of patience.
func modes(t *testing.T, test func(t *testing.T, polling bool)) {
	for _, m := range []struct {
		name    string
		polling bool
	}{{"inotify", false}, {"polling", true}} {
		t.Run(m.name, func(t *testing.T) { test(t, m.polling) })
	}
}

// feed reads a source as the engine does: marks are kept with the lines they stand behind.
type feed struct {
	t     *testing.T
	src   *FileSource
	o     FileOptions
	marks map[string]event.Mark
	cut   int
}

func start(t *testing.T, o FileOptions) *feed {
	t.Helper()
	f := &feed{t: t, o: o, marks: map[string]event.Mark{}}
	if f.o.PollEvery == 0 {
		f.o.PollEvery = time.Millisecond
	}
	f.open()
	t.Cleanup(func() { f.src.Close() })
	return f
}

func (f *feed) open() {
	f.t.Helper()
	o := f.o
	o.Resume = func(path string) (event.Mark, bool) { m, ok := f.marks[path]; return m, ok }
	src, err := newFiles(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.src = src
}

// stop closes the source; what it has not handed out is to be found again by the marks.
func (f *feed) stop() {
	f.t.Helper()
	if err := f.src.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *feed) restart() {
	f.t.Helper()
	f.stop()
	f.open()
}

// next gives the next batch without trouble in it.
func (f *feed) next() event.Batch {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	b, err := f.src.Next(ctx)
	if err != nil {
		f.t.Fatalf("Next: %v", err)
	}
	if b.Err != nil {
		f.t.Fatalf("trouble: %v", b.Err)
	}
	f.marks[b.Source] = b.Mark
	f.cut += b.Cut
	return b
}

// want reads until as many lines have come and compares them.
func (f *feed) want(lines ...string) {
	f.t.Helper()
	var got []string
	for len(got) < len(lines) {
		for _, l := range f.next().Lines {
			got = append(got, l.Text)
		}
	}
	if !slices.Equal(got, lines) {
		f.t.Fatalf("lines are %q, expected %q", got, lines)
	}
}

// ready reads until the end of the path was reached, which must give no line.
func (f *feed) ready(path string) {
	f.t.Helper()
	for {
		b := f.next()
		if len(b.Lines) > 0 {
			f.t.Fatalf("unexpected lines %q", b.Lines)
		}
		if b.Source == path && b.End {
			return
		}
	}
}

// look lets the source notice what the names are now, and read nothing.
func (f *feed) look() {
	f.t.Helper()
	f.src.mu.Lock()
	defer f.src.mu.Unlock()
	f.src.stale = true
	if err := f.src.look(f.src.now()); err != nil {
		f.t.Fatal(err)
	}
}

// nothingElse says that no line came twice or of itself: the next one is what is written now.
func (f *feed) nothingElse(live string) {
	f.t.Helper()
	write(f.t, live, "sentinel\n")
	f.want("sentinel")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	w := writer(t, path)
	defer w.Close()
	add(t, w, text)
}

func writer(t *testing.T, path string) *os.File {
	t.Helper()
	w, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func add(t *testing.T, w *os.File, text string) {
	t.Helper()
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// link makes or moves a symbolic link, in one step.
func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func logPath(t *testing.T) string { return filepath.Join(t.TempDir(), "auth.log") }

// numbered gives n lines, so that each is a line of its own.
func numbered(from, n int) (text string, lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("line %d", from+i))
	}
	return strings.Join(lines, "\n") + "\n", lines
}

func machineTail(path string) (*tail, error) {
	return (&FileSource{o: FileOptions{tree: machine{}}}).openTail(path)
}
