package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
)

func TestEndComesOnce(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		if b := f.next(); b.Source != p || !b.End || len(b.Lines) > 0 || b.Mark.Inode == 0 {
			t.Fatalf("first batch is %+v, expected an empty one with End", b)
		}
		write(t, p, "a\n")
		if b := f.next(); len(b.Lines) != 1 || !b.End {
			t.Fatalf("second batch is %+v, expected a line and End", b)
		}
		f.src.mu.Lock()
		f.src.all()
		f.src.mu.Unlock()
		f.drain()
	})
}

// The end of a rotated file is not the end of the log.
func TestEndIsOfTheLiveFile(t *testing.T) {
	p := logPath(t)
	f := start(t, FileOptions{Patterns: []string{p}})
	write(t, p, "a\n")
	f.want("a")
	f.stop()
	write(t, p, "b\n")
	rename(t, p, p+".1")
	write(t, p, "c\n")
	f.open()
	for _, want := range []struct {
		line string
		end  bool
	}{{"b", false}, {"c", true}} {
		if b := f.next(); len(b.Lines) != 1 || b.Lines[0].Text != want.line || b.End != want.end {
			t.Errorf("batch is %+v, expected %+v", b, want)
		}
	}
}

func TestBatchIsBounded(t *testing.T) {
	p := logPath(t)
	write(t, p, strings.Repeat("\n", 3*MaxBatchLines)+strings.Repeat(strings.Repeat("x", 999)+"\n", 1000))
	f := start(t, FileOptions{Patterns: []string{p}})
	lines := 0
	for end := false; !end; {
		b := f.next()
		bytes := 0
		for _, l := range b.Lines {
			bytes += len(l.Text) + 1
		}
		if len(b.Lines) > MaxBatchLines || bytes > ReadSize {
			t.Fatalf("batch of %d lines, %d bytes", len(b.Lines), bytes)
		}
		lines += len(b.Lines)
		end = b.End
	}
	if lines != 3*MaxBatchLines+1000 {
		t.Errorf("%d lines", lines)
	}
}

func TestLongLines(t *testing.T) {
	for _, c := range []struct {
		name         string
		pieces, want []string
		cut          int
	}{
		{"just fits", []string{strings.Repeat("x", event.MaxLine) + "\n"}, []string{strings.Repeat("x", event.MaxLine)}, 0},
		{"one too many", []string{strings.Repeat("x", event.MaxLine) + "y\nnext\n"}, []string{strings.Repeat("x", event.MaxLine), "next"}, 1},
		{"in pieces", []string{strings.Repeat("x", event.MaxLine), strings.Repeat("y", 1000), "z\nnext\n"}, []string{strings.Repeat("x", event.MaxLine), "next"}, 1},
		{"cut before its newline", []string{strings.Repeat("x", event.MaxLine) + "y", "\nnext\n"}, []string{strings.Repeat("x", event.MaxLine), "next"}, 1},
		{"longer than a read", []string{strings.Repeat("x", 3*ReadSize+5) + "\nnext\n"}, []string{strings.Repeat("x", event.MaxLine), "next"}, 1},
		{"the rest never becomes a line", []string{strings.Repeat("x", 2*event.MaxLine), "rest\nnext\n"}, []string{strings.Repeat("x", event.MaxLine), "next"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := logPath(t)
			write(t, p, "first\n")
			f := start(t, FileOptions{Patterns: []string{p}})
			f.want("first")
			for _, piece := range c.pieces[:len(c.pieces)-1] {
				write(t, p, piece)
				f.drain()
			}
			write(t, p, c.pieces[len(c.pieces)-1])
			f.want(c.want...)
			if f.cut != c.cut {
				t.Errorf("%d lines cut, expected %d", f.cut, c.cut)
			}
			f.restart()
			f.nothingElse(p)
		})
	}
}

// drain takes in what is there, without waiting.
func (f *feed) drain() {
	f.t.Helper()
	f.src.mu.Lock()
	defer f.src.mu.Unlock()
	if err := f.src.look(time.Now()); err != nil {
		f.t.Fatal(err)
	}
	for len(f.src.ready) > 0 {
		if b, ok := f.src.turn(time.Now()); ok {
			f.t.Fatalf("unexpected batch %+v", b)
		}
	}
}

func TestNotARegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, word := range map[string]string{fifo: "named pipe", dir: "directory", "/dev/null": "device"} {
		_, err := Files(FileOptions{Patterns: []string{path}})
		if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v, expected one with %q", path, err, word)
		}
	}
	// A FIFO that comes between the look and the open: open must not wait for its writer.
	if _, err := machineTail(fifo); !errors.Is(err, errKind) {
		t.Errorf("error is %v, expected %v", err, errKind)
	}
	if _, err := Files(FileOptions{}); err == nil {
		t.Error("no path is accepted")
	}
	// One that comes later is reported, once, and is followed when it is a file at last.
	p := filepath.Join(dir, "later")
	src, err := newFiles(FileOptions{Patterns: []string{p}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := unix.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if b, err := src.Next(ctx); err != nil || b.Source != p || !errors.Is(b.Err, errKind) {
		t.Fatalf("batch is %+v (%v), expected the trouble", b, err)
	}
	src.stale = true
	if err := src.look(time.Now()); err != nil || len(src.pending) > 0 {
		t.Fatalf("%v; the trouble is told again: %v", err, src.pending)
	}
	remove(t, p)
	write(t, p, "line\n")
	if b, err := src.Next(ctx); err != nil || len(b.Lines) != 1 {
		t.Fatalf("batch is %+v (%v), expected the line", b, err)
	}
}

// The kernel's queue holds 16,384 events. Behind that, everything must be looked at.
func TestQueueOverflow(t *testing.T) {
	p := logPath(t)
	w := writer(t, p)
	f := start(t, FileOptions{Patterns: []string{p}})
	add(t, w, "one\n")
	f.want("one")
	noise := [2]string{filepath.Join(filepath.Dir(p), "a"), filepath.Join(filepath.Dir(p), "b")}
	write(t, noise[0], "")
	write(t, noise[1], "")
	for i := range 20000 { // two names in turn, for equal events are merged
		if err := os.Chmod(noise[i%2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add(t, w, "two\n")
	rename(t, p, p+".1")
	write(t, p, "three\n")
	f.want("two", "three")
	if f.src.lost == 0 {
		t.Fatal("the queue did not overflow")
	}
	f.nothingElse(p)
}

// The rival loses 93 lines of 100 of a burst.
func TestBurst(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		text, lines := numbered(0, 200000)
		written := make(chan error)
		go func() {
			for rest := text; rest != ""; { // cut anywhere
				n := min(len(rest), 4097)
				w, err := os.OpenFile(p, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err == nil {
					_, err = w.WriteString(rest[:n])
					w.Close()
				}
				if err != nil {
					written <- err
					return
				}
				rest = rest[n:]
			}
			written <- nil
		}()
		f.want(lines...)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		f.nothingElse(p)
	})
}

// Where inotify hears nothing, polling beside it does.
func TestPollsBesideInotify(t *testing.T) {
	p := logPath(t)
	write(t, p, "one\n")
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("one")
	f.drain()
	for wd := range f.src.watches {
		f.src.notify.unwatch(wd) // as if the file lay on a network
	}
	f.src.pollToo()
	f.drain()
	write(t, p, "two\n")
	f.want("two")
}

// A directory whose other files are busy does not wake us.
func TestNoiseDoesNotWake(t *testing.T) {
	p := logPath(t)
	write(t, p, "one\n")
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("one")
	f.drain()
	for _, name := range []string{"other.log", "auth.logx"} {
		write(t, filepath.Join(filepath.Dir(p), name), "x\n")
	}
	list, err := f.src.notify.poll()
	if err != nil || len(list) > 0 {
		t.Errorf("changes are %+v (%v), expected none", list, err)
	}
}

func TestReleasesDeletedFile(t *testing.T) {
	p := logPath(t)
	write(t, p, "one\nhalf")
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("one")
	remove(t, p)
	f.drain()
	if len(f.src.held) != 1 {
		t.Fatal("the deleted file is closed at once, though its writer may go on")
	}
	now := time.Now()
	f.src.now = func() time.Time { return now.Add(lateFor + sweepEvery) }
	f.want("half")
	if len(f.src.held) != 0 {
		t.Error("the deleted file is still open")
	}
	write(t, p, "new\n")
	f.want("new")
}

func TestClosesLateFiles(t *testing.T) {
	p := logPath(t)
	write(t, p, "one\n")
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("one")
	w := writer(t, p)
	rename(t, p, p+".1")
	write(t, p, "two\n")
	f.want("two")
	add(t, w, "late half")
	f.drain()
	now := time.Now()
	f.src.now = func() time.Time { return now.Add(lateFor + sweepEvery) }
	f.want("late half")
	if len(f.src.held) != 1 || len(f.src.watches) != 1 {
		t.Errorf("%d files open, %d watched; expected one", len(f.src.held), len(f.src.watches))
	}
}

func TestWatched(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
		write(t, b, "x\n")
		f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log"), filepath.Join(dir, "none")}, Polling: polling})
		f.want("x")
		if got := f.src.Watched(); !slices.Equal(got, []string{b}) {
			t.Errorf("watched are %q", got)
		}
		write(t, a, "y\n")
		f.want("y")
		if got := f.src.Watched(); !slices.Equal(got, []string{a, b}) {
			t.Errorf("watched are %q", got)
		}
	})
}

// Close wakes a Next that waits, and leaves neither goroutine nor descriptor.
func TestClose(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "a\n")
		goroutines, files := runtime.NumGoroutine(), descriptors(t)
		for range 20 {
			f := start(t, FileOptions{Patterns: []string{p}, Polling: polling, PollEvery: time.Hour})
			f.marks = map[string]event.Mark{}
			f.want("a")
			ended := make(chan error)
			go func() {
				_, err := f.src.Next(context.Background())
				ended <- err
			}()
			f.stop()
			if err := <-ended; !errors.Is(err, ErrClosed) {
				t.Fatalf("Next ended with %v, expected ErrClosed", err)
			}
			if err := f.src.Close(); err != nil {
				t.Fatalf("second Close: %v", err)
			}
		}
		if got := descriptors(t); got != files {
			t.Errorf("%d descriptors before, %d after", files, got)
		}
		deadline := time.Now().Add(patience)
		for runtime.NumGoroutine() > goroutines {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines before, %d after", goroutines, runtime.NumGoroutine())
			}
			runtime.Gosched()
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestNextEndsWithContext(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		f := start(t, FileOptions{Patterns: []string{logPath(t)}, Polling: polling, PollEvery: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := f.src.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next ended with %v, expected the context's error", err)
		}
		write(t, f.o.Patterns[0], "a\n")
		f.src.due = time.Time{}
		f.want("a")
	})
}

// A busy file does not starve a quiet one.
func TestFair(t *testing.T) {
	dir := t.TempDir()
	big, small := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, big, strings.Repeat(strings.Repeat("x", 99)+"\n", 100000))
	write(t, small, "quiet\n")
	f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*")}})
	for i := 0; ; i++ {
		if b := f.next(); b.Source == small {
			return
		}
		if i > 2 {
			t.Fatal("the quiet file gets no turn")
		}
	}
}

func BenchmarkFiles(b *testing.B) {
	p := filepath.Join(b.TempDir(), "log")
	line := "Nov 24 13:11:32 host sshd[1234]: Failed password for root from 192.0.2.1 port 4711 ssh2\n"
	const n = 200000
	if err := os.WriteFile(p, []byte(strings.Repeat(line, n)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		src, err := Files(FileOptions{Patterns: []string{p}})
		if err != nil {
			b.Fatal(err)
		}
		for lines := 0; lines < n; {
			batch, err := src.Next(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			lines += len(batch.Lines)
		}
		src.Close()
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "lines/s")
}
