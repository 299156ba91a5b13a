package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gaol/internal/event"
)

func TestResume(t *testing.T) {
	for _, c := range []struct {
		name string
		down func(t *testing.T, p string) // what happens while gaol is down
		want []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"more lines", func(t *testing.T, p string) { write(t, p, "two\n") }, []string{"two"}},
		{"renamed", func(t *testing.T, p string) {
			write(t, p, "two\n")
			rename(t, p, p+".1")
			write(t, p, "three\n")
		}, []string{"two", "three"}},
		{"renamed, the same lines in the new one", func(t *testing.T, p string) {
			write(t, p, "two\n")
			rename(t, p, p+".1")
			write(t, p, "zero\none\nnew\n")
		}, []string{"two", "zero", "one", "new"}},
		{"renamed with date", func(t *testing.T, p string) {
			write(t, p, "two\nno newline")
			rename(t, p, p+"-20260101")
			write(t, p, "three\n")
		}, []string{"two", "no newline", "three"}},
		{"rotated often", func(t *testing.T, p string) {
			for i := 3; i > 0; i-- {
				write(t, p, strings.Repeat("x", i)+"\n")
				for j := 3; j > 0; j-- {
					_ = os.Rename(p+"."+string(rune('0'+j)), p+"."+string(rune('1'+j)))
				}
				rename(t, p, p+".1")
			}
			write(t, p, "live\n")
		}, []string{"xxx", "xx", "x", "live"}},
		{"rotated often with date, older and compressed ones there", func(t *testing.T, p string) {
			write(t, p+"-20251231", "older\n")
			write(t, p+"-20260102.gz", "compressed\n")
			write(t, p, "two\n")
			rename(t, p, p+"-20260101")
			write(t, p+"-20260103", "three\n")
			write(t, p, "four\n")
		}, []string{"two", "three", "four"}},
		{"new file not there yet", func(t *testing.T, p string) {
			write(t, p, "two\n")
			rename(t, p, p+".1")
			write(t, p, "")
			write(t, p+".1", "late\n")
		}, []string{"two", "late"}},
		{"copied and truncated", func(t *testing.T, p string) {
			write(t, p, "two\n")
			copyFile(t, p, p+".1")
			if err := os.Truncate(p, 0); err != nil {
				t.Fatal(err)
			}
			write(t, p, "three\n")
		}, []string{"two", "three"}},
		{"restored from a backup", func(t *testing.T, p string) {
			write(t, p, "two\n")
			copyFile(t, p, p+".tmp")
			rename(t, p+".tmp", p)
		}, []string{"two"}},
		{"deleted and created", func(t *testing.T, p string) {
			remove(t, p)
			write(t, p, "another\nfile\n")
		}, []string{"another", "file"}},
		{"truncated", func(t *testing.T, p string) {
			if err := os.Truncate(p, 0); err != nil {
				t.Fatal(err)
			}
			write(t, p, "a\n")
		}, []string{"a"}},
		{"truncated and outgrown, the same header", func(t *testing.T, p string) {
			if err := os.Truncate(p, 0); err != nil {
				t.Fatal(err)
			}
			write(t, p, "zero\nlonger than before\n")
		}, []string{"zero", "longer than before"}},
		{"old one compressed, the same header", func(t *testing.T, p string) {
			write(t, p+".new", "zero\nlonger than before\n")
			rename(t, p+".new", p)
		}, []string{"zero", "longer than before"}},
		{"a lookalike beside it", func(t *testing.T, p string) {
			copyFile(t, p, p+".1")
			write(t, p+".1", "not ours\n")
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := logPath(t)
			f := start(t, FileOptions{Patterns: []string{p}})
			write(t, p, "zero\none\n")
			f.want("zero", "one")
			f.stop()
			c.down(t, p)
			f.open()
			f.want(c.want...)
			f.nothingElse(p)
		})
	}
}

// The mark is of the half line's beginning, so that the whole line comes after the restart.
func TestResumeInHalfLine(t *testing.T) {
	p := logPath(t)
	f := start(t, FileOptions{Patterns: []string{p}})
	write(t, p, "one\nhal")
	f.want("one")
	f.restart()
	write(t, p, "f\n")
	f.want("half")
	f.nothingElse(p)
}

// The file that was left with a half first line has no hash; its inode must do.
func TestResumeBehindFlushedHalfLine(t *testing.T) {
	p := logPath(t)
	f := start(t, FileOptions{Patterns: []string{p}})
	write(t, p, "half")
	f.ready(p)
	rename(t, p, p+".1")
	write(t, p, "new\n")
	if b := f.next(); len(b.Lines) != 1 || b.Lines[0].Text != "half" {
		t.Fatalf("batch is %+v, expected the half line", b)
	}
	f.restart()
	f.want("new")
	f.nothingElse(p)
}

func TestResumeAfterLinkMoved(t *testing.T) {
	dir := t.TempDir()
	p, one, two := filepath.Join(t.TempDir(), "log"), filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, one, "one 1\n")
	link(t, one, p)
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("one 1")
	f.stop()
	write(t, one, "one 2\n")
	write(t, two, "two 1\n")
	link(t, two, p)
	f.open()
	f.want("one 2", "two 1")
	f.nothingElse(p)
}

// The link was read under its own name; now its former and its new target have marks as well.
func TestResumeWithAliases(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log"), filepath.Join(dir, "current.log")
	write(t, a, "a 1\n")
	link(t, "a.log", c)
	f := start(t, FileOptions{Patterns: []string{c}})
	f.want("a 1")
	f.stop()
	f.o.Patterns = []string{filepath.Join(dir, "*.log")}
	write(t, b, "b 1\n")
	f.open()
	f.want("b 1")
	f.stop()
	link(t, "b.log", c)
	f.open()
	f.nothingElse(b)
	f.nothingElse(a)
}

// Each file of a glob has its own mark.
func TestResumeWithinGlob(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log*")}})
	write(t, a, "a 1\n")
	f.want("a 1")
	write(t, b, "b 1\n")
	f.want("b 1")
	f.stop()
	write(t, a, "a 2\n")
	rename(t, a, a+".1")
	write(t, a, "a 3\n")
	rename(t, b, filepath.Join(dir, "moved.log"))
	write(t, filepath.Join(dir, "moved.log"), "b 2\n")
	write(t, b, "b 3\n")
	f.open()
	got := map[string]string{}
	for len(got[a]) < len("a 2 a 3 ") || len(got[b]) < len("b 2 b 3 ") {
		batch := f.next()
		for _, l := range batch.Lines {
			got[batch.Source] += l.Text + " "
		}
	}
	if got[a] != "a 2 a 3 " || got[b] != "b 2 b 3 " {
		t.Errorf("lines are %q", got)
	}
	f.nothingElse(b)
}

// An inode number is used again for a new file of the same size; the first line tells.
func TestInodeReused(t *testing.T) {
	p := logPath(t)
	f := start(t, FileOptions{Patterns: []string{p}})
	write(t, p, "old\n")
	f.want("old")
	f.stop()
	m := f.marks[p]
	rename(t, p, p+".gone")
	write(t, p, "new\n")
	remove(t, p+".gone")
	id, err := f.src.identify(p)
	if err != nil {
		t.Fatal(err)
	}
	m.Inode = id.ino // what a file system that reuses numbers would give
	f.marks[p] = m
	f.open()
	f.want("new")
	f.nothingElse(p)
}

func TestTail(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := t.TempDir()
		p, later := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
		write(t, p, "old\nhalf")
		f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}, Polling: polling, Tail: true})
		f.ready(p)
		write(t, p, " a line\n")
		f.want("half a line")
		write(t, later, "whole\n")
		f.want("whole")
		f.nothingElse(p)
	})
}

func TestTooOld(t *testing.T) {
	old := func(text string) (bool, bool) { return strings.HasPrefix(text, "old"), text != "undated" }
	var b strings.Builder
	for range 40000 {
		b.WriteString("old, and long enough that it takes some bytes\nundated\n")
	}
	b.WriteString("recent 1\nrecent 2\n")
	p := logPath(t)
	write(t, p, b.String())
	f := start(t, FileOptions{Patterns: []string{p}, TooOld: old})
	skipped := 80000
	for last := ""; last != "recent 2"; {
		for _, l := range f.next().Lines {
			if old, known := old(l.Text); old || !known {
				skipped--
			}
			last = l.Text
		}
	}
	if skipped < 76000 {
		t.Errorf("%d old lines skipped, expected nearly all of 80000", skipped)
	}
	f.nothingElse(p)
}

// What cannot be dated is read rather than skipped.
func TestTooOldUnknown(t *testing.T) {
	p := logPath(t)
	text, lines := numbered(0, 30000)
	write(t, p, text)
	f := start(t, FileOptions{Patterns: []string{p}, TooOld: func(string) (bool, bool) { return true, false }})
	f.want(lines...)
	f.nothingElse(p)
}

// For every place where old lines end, bisection begins at a line, before the first recent one
// and not far from it.
func TestBisect(t *testing.T) {
	const n, width = 19997, 23
	p := logPath(t)
	write(t, p, strings.Repeat(strings.Repeat(".", width-1)+"\n", n))
	tl, err := machineTail(p)
	if err != nil {
		t.Fatal(err)
	}
	defer tl.close()
	for edge := 0; edge <= n; edge += 997 {
		// The probe sees text only, so the age is taken from where it reads.
		w, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(strings.Repeat(strings.Repeat("o", width-1)+"\n", edge)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		at := tl.bisect(0, func(text string) (bool, bool) { return text[0] == 'o', true })
		if at%width != 0 || at > int64(edge*width) || int64(edge*width)-at > 2*bisectBlock {
			t.Errorf("old up to %d: bisection gives %d", edge*width, at)
		}
		if at := tl.bisect(int64(n*width), func(string) (bool, bool) { return true, true }); at != n*width {
			t.Errorf("bisection from the end gives %d", at)
		}
	}
}

func TestRotatedNames(t *testing.T) {
	for _, c := range []struct {
		live, name, suffix string
	}{
		{"auth.log", "auth.log.1", "1"},
		{"auth.log", "auth.log-20260101", "20260101"},
		{"auth.log", "auth.log-20260101-1767268800", "20260101-1767268800"},
		{"app.log", "app.log.2026-01-01_12", "2026-01-01_12"},
		{"access.log", "access-20260101.log", "20260101"},
		{"access.log", "access.1.log", "1"},
		{"messages", "messages.1", "1"},
		{"auth.log", "auth.log.1.gz", ""},
		{"auth.log", "auth.log.old", ""},
		{"php.log", "php-8.1.log", ""},
		{"app.log", "app-2.log", ""},
		{"auth.log", "auth.log", ""},
		{"auth.log", "auth.log2", ""},
		{"messages", "messages-2", ""},
	} {
		suffix, ok := rotated(c.live, c.name)
		if ok != (c.suffix != "") || ok && suffix != c.suffix {
			t.Errorf("rotated(%q, %q) is %q, %v; expected %q", c.live, c.name, suffix, ok, c.suffix)
		}
		if ok != (len(livesOf("/d/"+c.name, map[string]bool{"/d/" + c.live: true})) > 0) {
			t.Errorf("livesOf(%q) with %q is %v", c.name, c.live, !ok)
		}
	}
}

func TestMarkFits(t *testing.T) {
	p := logPath(t)
	write(t, p, "first\nsecond\n")
	tl, err := machineTail(p)
	if err != nil {
		t.Fatal(err)
	}
	defer tl.close()
	hash := hashOf([]byte("first\n"))
	ino := tl.id.ino
	for _, c := range []struct {
		name string
		m    event.Mark
		want int
	}{
		{"its own", event.Mark{Inode: ino, Hash: hash, Offset: 13}, same},
		{"another inode", event.Mark{Inode: ino + 1, Hash: hash, Offset: 6}, alike},
		{"another first line", event.Mark{Inode: ino, Hash: hashOf([]byte("x\n")), Offset: 6}, alien},
		{"in the middle of a line", event.Mark{Inode: ino, Hash: hash, Offset: 7}, alien},
		{"too short", event.Mark{Inode: ino, Hash: hash, Offset: 14}, alien},
		{"first line was not complete", event.Mark{Inode: ino}, same},
		{"no hash, and behind the first line", event.Mark{Inode: ino, Offset: 13}, alien},
		{"no hash, other inode", event.Mark{Inode: ino + 1}, alien},
	} {
		if got := tl.fit(c.m); got != c.want {
			t.Errorf("%s: %d, expected %d", c.name, got, c.want)
		}
	}
}
