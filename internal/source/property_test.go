package source

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"gaol/internal/wide"
)

// TestEveryLineOnce: whatever a writer, a rotation and a restart do in whatever order, each
// line comes once and in order. The seed is printed; GAOL_SEED runs it again.
func TestEveryLineOnce(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("GAOL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d", seed)
	modes(t, func(t *testing.T, polling bool) {
		for i := range uint64(60 + 36) {
			w := &world{r: rand.New(rand.NewPCG(seed, i)), dir: t.TempDir(), t: t}
			if i >= 60 {
				w.units = wideUnits[i%6]
			}
			w.run(polling, i%2 == 0)
			if t.Failed() {
				return
			}
		}
	})
}

// world is one log, its single writer, and what should come of it.
type world struct {
	t        *testing.T
	r        *rand.Rand
	dir      string
	path     string
	w        *os.File
	half     string // written of a line that is not finished
	n, files int
	want     []string
	got      []string
	f        *feed
	units    wide.Units
	dated    bool // rotated by date, else by number
	nameless bool // lines may be in a file that no name leads to any more
	did      []string
}

func (w *world) run(polling, dated bool) {
	w.dated = dated
	defer func() {
		if w.t.Failed() {
			w.t.Logf("it did:\n%s\ngot      %q\nexpected %q", strings.Join(w.did, "\n"), w.got, w.want)
		}
	}()
	w.path = filepath.Join(w.dir, "auth.log")
	pattern := w.path
	if w.r.IntN(2) == 0 {
		pattern += "*"
	}
	w.reopen()
	w.f = start(w.t, FileOptions{Patterns: []string{pattern}, Polling: polling, Units: w.units})
	w.f.ready(w.path) // gaol knows the log before the first rotation
	steps := []func(){w.write, w.write, w.write, w.rotate, w.remove, w.link, w.reopen, w.read, w.read, w.restart}
	for range 10 + w.r.IntN(40) {
		steps[w.r.IntN(len(steps))]()
	}
	w.reopen()
	w.finishLine()
	w.put("sentinel\n")
	for len(w.got) < len(w.want) {
		w.take()
	}
	w.f.stop()
	w.w.Close()
	if !slices.Equal(w.got, w.want) {
		w.t.Error("lines are not what was written")
	}
}

func (w *world) log(format string, args ...any) { w.did = append(w.did, fmt.Sprintf(format, args...)) }

// put writes a piece, which holds at most one newline and that at its end.
func (w *world) put(piece string) {
	w.log("write %.9q", piece)
	w.add(piece)
	w.half += piece
	if line, done := strings.CutSuffix(w.half, "\n"); done {
		w.want = append(w.want, line)
		w.half = ""
	}
}

// add writes a piece in the log's encoding, at times torn within a character and read there. Each
// file that begins with a byte order mark has an order of its own.
func (w *world) add(piece string) {
	if !w.units.Wide() {
		add(w.t, w.w, piece)
		return
	}
	if fi, err := w.w.Stat(); err != nil {
		w.t.Fatal(err)
	} else if w.units.Marked && fi.Size() == 0 {
		w.units.Big = w.r.IntN(2) == 0
		piece = "\ufeff" + piece
	}
	b := encode(w.units, piece)
	k := w.r.IntN(len(b))
	add(w.t, w.w, b[:k])
	w.read()
	add(w.t, w.w, b[k:])
}

// write adds some lines, cut into writes at any byte; the last one may stay unfinished.
func (w *world) write() {
	for range 1 + w.r.IntN(4) {
		w.n++
		line := fmt.Sprintf("line %d %s%s\n", w.n, strings.Repeat("\u0a0a\u010a", w.r.IntN(3)), strings.Repeat("x", w.r.IntN(50)))
		for len(line) > 0 {
			k := 1 + w.r.IntN(len(line))
			for w.units.Wide() && k < len(line) && !utf8.RuneStart(line[k]) {
				k++
			}
			w.put(line[:k])
			line = line[k:]
			if w.r.IntN(8) == 0 && line != "" {
				return
			}
		}
	}
}

func (w *world) finishLine() {
	if w.half != "" {
		w.put("end\n")
	}
}

// reopen lets the writer go over to the file that the path names now, as after SIGHUP. What it
// has begun stays without a newline in the old one.
func (w *world) reopen() {
	next, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.w != nil && w.sameFile(next) {
		next.Close()
		return
	}
	w.log("reopen")
	if w.half != "" {
		w.want, w.half = append(w.want, w.half), ""
	}
	if w.w != nil {
		w.w.Close()
	}
	w.w = next
}

func (w *world) sameFile(next *os.File) bool {
	a, err1 := w.w.Stat()
	b, err2 := next.Stat()
	if err1 != nil || err2 != nil {
		w.t.Fatal(err1, err2)
	}
	return os.SameFile(a, b)
}

// rotate renames, as logrotate does; at times with "create".
func (w *world) rotate() {
	if fi, err := os.Lstat(w.path); err != nil || !fi.Mode().IsRegular() {
		return
	}
	if w.nameless {
		w.f.look() // what came after a deleted file, and is rotated away unseen, has no place in order
	}
	w.files++
	if w.dated {
		w.log("rotate to date")
		rename(w.t, w.path, fmt.Sprintf("%s-202601%02d", w.path, w.files))
	} else {
		w.log("rotate to number")
		for i := w.files; i > 0; i-- {
			_ = os.Rename(fmt.Sprintf("%s.%d", w.path, i), fmt.Sprintf("%s.%d", w.path, i+1))
		}
		rename(w.t, w.path, w.path+".1")
	}
	w.create()
}

func (w *world) create() {
	if w.r.IntN(2) == 0 {
		w.log("create")
		write(w.t, w.path, "")
	}
}

// remove deletes the log. Should gaol be stopped before it has read it, that is lost for good.
func (w *world) remove() {
	if w.r.IntN(4) > 0 {
		return
	}
	w.f.look() // what is deleted before it was ever seen is lost
	if err := os.Remove(w.path); err == nil {
		w.log("remove")
		w.nameless = true
		w.create()
	}
}

// link puts a link to a new file in the path's place.
func (w *world) link() {
	if w.r.IntN(4) > 0 {
		return
	}
	if fi, err := os.Lstat(w.path); err == nil && fi.Mode().IsRegular() {
		return // it would delete the file
	}
	w.f.look() // the former target has no name by which it is found
	w.nameless = true
	w.files++
	target := filepath.Join(w.dir, fmt.Sprintf("target%d", w.files))
	w.log("link %s", target)
	write(w.t, target, "")
	link(w.t, target, w.path)
}

func (w *world) take() {
	for _, l := range w.f.next().Lines {
		w.got = append(w.got, l.Text)
	}
}

// read takes one batch if lines are there.
func (w *world) read() {
	if n := len(w.whole()); len(w.got) < n {
		w.log("read, %d of %d", len(w.got), n)
		w.take()
	}
}

// whole is what must come by now: a line that is no more finished may not.
func (w *world) whole() []string { return w.want[:max(0, len(w.want)-w.pending())] }

// pending is how many of the last lines are only handed out when the next file has something.
func (w *world) pending() int {
	size, err := os.Stat(w.path)
	if err == nil && size.Size() >= int64(w.units.Size()) {
		return 0
	}
	return 1
}

// restart stops and starts gaol, with the marks it had.
func (w *world) restart() {
	if w.nameless {
		// No name leads to it, so it must be read before, up to a line in a file that has one.
		w.reopen()
		w.put("named\n")
		for len(w.got) < len(w.want) {
			w.take()
		}
		w.nameless = false
	}
	w.log("restart after %d", len(w.got))
	w.f.restart()
}
