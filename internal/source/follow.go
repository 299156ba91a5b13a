package source

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
)

// follower reads one path through all its files. The story is told on FileSource.
type follower struct {
	path   string
	queue  []*tail // the file being read, and those that came after it
	late   []*tail // left, but perhaps still written to
	mark   event.Mark
	marked bool // mark says something
	known  bool // it was read before: its first mark was stored
	join   joiner
	ended  bool // End was handed out, and nothing since
	ready  bool
	seen   time.Time // when the path was last there, or gave a line
	waits  bool      // another follower holds the file that the path names
}

func (s *FileSource) batch(f *follower, c chunk, end bool) (event.Batch, bool) {
	before := f.mark
	if len(f.queue) > 0 {
		f.mark, f.marked = f.queue[0].mark(f.path), true
		before = f.mark
	}
	f.ended = end
	if s.o.Format == Plain {
		return event.Batch{Source: f.path, Lines: c.lines, Cut: c.cut, Mark: f.mark, End: end, Known: f.known}, true
	}
	b := event.Batch{Source: f.path, End: end, Known: f.known}
	for i, l := range c.lines {
		p, ok := s.o.Format.parse(l.Text)
		if !ok { // half written, or not a log driver's: as it stands
			p = piece{text: l.Text}
		}
		if i < len(c.at) {
			before.Offset = c.at[i]
		}
		f.join.take(p, before, l.Arrived, func(l event.Line, over bool) {
			b.Lines = append(b.Lines, l)
			if over {
				b.Cut++
			}
		})
	}
	b.Mark = f.join.mark(f.mark)
	return b, true
}

// step reads once. f.ready stays set while there may be more.
func (s *FileSource) step(f *follower, now time.Time) (event.Batch, bool) {
	if c := s.readLate(f, now); len(c.lines) > 0 {
		return s.batch(f, c, f.ended)
	}
	if len(f.queue) == 0 {
		f.ready = false
		return event.Batch{}, false
	}
	t := f.queue[0]
	// Asked before the read: what the writer put into the old file, it put there before.
	more := slices.ContainsFunc(f.queue[1:], (*tail).unread)
	c, err := t.read(s.buf, now)
	switch {
	case errors.Is(err, errRewritten):
		return s.rewritten(f, now)
	case err != nil:
		s.trouble(f.path, fmt.Errorf("read %s: %w", f.path, err))
		s.drop(t)
		f.queue = f.queue[1:]
		s.due = now.Add(min(s.every, s.o.PollEvery))
		return event.Batch{}, false
	case len(c.lines) > 0:
		f.seen = now
		f.ready = more || !c.end
		return s.batch(f, c, c.end && !more)
	case !c.end: // in the middle of a line without end
		return event.Batch{}, false
	case more:
		return s.leave(f, now)
	}
	f.ready = false
	if f.ended {
		return event.Batch{}, false
	}
	return s.batch(f, c, true)
}

// leave goes over to the next file. The mark is still the one of the file that is left, at its
// end: the next one has given no line yet.
func (s *FileSource) leave(f *follower, now time.Time) (event.Batch, bool) {
	t := f.queue[0]
	c := t.flush(now)
	b, _ := s.batch(f, c, false)
	t.left = now
	f.queue, f.late = f.queue[1:], append(f.late, t)
	return b, len(c.lines) > 0
}

// rewritten handles a truncated file: first what a copy of it has, then it from its beginning.
func (s *FileSource) rewritten(f *follower, now time.Time) (event.Batch, bool) {
	t := f.queue[0]
	if chain := s.copyOf(f, t); len(chain) > 0 {
		t.restart()
		f.queue = append(chain, f.queue...)
		return event.Batch{}, false
	}
	c := t.flush(now)
	t.restart()
	if len(c.lines) == 0 {
		return event.Batch{}, false
	}
	return s.batch(f, c, false)
}

// readLate reads the files that were left.
func (s *FileSource) readLate(f *follower, now time.Time) chunk {
	for i, t := range f.late {
		c, err := t.read(s.buf, now)
		if err != nil {
			s.drop(t)
			f.late = slices.Delete(f.late, i, i+1)
			return chunk{}
		}
		if len(c.lines) > 0 {
			t.left = now
			return c
		}
	}
	return chunk{}
}

// expire lets go of files that nobody will write to any more.
func (s *FileSource) expire(f *follower, now time.Time) {
	for len(f.late) > 0 && now.Sub(f.late[0].left) > lateFor {
		if c := f.late[0].flush(now); len(c.lines) > 0 {
			b, _ := s.batch(f, c, f.ended)
			s.pending = append(s.pending, b)
		}
		s.drop(f.late[0])
		f.late = f.late[1:]
	}
}

// hold takes an open file into the books and listens to it.
func (s *FileSource) hold(t *tail, f *follower) {
	t.owner = f
	s.held[t.id] = t
	if s.notify == nil {
		return
	}
	if remote(t.fd) {
		s.pollToo()
	}
	wd, err := s.notify.watchFile(t.fd)
	if err != nil {
		s.pollToo()
		s.trouble(f.path, fmt.Errorf("%w; looking every %s as well", err, s.every))
		return
	}
	t.watch = wd
	s.watches[wd] = t
}

// pollToo looks often from now on, beside inotify.
func (s *FileSource) pollToo() {
	if s.every != s.o.PollEvery {
		s.every, s.due = s.o.PollEvery, time.Time{}
	}
}

func (s *FileSource) drop(t *tail) {
	delete(s.held, t.id)
	if t.watch >= 0 {
		delete(s.watches, t.watch)
		s.notify.unwatch(t.watch)
	}
	t.close()
}

// remote says whether the file lies where inotify does not hear all writers. The numbers are
// those of statfs(2).
func remote(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		unix.SMB2_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC:
		return true
	}
	return false
}
