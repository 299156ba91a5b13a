package source

import (
	"os"
	"path/filepath"
	"testing"
)

// The rotation matrix: each case as its own test, under inotify and polling.

func TestAppend(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "a\nb\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("a", "b")
		write(t, p, "c\r\n")
		f.want("c")
		f.nothingElse(p)
	})
}

func TestSplitWrite(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "first\nhal")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("first")
		add(t, w, "f a ")
		add(t, w, "line\nnext\n")
		f.want("half a line", "next")
		f.nothingElse(p)
	})
}

func TestRenameAndCreate(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		write(t, p, "old 2\n")
		rename(t, p, p+".1")
		write(t, p, "new 1\nnew 2\n")
		f.want("old 2", "new 1", "new 2")
		f.nothingElse(p)
	})
}

// The rival loses 802 of 4,000 lines here.
func TestLateWriter(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		rename(t, p, p+".1")
		add(t, w, "late, no new file yet\n")
		f.want("late, no new file yet")
		write(t, p, "") // logrotate's create
		add(t, w, "late, new file empty\n")
		f.want("late, new file empty")
		add(t, w, "late, unread when the new one is written\n")
		write(t, p, "new 1\n")
		f.want("late, unread when the new one is written", "new 1")
		add(t, w, "from a slower process\n")
		f.want("from a slower process")
		f.nothingElse(p)
	})
}

// As long as the new file is empty the mark stays with the old one, whose writer may go on
// while gaol is down.
func TestLateWriterWhileDown(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		rename(t, p, p+".1")
		write(t, p, "")
		add(t, w, "old 2\n")
		f.want("old 2")
		f.drain()
		f.stop()
		add(t, w, "late\n")
		write(t, p, "new 1\n")
		f.open()
		f.want("late", "new 1")
		f.nothingElse(p)
	})
}

func TestMovedAwayAndBack(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "one\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("one")
		rename(t, p, p+".aside")
		write(t, p, "two\n")
		f.want("two")
		rename(t, p+".aside", p)
		add(t, w, "three\n")
		f.want("three")
		rename(t, p, p+".aside")
		write(t, p, "")
		f.look()
		rename(t, p+".aside", p)
		f.look()
		add(t, w, "four\n")
		f.want("four")
		rename(t, p, p+".1")
		write(t, p, "five\n")
		f.want("five")
		f.nothingElse(p)
	})
}

func TestDeleteAndCreate(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		write(t, p, "old 2\n")
		remove(t, p)
		write(t, p, "new 1\n")
		f.want("old 2", "new 1")
		f.nothingElse(p)
	})
}

func TestMovedToAnotherDirectory(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		rename(t, p, filepath.Join(t.TempDir(), "auth.log-20260101"))
		add(t, w, "late\n")
		f.want("late")
		write(t, p, "new 1\n")
		f.want("new 1")
		f.nothingElse(p)
	})
}

func TestTwoRotationsUnseen(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "one\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("one")
		write(t, p, "one more\n")
		rename(t, p, p+".1")
		write(t, p, "two\n")
		rename(t, p+".1", p+".2")
		rename(t, p, p+".1")
		write(t, p, "three\n")
		f.want("one more", "two", "three")
		f.nothingElse(p)
	})
}

func TestTruncate(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "old 1\nold 2\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1", "old 2")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		write(t, p, "new\n")
		f.want("new")
		f.nothingElse(p)
	})
}

// The file is longer than before when we look again: only its bytes tell.
func TestTruncateAndOutgrow(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p, "# header\nold\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("# header", "old")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		write(t, p, "# header\nnew, and longer than the old one was\n")
		f.want("# header", "new, and longer than the old one was")
		f.nothingElse(p)
	})
}

func TestCopyTruncate(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "old 1\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		add(t, w, "old 2\nold 3 is not finis")
		copyFile(t, p, p+".1")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		add(t, w, "hed\nnew 1\n")
		f.want("old 2", "old 3 is not finis", "hed", "new 1")
		f.nothingElse(p)
	})
}

// A writer without O_APPEND goes on where it was: the file begins with a hole.
func TestTruncateLeavesHole(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w, err := os.Create(p)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		text, lines := numbered(0, 30000)
		add(t, w, text)
		f.want(lines...)
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		add(t, w, "behind the hole\n")
		f.want("behind the hole")
		if f.cut != 0 {
			t.Errorf("%d lines cut, expected none", f.cut)
		}
		add(t, w, "sentinel\n")
		f.want("sentinel")
	})
}

func TestUnfinishedLastLineAtRotation(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		w := writer(t, p)
		add(t, w, "old 1\nno newline")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old 1")
		rename(t, p, p+".1")
		add(t, w, " ever")
		write(t, p, "new 1\n")
		f.want("no newline ever", "new 1")
		f.nothingElse(p)
	})
}

func TestLinkMoved(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
		write(t, one, "one 1\n")
		link(t, one, p)
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("one 1")
		write(t, one, "one 2\n")
		write(t, two, "two 1\n")
		link(t, two, p)
		f.want("one 2", "two 1")
		write(t, two, "two 2\n")
		f.want("two 2")
		f.nothingElse(p)
	})
}

// Another link on the way to the file is moved, in a directory of its own.
func TestLinkedDirectoryMoved(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		a, b, at := t.TempDir(), t.TempDir(), t.TempDir()
		write(t, filepath.Join(a, "x.log"), "a 1\n")
		write(t, filepath.Join(b, "x.log"), "b 1\n")
		link(t, a, filepath.Join(at, "hop"))
		link(t, "hop", filepath.Join(at, "dir"))
		p := filepath.Join(at, "dir", "x.log")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("a 1")
		link(t, b, filepath.Join(at, "hop"))
		f.want("b 1")
		f.nothingElse(p)
	})
}

func TestAppearsLater(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := t.TempDir()
		f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*", "[!x]*.log"), filepath.Join(dir, "late.txt")}, Polling: polling})
		late := filepath.Join(dir, "late.txt")
		write(t, late, "literal\n")
		f.want("literal")
		site := filepath.Join(dir, "site")
		if err := os.Mkdir(site, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(site, "xno.log"), "not this one\n")
		write(t, filepath.Join(site, "access.log"), "glob\n")
		f.want("glob")
		write(t, filepath.Join(site, "error.log"), "second\n")
		f.want("second")
		f.nothingElse(late)
	})
}

func TestDirectoryReplaced(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := filepath.Join(t.TempDir(), "log")
		p := filepath.Join(dir, "a.log")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, p, "old\n")
		f := start(t, FileOptions{Patterns: []string{p}, Polling: polling})
		f.want("old")
		rename(t, dir, dir+".bak")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, p, "new\n")
		f.want("new")
		f.nothingElse(p)
	})
}

func TestGlobMatchesRotatedNames(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		p := logPath(t)
		write(t, p+".1", "oldest\n")
		write(t, p, "old\n")
		write(t, p+".2.gz", "\x1f\x8b\n")
		f := start(t, FileOptions{Patterns: []string{p + "*"}, Polling: polling})
		f.want("oldest", "old")
		rename(t, p+".1", p+".2")
		rename(t, p, p+".1")
		write(t, p, "new\n")
		f.want("new")
		rename(t, p+".2", p+".3")
		rename(t, p+".1", p+".2")
		copyFile(t, p, p+".1")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		f.nothingElse(p)
	})
}

// A rotated name that does not look like one, and matches the glob.
func TestRenamedWithinGlob(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := t.TempDir()
		p, other := filepath.Join(dir, "a.log"), filepath.Join(dir, "before.log")
		write(t, p, "old\n")
		f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}, Polling: polling})
		f.want("old")
		rename(t, p, other)
		write(t, p, "new\n")
		f.want("new")
		write(t, other, "late\n")
		f.want("late")
		f.nothingElse(p)
	})
}

func TestTwoNamesOfOneFile(t *testing.T) {
	modes(t, func(t *testing.T, polling bool) {
		dir := t.TempDir()
		p := filepath.Join(dir, "a.log")
		write(t, p, "once\n")
		link(t, "a.log", filepath.Join(dir, "current.log"))
		f := start(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}, Polling: polling})
		f.want("once")
		f.nothingElse(p)
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
