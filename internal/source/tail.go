package source

import (
	"bytes"
	"crypto/sha1" // not for secrecy: it names a log by its first line, as fail2ban's database does (§4.6)
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
	"gaol/internal/wide"
)

// backSize is how many bytes in front of the read position are compared before each read. A
// file that was truncated and has already grown past the position is noticed by them.
const backSize = 64

// errRewritten says that what was read is no longer there: the file was truncated.
var errRewritten = errors.New("file was truncated or rewritten")

// errKind is in the chain of the errors that refuse what is no regular file.
var errKind = errors.New("expected a regular file")

type fileID struct{ dev, ino uint64 }

// tail is one open file and how far it is read.
type tail struct {
	fd    int
	id    fileID
	owner *follower
	watch int       // inotify watch, -1 without one
	left  time.Time // when another file took its place, or its last late line came

	pos  int64  // read up to here
	line int64  // where the unfinished line begins: the offset of the mark
	part []byte // the unfinished line, as much of it as a line may have
	over bool   // it is longer than MaxLine
	back []byte // the last bytes in front of pos
	hash string // of the first line; empty while it is not complete

	limit  int  // characters, at most bytes, that are kept of a line
	places bool // chunks say where their lines begin

	units   wide.Units // how the log's text is written; its offsets are whole units of it
	ordered bool       // their byte order is known
}

// openTail opens a regular file. The caller has looked that it is one; O_NONBLOCK is for a FIFO
// that took its place since, on which open would wait for a writer.
func (s *FileSource) openTail(path string) (*tail, error) {
	fd, err := s.o.tree.open(path, unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("follow %s: changed while it was opened, %w", path, errKind)
	}
	t := &tail{fd: fd, id: fileID{st.Dev, st.Ino}, watch: -1, units: s.o.Units, limit: event.MaxLine}
	if s.o.Format != Plain {
		t.limit, t.places = rawLimit, true
	}
	return t, nil
}

// regular says in words why path, which is fi, cannot be followed; nil for a regular file.
func regular(path string, fi os.FileInfo) error {
	kind := ""
	switch m := fi.Mode(); {
	case m.IsRegular():
		return nil
	case m.IsDir():
		kind = "a directory"
	case m&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case m&fs.ModeSocket != 0:
		kind = "a socket"
	default:
		kind = "a device"
	}
	return fmt.Errorf("follow %s: is %s, %w", path, kind, errKind)
}

func (t *tail) close() { unix.Close(t.fd) }

// stat is the size of the open file and whether it still has a name anywhere.
func (t *tail) stat() (size int64, named bool) {
	var st unix.Stat_t
	if unix.Fstat(t.fd, &st) != nil {
		return 0, false
	}
	return st.Size, st.Nlink > 0
}

// unread says whether the file holds more than was read of it.
func (t *tail) unread() bool {
	size, _ := t.stat()
	return t.units.Whole(size) > t.pos
}

// order finds out which byte order the file is written in, once it has a first character.
func (t *tail) order() {
	if t.ordered || !t.units.Wide() {
		return
	}
	head := make([]byte, t.units.Size())
	if n, err := pread(t.fd, head, 0); err == nil && n == len(head) {
		t.units, t.ordered = t.units.Ordered(head), true
	}
}

// seek sets the position; at is the beginning of a line.
func (t *tail) seek(at int64) error {
	t.pos, t.line, t.part, t.over = at, at, nil, false
	t.back = make([]byte, min(at, backSize), backSize)
	n, err := pread(t.fd, t.back, at-int64(len(t.back)))
	if err != nil {
		return err
	}
	if n < len(t.back) {
		return errRewritten
	}
	t.hash = ""
	if at > 0 {
		t.hash, _, err = t.firstLine()
	}
	return err
}

// restart goes back to the beginning of a file that was rewritten.
func (t *tail) restart() {
	t.pos, t.line, t.part, t.over, t.back, t.hash = 0, 0, nil, false, t.back[:0], ""
	t.ordered = false // without a mark it is in the order that it was in: copytruncate takes marks away
}

// chunk is what one read gave.
type chunk struct {
	lines []event.Line
	at    []int64 // where each line begins, if the tail has places
	cut   int
	end   bool // the end of the file was reached
}

// read takes at most one buffer of the file. errRewritten: see there.
func (t *tail) read(buf []byte, now time.Time) (chunk, error) {
	n, err := pread(t.fd, buf, t.pos-int64(len(t.back)))
	if err != nil {
		return chunk{}, err
	}
	t.order()
	k := len(t.back)
	if n < k || !bytes.Equal(buf[:k], t.back) {
		return chunk{}, errRewritten
	}
	data := buf[k:n]
	data = data[:t.units.Whole(int64(len(data)))] // the rest of a torn character comes with the next write
	c := chunk{end: n < len(buf)}
	count := t.units.Count(data)
	if count > MaxBatchLines {
		count, c.end = MaxBatchLines, false
		data = data[:t.nthNewline(data, count)+t.units.Size()]
	}
	if count > 0 {
		whole := t.units.LastIndex(data) + t.units.Size()
		t.split(&c, data[:whole], count, now)
		t.line = t.pos + int64(whole)
		t.hold(data[whole:])
	} else {
		t.hold(data)
	}
	t.pos += int64(len(data))
	t.remember(buf[:k+len(data)])
	return c, nil
}

// split makes lines of data, which ends with a newline; the first one belongs to t.part.
func (t *tail) split(c *chunk, data []byte, count int, now time.Time) {
	if t.hash == "" && t.pos == 0 {
		t.hash = hashOf(data[:t.units.Index(data)+t.units.Size()])
	} else if t.hash == "" {
		t.hash, _, _ = t.firstLine() // it came in parts; unreadable only if the next read fails too
	}
	c.lines = make([]event.Line, 0, count)
	if t.units.Wide() {
		t.splitWide(c, data, now)
		return
	}
	text := string(data)
	begin := t.line
	for len(text) > 0 {
		if t.places {
			c.at = append(c.at, begin)
			begin = t.pos + int64(len(data)-len(text)+strings.IndexByte(text, '\n')+1)
		}
		i := strings.IndexByte(text, '\n')
		one := text[:i]
		text = text[i+1:]
		if len(t.part) > 0 {
			one = string(t.part) + one[:min(len(one), t.limit)]
		}
		c.add(one, t.over, t.limit, now)
		t.part, t.over = nil, false
	}
}

// splitWide is split for characters of several bytes; each line becomes UTF-8 here.
func (t *tail) splitWide(c *chunk, data []byte, now time.Time) {
	for len(data) > 0 {
		i := t.units.Index(data)
		kept := min(i, t.limit*t.units.Size())
		t.part, data = append(t.part, data[:kept]...), data[i+t.units.Size():]
		c.add(t.units.Text(t.part), t.over || kept < i, t.limit, now)
		t.part, t.over = t.part[:0], false
	}
	t.part = nil
}

// add takes one line in. What stands in front of it as NULs is no text: a writer without
// O_APPEND leaves them behind after a truncation, and file systems after a power cut.
func (c *chunk) add(text string, over bool, limit int, now time.Time) {
	text = strings.TrimLeft(text, "\x00")
	if len(text) > limit {
		text, over = text[:limit], true
	}
	if over {
		c.cut++
	}
	c.lines = append(c.lines, event.Line{Text: strings.TrimRight(text, "\r"), Arrived: now})
}

// hold keeps the unfinished line, as much of it as a line may have.
func (t *tail) hold(data []byte) {
	if len(t.part) == 0 {
		// Leading NULs go here too, or a hole of megabytes would eat the line behind it.
		data = t.units.TrimLeft(data)
	}
	room := t.limit*t.units.Size() - len(t.part)
	if len(data) > room {
		data, t.over = data[:room], true
	}
	t.part = append(t.part, data...)
}

func (t *tail) remember(seen []byte) {
	seen = seen[max(0, len(seen)-backSize):]
	t.back = append(t.back[:0], seen...)
}

// flush gives the last line of a file that is left for good, though no newline ends it.
func (t *tail) flush(now time.Time) (c chunk) {
	if len(t.part) > 0 {
		c.at = append(c.at, t.line)
		c.add(t.units.Text(t.part), t.over, t.limit, now)
	}
	t.line, t.part, t.over = t.pos, nil, false
	return c
}

func (t *tail) mark(source string) event.Mark {
	return event.Mark{Source: source, Inode: t.id.ino, Hash: t.hash, Offset: t.line}
}

// nthNewline is where the n-th newline of data stands; data has as many.
func (t *tail) nthNewline(data []byte, n int) int {
	next := 0
	for ; n > 0; n-- {
		next += t.units.Index(data[next:]) + t.units.Size()
	}
	return next - t.units.Size()
}

// hashOf names a file by its first line with its newline, at most MaxLine bytes of it.
func hashOf(line []byte) string {
	sum := sha1.Sum(line[:min(len(line), event.MaxLine)])
	return hex.EncodeToString(sum[:])
}

// firstLine is the hash and the length of the first line; "" while it is not complete.
func (t *tail) firstLine() (hash string, length int, err error) {
	t.order()
	for size := 4 << 10; ; size = event.MaxLine {
		buf := make([]byte, size)
		n, err := pread(t.fd, buf, 0)
		if err != nil {
			return "", 0, err
		}
		if i := t.units.Index(buf[:n]); i >= 0 {
			i += t.units.Size()
			return hashOf(buf[:i]), i, nil
		}
		if n < size {
			return "", n, nil
		}
		if size == event.MaxLine {
			return hashOf(buf), n, nil
		}
	}
}

// pread reads until buf is full or the file ends, so that a short count always means the end;
// network and FUSE file systems may give less than there is.
func pread(fd int, buf []byte, at int64) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := unix.Pread(fd, buf[n:], at+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, fmt.Errorf("read: %w", err)
		case m == 0:
			return n, nil
		}
		n += m
	}
	return n, nil
}
