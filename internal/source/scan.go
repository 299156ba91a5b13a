package source

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// forgetAfter is how long a path that is gone is remembered, so that what it was rotated to is
// not taken for new logs.
const forgetAfter = 24 * time.Hour

// scan expands the patterns anew and looks what each path names now.
func (s *FileSource) scan(now time.Time) {
	s.stale = false
	for _, f := range s.expand() {
		s.check(f, now)
	}
	for path, f := range s.followers {
		s.expire(f, now)
		s.release(f, now)
		if len(f.queue) == 0 && len(f.late) == 0 && !f.ready && now.Sub(f.seen) > forgetAfter {
			delete(s.followers, path)
		}
	}
	s.started = true
	s.publish()
}

// expand gives the followers of all paths that exist. Rotated names of paths that are followed
// anyway are no logs of their own: what they hold is read as part of the live path.
func (s *FileSource) expand() []*follower {
	fd := finder{tree: s.o.tree, look: s.watchDir}
	if s.notify != nil {
		s.notify.startSweep()
		defer s.notify.sweep()
	}
	for _, p := range s.o.Patterns {
		fd.expand(p)
	}
	clear(s.matched)
	for _, path := range fd.found {
		s.matched[path] = s.exists(path)
	}
	s.recall(fd.found)
	for path := range s.followers {
		s.matched[path] = true
	}
	var list []*follower
	for path, there := range s.matched {
		f := s.followers[path]
		if f == nil && there && (len(livesOf(path, s.matched)) == 0 || slices.Contains(s.o.Patterns, path)) {
			f = s.newFollower(path)
		}
		if f != nil {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *follower) int { return cmp.Compare(a.path, b.path) })
	return list
}

func (s *FileSource) newFollower(path string) *follower {
	f := &follower{path: path, seen: s.now()}
	if s.o.Resume != nil && !s.o.Tail {
		f.mark, f.marked = s.o.Resume(path)
		f.known = f.marked
		f.mark, f.join.replay = replayOf(f.mark)
	}
	s.followers[path] = f
	return f
}

// recall brings back the paths that were followed before the restart and are just not there:
// rotated, and not yet created anew. Else their last lines would wait for the new file, or the
// rotated file would be taken for a log of its own.
func (s *FileSource) recall(found []string) {
	if s.started {
		return
	}
	lost := slices.DeleteFunc(slices.Clone(s.o.Patterns), hasMeta)
	for _, path := range found {
		lost = append(lost, livesOf(path, nil)...)
	}
	for _, path := range lost {
		if s.followers[path] != nil || s.exists(path) {
			continue
		}
		if f := s.newFollower(path); !f.marked {
			delete(s.followers, path)
		}
	}
}

func (s *FileSource) watchDir(dir, name string) {
	if s.notify == nil {
		return
	}
	at, done, err := watchable(s.o.tree, dir)
	if err == nil {
		err = s.notify.watchDir(at, name)
		done()
	}
	if err != nil && !gone(err) {
		s.pollToo()
		s.trouble(dir, fmt.Errorf("%w; looking every %s as well", err, s.every))
	}
}

// check looks which file the path names now and queues it if it is another one.
func (s *FileSource) check(f *follower, now time.Time) {
	f.waits = false
	id, err := s.identify(f.path)
	if gone(err) {
		s.missing(f)
		return
	}
	if err != nil {
		s.refused(f, err)
		return
	}
	f.seen = now
	n := len(f.queue)
	if n > 0 && f.queue[n-1].id == id {
		return
	}
	if t := s.held[id]; t != nil {
		s.takeOver(f, t)
		return
	}
	t, err := s.openTail(f.path)
	if err != nil {
		s.refused(f, err)
		return
	}
	if t.id != id { // changed since; look again
		t.close()
		s.stale = true
		return
	}
	delete(s.told, f.path)
	s.hold(t, f)
	var chain []*tail
	if n > 0 {
		chain = s.between(f, f.queue[n-1])
	} else {
		chain = s.begin(f, t)
	}
	f.queue = append(append(f.queue, chain...), t)
	s.wake(f)
}

// missing looks for what is to be read of a path that is not there: at start the file of its
// mark, later files that came and were rotated away since the last look.
func (s *FileSource) missing(f *follower) {
	n := len(f.queue)
	switch {
	case n > 0:
		f.queue = append(f.queue, s.between(f, f.queue[n-1])...)
	case f.marked && !s.started:
		old := s.find(f, same)
		if old == nil {
			old = s.find(f, alike)
		}
		if old != nil {
			f.queue = s.from(f, old)
		}
	}
	if len(f.queue) > n {
		s.wake(f)
	}
}

// refused reports why a path cannot be followed. What a wildcard meets by chance, such as
// directories, is no trouble.
func (s *FileSource) refused(f *follower, err error) {
	if gone(err) || errors.Is(err, errKind) && !slices.Contains(s.o.Patterns, f.path) {
		return
	}
	s.trouble(f.path, err)
}

// takeOver handles a path that names a file which is open already.
func (s *FileSource) takeOver(f *follower, t *tail) {
	switch {
	case slices.Contains(f.queue, t): // moved away and back
		return
	case t.left.IsZero():
		f.waits = true // read under another path
		return
	default: // that path has left it
		g := t.owner
		g.late = slices.DeleteFunc(g.late, func(x *tail) bool { return x == t })
		t.owner, t.left = f, time.Time{}
		f.queue = append(f.queue, t)
	}
	s.wake(f)
}

// release closes a file that was deleted, is not written to and has no successor, so that its
// space on the disk comes free.
func (s *FileSource) release(f *follower, now time.Time) {
	if len(f.queue) != 1 || s.exists(f.path) {
		return
	}
	t := f.queue[0]
	if _, named := t.stat(); named || t.unread() || now.Sub(f.seen) <= lateFor {
		return
	}
	if c := t.flush(now); len(c.lines) > 0 {
		b, _ := s.batch(f, c, true)
		s.pending = append(s.pending, b)
	}
	s.drop(t)
	f.queue = nil
}

func (s *FileSource) identify(path string) (fileID, error) {
	fi, err := s.o.tree.stat(path, true)
	if err != nil {
		return fileID{}, fmt.Errorf("follow %w", err)
	}
	return idOf(fi), regular(path, fi)
}

func idOf(fi os.FileInfo) fileID {
	st := fi.Sys().(*syscall.Stat_t)
	return fileID{st.Dev, st.Ino}
}

func (s *FileSource) exists(path string) bool {
	_, err := s.o.tree.stat(path, true)
	return err == nil
}
