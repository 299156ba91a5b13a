package source

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// fitness of a file for a mark.
const (
	alien = iota
	alike // same first line
	same  // and same inode
)

// fit says whether a mark means this file. Its offset must be the beginning of a line or the
// end: logs that all begin with the same header line, and a file that was truncated and has
// grown again, differ there.
func (t *tail) fit(m event.Mark) int {
	size, _ := t.stat()
	if size < m.Offset {
		return alien
	}
	if t.units.Whole(m.Offset) != m.Offset { // set when the log was read in another encoding
		return alien
	}
	t.order()
	before := make([]byte, t.units.Size())
	if size > m.Offset && m.Offset > 0 {
		if n, err := pread(t.fd, before, m.Offset-int64(len(before))); err != nil || n == 0 || t.units.Index(before) < 0 {
			return alien
		}
	}
	hash, n, err := t.firstLine()
	switch {
	case err != nil:
		return alien
	case m.Hash == "" && t.id.ino == m.Inode && (hash == "" || int64(n) > m.Offset):
		return same // the first line was not complete when the mark was set
	case m.Hash == "" || hash != m.Hash:
		return alien
	case t.id.ino == m.Inode:
		return same
	}
	return alike
}

// begin sets the live file t where reading of its path begins, and gives the files that are to
// be read before it.
func (s *FileSource) begin(f *follower, t *tail) []*tail {
	if s.o.Tail && !s.started {
		_ = t.seek(t.lastLine())
		return nil
	}
	if f.marked {
		if chain, ok := s.resume(f, t); ok {
			return chain
		}
		f.join = joiner{}
	}
	s.fresh(f, t)
	if s.started {
		return nil
	}
	return s.history(f)
}

// history opens the rotated siblings that the patterns match as well, for the first start.
func (s *FileSource) history(f *follower) []*tail {
	var chain []*tail
	for _, sib := range siblings(s.o.tree, f.path) {
		if !sib.rotated || !s.matched[sib.path] || s.held[sib.id] != nil {
			continue
		}
		if t, err := s.openTail(sib.path); err == nil {
			s.hold(t, f)
			s.fresh(f, t)
			chain = append(chain, t)
		}
	}
	return chain
}

// fresh begins a file that f's mark does not mean. Another path's may: then it was renamed to
// this one, or both are names of one file.
func (s *FileSource) fresh(f *follower, t *tail) {
	for _, g := range s.followers {
		if g != f && g.marked && g.mark.Inode == t.id.ino && t.fit(g.mark) == same {
			s.start(t, g.mark.Offset)
			return
		}
	}
	s.start(t, 0)
}

// start sets a file to at, or behind what is too old. What comes while we run is never too old.
func (s *FileSource) start(t *tail, at int64) {
	replay := 0
	if t.owner != nil {
		replay = t.owner.join.replay
	}
	if s.o.TooOld != nil && !s.started && replay == 0 { // what is skipped could not be counted
		at = t.bisect(at, s.o.TooOld)
	}
	if t.seek(at) != nil {
		t.restart()
	}
}

// resume finds the file of f's mark.
func (s *FileSource) resume(f *follower, t *tail) ([]*tail, bool) {
	live := t.fit(f.mark)
	if live == same {
		s.start(t, f.mark.Offset)
		return nil, true
	}
	old := s.find(f, same)
	if old == nil && live == alike {
		s.start(t, f.mark.Offset)
		return nil, true
	}
	if old == nil {
		old = s.find(f, alike)
	}
	if old == nil {
		return nil, false
	}
	s.fresh(f, t)
	return s.from(f, old), true
}

// from begins with the file of f's mark and goes on with what came after it.
func (s *FileSource) from(f *follower, old *tail) []*tail {
	s.hold(old, f)
	s.start(old, f.mark.Offset)
	return append([]*tail{old}, s.between(f, old)...)
}

// find opens the file that f's mark means. By inode it may have any name in the directories of
// the path, so that the former target of a link is found too; by first line alone it must be a
// rotated sibling.
func (s *FileSource) find(f *follower, want int) *tail {
	for _, sib := range siblings(s.o.tree, f.path) {
		if want == same && sib.id.ino != f.mark.Inode || want == alike && !sib.rotated || s.held[sib.id] != nil {
			continue
		}
		t, err := s.openTail(sib.path)
		if err != nil {
			continue
		}
		if t.fit(f.mark) == want {
			return t
		}
		t.close()
	}
	return nil
}

// copyOf opens the copy that was made of t before it was truncated, and what came after it.
func (s *FileSource) copyOf(f *follower, t *tail) []*tail {
	if t.hash == "" {
		return nil
	}
	g := &follower{path: f.path, mark: t.mark(f.path)}
	old := s.find(g, alike)
	if old == nil {
		return nil
	}
	if old.seek(t.line) != nil {
		old.close()
		return nil
	}
	s.hold(old, f)
	return append([]*tail{old}, s.between(f, old)...)
}

// between opens the rotated siblings that are newer than old, oldest first. Those that other
// followers read are left to them.
func (s *FileSource) between(f *follower, old *tail) []*tail {
	list := slices.DeleteFunc(siblings(s.o.tree, f.path), func(x sibling) bool { return !x.rotated })
	i := slices.IndexFunc(list, func(x sibling) bool { return x.id == old.id })
	if i < 0 {
		return nil
	}
	var chain []*tail
	for _, sib := range list[i+1:] {
		if s.held[sib.id] != nil || s.followers[sib.path] != nil {
			continue
		}
		t, err := s.openTail(sib.path)
		if err != nil {
			continue // gone since, compressed most likely
		}
		s.hold(t, f)
		s.fresh(f, t)
		chain = append(chain, t)
	}
	return chain
}

// sibling is another file in the directory of a log.
type sibling struct {
	path    string
	id      fileID
	mtime   time.Time
	rotated bool   // its name is the log's with a number or date
	suffix  string // that number or date
}

// siblings lists the regular files beside the log, and beside the log's real file if it is a
// link, the oldest first.
func siblings(tree tree, path string) []sibling {
	var list []sibling
	dirs := []string{path}
	if real, ok := realPath(tree, path); ok && real != path {
		dirs = append(dirs, real)
	}
	for _, live := range dirs {
		names, err := tree.list(filepath.Dir(live))
		if err != nil {
			continue
		}
		for _, name := range names {
			full := filepath.Join(filepath.Dir(live), name)
			fi, err := tree.stat(full, false)
			if err != nil || full == live || !fi.Mode().IsRegular() {
				continue
			}
			suffix, ok := rotated(filepath.Base(live), name)
			list = append(list, sibling{full, idOf(fi), fi.ModTime(), ok, suffix})
		}
	}
	slices.SortStableFunc(list, older)
	return list
}

// rotated gives the number or date that a rotated name adds to the live one: a number of up to
// three digits behind a dot, or a date of at least six digits; behind the whole name, or in
// front of its extension. No wider, or php-8.1.log would pass for an old php.log.
func rotated(live, name string) (suffix string, ok bool) {
	ext := filepath.Ext(live)
	if rest, has := strings.CutPrefix(name, live); has {
		suffix = rest
	} else if rest, has := strings.CutPrefix(name, strings.TrimSuffix(live, ext)); has && ext != "" {
		if suffix, has = strings.CutSuffix(rest, ext); !has {
			return "", false
		}
	}
	if len(suffix) < 2 || !strings.Contains(".-_", suffix[:1]) {
		return "", false
	}
	sep, suffix := suffix[0], suffix[1:]
	if strings.Trim(suffix, "0123456789-_.:TZ") != "" {
		return "", false
	}
	return suffix, sep == '.' && isNumber(suffix) || digits(suffix) >= 6
}

func digits(s string) int {
	return len(s) - len(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s))
}

// livesOf gives the paths among known of which path is a rotated name; nil knows all.
func livesOf(path string, known map[string]bool) []string {
	var lives []string
	dir, name := filepath.Split(path)
	for i := 1; i < len(name); i++ {
		if !strings.Contains(".-_", name[i:i+1]) {
			continue
		}
		for _, live := range []string{name[:i], name[:i] + filepath.Ext(name)} {
			if _, ok := rotated(live, name); ok && (known == nil || known[dir+live]) {
				lives = append(lives, dir+live)
			}
		}
	}
	return lives
}

// older orders siblings. Numbers count upwards into the past, dates are written so that they
// sort; only between the two does the time of the last write decide.
func older(a, b sibling) int {
	an, bn := isNumber(a.suffix), isNumber(b.suffix)
	switch {
	case a.rotated && b.rotated && an && bn:
		return cmp.Or(cmp.Compare(len(b.suffix), len(a.suffix)), cmp.Compare(b.suffix, a.suffix))
	case a.rotated && b.rotated && !an && !bn:
		return cmp.Compare(a.suffix, b.suffix)
	}
	return a.mtime.Compare(b.mtime)
}

// isNumber tells logrotate's count from a date, which has at least four digits.
func isNumber(suffix string) bool {
	return len(suffix) <= 3 && strings.Trim(suffix, "0123456789") == ""
}

// lastLine is where the last line begins, which may be unfinished; the end of the file if it is
// not.
func (t *tail) lastLine() int64 {
	t.order()
	size, _ := t.stat()
	size = t.units.Whole(size)
	buf := make([]byte, min(size, event.MaxLine))
	n, err := pread(t.fd, buf, size-int64(len(buf)))
	if err != nil {
		return size
	}
	if i := t.units.LastIndex(buf[:n]); i >= 0 {
		return size - int64(n) + int64(i+t.units.Size())
	}
	return size - int64(n)
}
