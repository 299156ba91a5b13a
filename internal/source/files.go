package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
	"gaol/internal/wide"
)

// FileOptions says what to follow and where to begin.
type FileOptions struct {
	// Patterns are paths or globs as fail2ban's logpath has them (Python's glob: no leading
	// dot, no "**"). Files that match later are followed from then on.
	Patterns []string
	// Tail begins behind what stands in the files at start, as "logpath = X tail" does; Resume
	// and TooOld are not asked then (§4.6). Files that appear later are read whole.
	Tail bool
	// Polling looks every PollEvery instead of asking inotify, which hears nothing of what other
	// hosts write to a network file system, nor of most FUSE ones. Without Polling, files on
	// such file systems are noticed and polled all the same.
	Polling   bool
	PollEvery time.Duration // zero: 1 s
	// Resume gives the mark that was stored last for a path, when the path is seen first.
	// May be nil.
	Resume func(path string) (event.Mark, bool)
	// TooOld says whether a line is older than what the caller wants, as far as it is known. In
	// the files that are there at start, what lies in front of the first recent line is skipped
	// by bisection, also behind a mark. May be nil.
	TooOld func(text string) (old, known bool)
	// Units says how the bytes of the files make text, for encodings whose characters are more
	// than bytes: lines come in UTF-8 then. Zero: lines end in the byte 0x0A and come as they are.
	Units wide.Units
	// Format says how the lines are framed. Those of another format than Plain come out as the
	// program wrote them, their pieces joined, with the log driver's time in Line.Taken.
	Format Format
	// Since is what TooOld is for framed lines: they tell their time. Zero: all.
	Since time.Time

	tree tree // nil: the machine's own files
}

const (
	pollEvery  = time.Second
	sweepEvery = time.Minute // how often everything is looked at, though inotify told nothing
	lateFor    = time.Minute // how long a file that was left is still listened to
)

// FileSource follows files. This is the story of rotation:
//
// A path is followed by its open file, not by its name. The open file is read on, whatever
// happens to the name: a writer often goes on with the old file for a while after a rename
// (a late writer). It is left when the path names another file, that one has its first bytes,
// and the old one was then read to its end once more. A single writer has written all of the
// old file before it writes to the new one, so nothing is lost and nothing comes out of order,
// without any waiting time. Where several processes write one log, the slower ones may write
// a little more: what was left is listened to for another minute, and these lines come late.
// A last line that no newline ends is handed out when its file is left. Until then it is held.
//
// It does not matter how the path came to name another file: renamed and created anew,
// deleted and created anew, a link that was moved. If several rotations happened since the
// last look, the files in between are found among the siblings: same directory, same name
// with a number or a date behind it (auth.log.1, auth.log-20260101) or before its extension
// (auth-20260101.log). Compressed siblings are not read; logrotate's delaycompress keeps the
// one that matters. The same search finds the place again after a restart: a mark names its
// file by inode and first line (or, if the inode was not kept, by first line alone), that file
// is read on, then what came after it, then the live file from its beginning. A mark that
// fits no file begins at the first line that is not too old.
//
// A file that shrinks, or whose bytes in front of the position changed, was truncated
// (copytruncate): it is read again from its beginning. If a sibling has its old first line
// (logrotate's copy), the lines not read yet are taken from there. What the writer adds
// between the copy and the truncation exists nowhere and is lost; only the writer can avoid
// that. A file truncated while gaol was down, or between two looks, and filled again with the
// same bytes up to the position, cannot be told from one that was not.
//
// Two paths of the same file (hard links, links, rotated names that match the glob) are read
// once, under the path that had it first.
type FileSource struct {
	o   FileOptions
	now func() time.Time

	mu        sync.Mutex // everything below; held by Next, so Close wakes Next before it takes it
	notify    *notify    // nil: polling only
	buf       []byte
	followers map[string]*follower
	held      map[fileID]*tail // every open file
	watches   map[int]*tail
	matched   map[string]bool // by the patterns, as of the last scan: does the path exist
	ready     []*follower     // that may have something, in turn
	pending   []event.Batch
	told      map[string]string // trouble reported last, by path
	stale     bool              // names may have changed
	lost      int               // how often inotify's queue ran over
	started   bool              // the first scan is done
	every     time.Duration
	due       time.Time // when everything is looked at next

	watched atomic.Pointer[[]string]
	done    chan struct{}
	once    sync.Once
}

// Files follows the files that match the patterns. A path without wildcards that is there but
// is no regular file is an error; one that is not there yet is waited for.
func Files(o FileOptions) (Source, error) { return newFiles(o) }

func newFiles(o FileOptions) (*FileSource, error) {
	if len(o.Patterns) == 0 {
		return nil, errors.New("follow files: no path given")
	}
	if o.PollEvery <= 0 {
		o.PollEvery = pollEvery
	}
	if o.tree == nil {
		o.tree = machine{}
	}
	if o.Format != Plain {
		if o.Units.Wide() {
			return nil, errors.New("follow files: framed logs are UTF-8, not UTF-16 or UTF-32")
		}
		o.TooOld = nil
		if !o.Since.IsZero() {
			o.TooOld = func(text string) (old, known bool) {
				p, ok := o.Format.parse(text)
				return ok && p.time.Before(o.Since), ok
			}
		}
	}
	o.Patterns = slices.Clone(o.Patterns)
	for i, p := range o.Patterns {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("follow %s: %w", p, err)
		}
		o.Patterns[i] = abs
		if hasMeta(abs) {
			continue
		}
		if fi, err := o.tree.stat(abs, true); err == nil {
			if err := regular(abs, fi); err != nil {
				return nil, err
			}
		}
	}
	s := &FileSource{
		o: o, now: time.Now, buf: make([]byte, ReadSize), stale: true, every: o.PollEvery,
		followers: map[string]*follower{}, held: map[fileID]*tail{}, watches: map[int]*tail{}, matched: map[string]bool{},
		told: map[string]string{}, done: make(chan struct{}),
	}
	if !o.Polling {
		s.listen()
	}
	return s, nil
}

// listen sets inotify up. Where the kernel gives none, polling does it too.
func (s *FileSource) listen() {
	n, err := newNotify()
	if err != nil {
		s.trouble("", fmt.Errorf("%w; looking every %s instead", err, s.o.PollEvery))
		return
	}
	s.notify, s.every = n, sweepEvery
}

// Next is as Source says.
func (s *FileSource) Next(ctx context.Context) (event.Batch, error) {
	b, _, err := s.next(ctx, true)
	return b, err
}

// try is Next for who does not wait: false when all was read.
func (s *FileSource) try() (event.Batch, bool) {
	s.mu.Lock()
	s.all()
	s.mu.Unlock()
	b, ok, err := s.next(context.Background(), false)
	return b, ok && err == nil
}

func (s *FileSource) next(ctx context.Context, wait bool) (b event.Batch, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return event.Batch{}, false, err
		}
		if s.closed() {
			return event.Batch{}, false, ErrClosed
		}
		if len(s.pending) > 0 {
			b := s.pending[0]
			s.pending = s.pending[1:]
			return b, true, nil
		}
		now := s.now()
		if err := s.look(now); err != nil {
			return event.Batch{}, false, err
		}
		if b, ok := s.turn(now); ok {
			return b, true, nil
		}
		if len(s.ready) > 0 || len(s.pending) > 0 || s.stale {
			continue
		}
		if !wait {
			return event.Batch{}, false, nil
		}
		if err := s.wait(ctx); err != nil {
			return event.Batch{}, false, err
		}
	}
}

// look takes in what has changed, without waiting.
func (s *FileSource) look(now time.Time) error {
	if s.notify != nil {
		list, err := s.notify.poll()
		if err != nil {
			return s.orClosed(err)
		}
		s.apply(list)
	}
	if !now.Before(s.due) {
		s.all()
		s.due = now.Add(s.every)
	}
	if s.stale {
		s.scan(now)
	}
	return nil
}

// turn gives the next ready follower its turn; who has more goes to the back of the queue, so
// that a busy file does not starve a quiet one.
func (s *FileSource) turn(now time.Time) (event.Batch, bool) {
	if len(s.ready) == 0 {
		return event.Batch{}, false
	}
	f := s.ready[0]
	s.ready = s.ready[1:]
	b, ok := s.step(f, now)
	if f.ready {
		s.ready = append(s.ready, f)
	}
	return b, ok
}

func (s *FileSource) wake(f *follower) {
	if !f.ready {
		f.ready = true
		s.ready = append(s.ready, f)
	}
}

func (s *FileSource) all() {
	s.stale = true
	for _, f := range s.followers {
		s.wake(f)
	}
}

func (s *FileSource) apply(list []change) {
	for _, c := range list {
		switch {
		case c.lost:
			s.lost++
			s.all()
		case c.scan:
			s.stale = true
		default:
			if t := s.watches[c.file]; t != nil {
				s.wake(t.owner)
			}
		}
	}
}

func (s *FileSource) wait(ctx context.Context) error {
	if s.notify != nil {
		list, err := s.notify.wait(ctx, s.due)
		s.apply(list)
		return s.orClosed(err)
	}
	timer := time.NewTimer(s.due.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.done:
	case <-timer.C:
	}
	return nil
}

func (s *FileSource) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *FileSource) orClosed(err error) error {
	if err != nil && s.closed() {
		return ErrClosed
	}
	return err
}

// trouble reports what is wrong with a path, once until it is something else.
func (s *FileSource) trouble(path string, err error) {
	if s.told[path] == err.Error() {
		return
	}
	s.told[path] = err.Error()
	s.pending = append(s.pending, event.Batch{Source: path, Err: err})
}

// Watched lists the paths that are being followed, as of the last look.
func (s *FileSource) Watched() []string {
	if p := s.watched.Load(); p != nil {
		return slices.Clone(*p)
	}
	return nil
}

func (s *FileSource) publish() {
	var list []string
	for path, f := range s.followers {
		if len(f.queue) > 0 || f.waits {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	s.watched.Store(&list)
}

// Close ends Next and closes all files. Half lines are left for the mark to find again.
func (s *FileSource) Close() error {
	var err error
	s.once.Do(func() {
		close(s.done)
		if s.notify != nil {
			err = s.notify.close()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.held {
			t.close()
		}
		clear(s.held)
		if c, ok := s.o.tree.(inside); ok {
			err = errors.Join(err, unix.Close(c.root))
		}
	})
	return err
}
