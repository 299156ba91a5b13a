package source

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"gaol/internal/event"
	"gaol/internal/wide"
)

var wideUnits = []wide.Units{{Width: 2}, {Width: 2, Big: true}, {Width: 2, Marked: true}, {Width: 4}, {Width: 4, Big: true}, {Width: 4, Marked: true}}

// encode writes a text in units.
func encode(u wide.Units, text string) string {
	var units []uint32
	for _, r := range text {
		if u.Width == 2 && r > 0xffff {
			a, b := utf16.EncodeRune(r)
			units = append(units, uint32(a), uint32(b))
		} else {
			units = append(units, uint32(r))
		}
	}
	var b []byte
	for _, n := range units {
		for i := range u.Width {
			if u.Big {
				i = u.Width - 1 - i
			}
			b = append(b, byte(n>>(8*i)))
		}
	}
	return string(b)
}

func wideModes(t *testing.T, test func(t *testing.T, u wide.Units, put func(path, text string), f func() *feed, p string)) {
	for _, u := range wideUnits {
		t.Run(fmt.Sprintf("%+v", u), func(t *testing.T) {
			p := logPath(t)
			test(t, u, func(path, text string) { write(t, path, encode(u, text)) },
				func() *feed { return start(t, FileOptions{Patterns: []string{p}, Units: u}) }, p)
		})
	}
}

// A user name whose characters hold the byte of a newline must not end a line: what stands
// behind it would be a line of the attacker's.
func TestWideNewlineIsACharacter(t *testing.T) {
	wideModes(t, func(t *testing.T, _ wide.Units, put func(string, string), f func() *feed, p string) {
		forged := "user \u0a0a\u0a00\u010aroot from 192.0.2.1\u0d0a\u0a0d \U0001000a\U000a0a0a"
		put(p, forged+"\n\u0a0a\r\n\r\n\n"+"J\u00fcrgen \U0001f512\n")
		f().want(forged, "\u0a0a", "", "", "J\u00fcrgen \U0001f512")
	})
}

func TestWideTornCharacter(t *testing.T) {
	wideModes(t, func(t *testing.T, u wide.Units, put func(string, string), f func() *feed, p string) {
		put(p, "first\n")
		d := f()
		d.want("first")
		text := encode(u, "a\u0a0ab\nc\n\n")
		for i := 1; i < len(text); i++ {
			b, _ := d.src.try()
			for range b.Lines {
				t.Fatalf("lines %q before byte %d", b.Lines, i)
			}
			write(t, p, text[i-1:i])
			if i == 4*u.Width || i == 6*u.Width { // a newline is complete
				want := map[int]string{4: "a\u0a0ab", 6: "c"}[i/u.Width]
				d.want(want)
			}
			if i%3 == 0 {
				d.restart()
			}
		}
		write(t, p, text[len(text)-1:])
		d.want("")
	})
}

// The last character of a file that is left may be torn for ever.
func TestWideRotation(t *testing.T) {
	wideModes(t, func(t *testing.T, u wide.Units, put func(string, string), f func() *feed, p string) {
		put(p, "old 1\n")
		d := f()
		d.want("old 1")
		put(p, "old 2\nhalf")
		write(t, p, "\n")
		rename(t, p, p+".1")
		put(p, "new 1\n")
		d.want("old 2", "half", "new 1")
		d.stop()
		put(p, "new 2\n")
		rename(t, p, p+".2")
		rename(t, p+".2", p+".1")
		put(p, "newer\n")
		d.open()
		d.want("new 2", "newer")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		put(p, "again\n")
		d.want("again")
	})
}

// A deleted file is let go of though half a character at its end is never read.
func TestWideDeletedFile(t *testing.T) {
	wideModes(t, func(t *testing.T, u wide.Units, put func(string, string), f func() *feed, p string) {
		put(p, "one\nhalf")
		write(t, p, encode(u, "e")[:1])
		d := f()
		d.want("one")
		remove(t, p)
		d.drain()
		now := time.Now()
		d.src.now = func() time.Time { return now.Add(lateFor + sweepEvery) }
		d.want("half")
		if len(d.src.held) != 0 {
			t.Error("the deleted file is still open")
		}
	})
}

// Each file's byte order is its own; a mark may come once more where a writer begins anew.
func TestByteOrderMark(t *testing.T) {
	for _, width := range []int{2, 4} {
		u := wide.Units{Width: width, Marked: true}
		little, big := wide.Units{Width: width}, wide.Units{Width: width, Big: true}
		p := logPath(t)
		write(t, p, "")
		f := start(t, FileOptions{Patterns: []string{p}, Units: u})
		f.ready(p)
		write(t, p, encode(big, "\ufeffbig\n")[:1])
		f.look()
		write(t, p, encode(big, "\ufeffbig\nmore\n")[1:])
		f.want("big", "more")
		f.restart()
		write(t, p, encode(big, "\ufeffanew\n"))
		f.want("anew")
		rename(t, p, p+".1")
		write(t, p, encode(little, "\ufefflittle\n"))
		f.want("little")
		rename(t, p, p+".2")
		write(t, p, encode(little, "unmarked\n"))
		f.want("unmarked")
		f.stop()
		write(t, p, encode(little, "after\n"))
		f.open()
		f.want("after")
		if err := os.Truncate(p, 0); err != nil {
			t.Fatal(err)
		}
		write(t, p, encode(big, "\ufeffturned\n"))
		f.want("turned")
	}
	p := logPath(t) // a name that tells the order leaves the mark to the text, as Python does
	write(t, p, encode(wide.Units{Width: 2}, "\ufeffa\n"))
	start(t, FileOptions{Patterns: []string{p}, Units: wide.Units{Width: 2}}).want("\ufeffa")
}

func TestWideLimits(t *testing.T) {
	wideModes(t, func(t *testing.T, u wide.Units, put func(string, string), f func() *feed, p string) {
		long := strings.Repeat("x", event.MaxLine)
		put(p, long+"y\n"+long+"\nnext\n"+strings.Repeat("\n", MaxBatchLines))
		d := f()
		var lines []string
		for len(lines) < MaxBatchLines+3 {
			b := d.next()
			if len(b.Lines) > MaxBatchLines {
				t.Fatalf("%d lines in a batch", len(b.Lines))
			}
			for _, l := range b.Lines {
				lines = append(lines, l.Text)
			}
		}
		if lines[0] != long || lines[1] != long || lines[2] != "next" || d.cut != 1 {
			t.Errorf("lines of %d, %d and %d bytes, %d cut", len(lines[0]), len(lines[1]), len(lines[2]), d.cut)
		}
		put(p, long)
		put(p, strings.Repeat("\u65e5", event.MaxLine)+"\n")
		b := d.next()
		for len(b.Lines) == 0 {
			b = d.next()
		}
		if got := b.Lines[0].Text; got != long || b.Cut != 1 {
			t.Errorf("a line of %d bytes, %d cut", len(got), b.Cut)
		}
	})
}

// What is too old is skipped, and tail begins at a character.
func TestWideBeginnings(t *testing.T) {
	wideModes(t, func(t *testing.T, u wide.Units, put func(string, string), f func() *feed, p string) {
		put(p, strings.Repeat("old \u0a0a and long enough\n", 20000)+"recent 1\nrecent 2\n")
		write(t, p, encode(u, "e")[:1])
		read := 0
		d := start(t, FileOptions{Patterns: []string{p}, Units: u,
			TooOld: func(text string) (bool, bool) { return strings.HasPrefix(text, "old"), true }})
		for last := ""; last != "recent 2"; {
			for _, l := range d.next().Lines {
				read++
				last = l.Text
			}
		}
		if read > 8000 {
			t.Errorf("%d of 20000 lines read, expected few", read)
		}
		tail := start(t, FileOptions{Patterns: []string{p}, Units: u, Tail: true})
		tail.ready(p)
		write(t, p, encode(u, "end\n")[1:])
		tail.want("end")
	})
}

// Marks that were set when the log was read in another encoding fit nothing.
func TestMarkOfAnotherEncoding(t *testing.T) {
	p := logPath(t)
	write(t, p, encode(wide.Units{Width: 2}, "one\ntwo\n"))
	f := start(t, FileOptions{Patterns: []string{p}})
	f.want("o\x00n\x00e\x00", "t\x00w\x00o\x00")
	f.o.Units = wide.Units{Width: 2}
	f.restart()
	f.want("one", "two")
	f.o.Units = wide.Units{Width: 2, Marked: true}
	f.restart()
	write(t, p, encode(f.o.Units, "three\n"))
	f.want("three")
	f.o.Units = wide.Units{}
	f.restart()
	f.want("o\x00n\x00e\x00", "t\x00w\x00o\x00", "t\x00h\x00r\x00e\x00e\x00")
}

func TestMarkFitsWideLog(t *testing.T) {
	p, u := logPath(t), wide.Units{Width: 2, Marked: true}
	write(t, p, encode(wide.Units{Width: 2, Big: true}, "\ufeff\u6100\u0a62b\nc\nd\n"))
	open := func() *tail {
		tl, err := (&FileSource{o: FileOptions{tree: machine{}, Units: u}}).openTail(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tl.close)
		return tl
	}
	whole := open()
	hash, n, err := whole.firstLine()
	if err != nil || n != 10 {
		t.Fatalf("first line of %d bytes, %v", n, err)
	}
	for offset := range int64(20) {
		want := alien
		if offset == 0 || offset == 10 || offset == 14 || offset == 18 {
			want = same
		}
		if got := open().fit(event.Mark{Inode: whole.id.ino, Hash: hash, Offset: offset}); got != want {
			t.Errorf("offset %d: %d, expected %d", offset, got, want)
		}
	}
}

func TestFramedLogsAreNotWide(t *testing.T) {
	if _, err := Files(FileOptions{Patterns: []string{"/log"}, Units: wide.Units{Width: 2}, Format: CRI}); err == nil {
		t.Error("a framed log was taken for UTF-16")
	}
}
