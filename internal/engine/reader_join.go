package engine

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/source"
)

// What a jail may be behind its reader (0070).
const (
	lagPortions = 16                     // portions that wait for one jail; with more the reader waits for it
	lagPatience = 200 * time.Millisecond // how long it does while other jails have nothing to do; then that jail reads alone
)

// readers are all that read. Jails come to them, leave them, and stand behind one when they have
// come to the same place.
type readers struct {
	log *slog.Logger
	now func() time.Time
	lag lag // zero: the constants above

	mu   sync.Mutex // guards what follows; nobody waits for anything while holding it
	all  []*reader  // oldest first
	held bool       // those that are new do not begin yet, so that others may join them
}

// lag bounds how far a jail may be behind others.
type lag struct {
	portions int
	patience time.Duration
}

func (rs *readers) patience() time.Duration { return cmp.Or(rs.lag.patience, lagPatience) }

// seat is what a jail brings to a reader.
type seat struct {
	key, start string // see reader; an empty key is never shared
	timing     *timing
	program    *filter.Program
	filter     *filter.Filter
	remembers  string // what the filter does, for comparing with others before they begin
	marks      []event.Mark
	open       func() ([]source.Source, error)
}

// enter finds a reader for a jail, or opens one. A nil member: there is nothing to read.
func (rs *readers) enter(ctx context.Context, s seat) (*listener, error) {
	m := newListener(cmp.Or(rs.lag.portions, lagPortions))
	if rs.join(s, m) {
		return m, nil
	}
	sources, err := s.open()
	if err != nil || len(sources) == 0 {
		return nil, err
	}
	r := &reader{
		key: s.key, start: s.start, sources: sources, now: rs.now, log: rs.log, all: rs, done: make(chan struct{}),
		at: map[string]event.Mark{}, ended: map[string]bool{},
	}
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, mark := range s.marks {
		r.at[mark.Source] = mark
	}
	r.seat(s, m)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	m.reader, r.members = r, 1
	rs.all = append(rs.all, r)
	if !rs.held {
		r.begin()
	}
	return m, nil
}

// join takes a jail in at a reader that has not begun, and would begin where the jail would.
func (rs *readers) join(s seat, m *listener) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if s.key == "" || !rs.held {
		return false
	}
	for _, r := range rs.all {
		if !r.begun && r.key == s.key && r.start == s.start {
			r.seat(s, m)
			m.reader, r.members = r, r.members+1
			return true
		}
	}
	return false
}

// seat puts a jail beside those that it has its date and its filter in common with.
func (r *reader) seat(s seat, m *listener) {
	i := slices.IndexFunc(r.timings, s.timing.like)
	if i < 0 {
		i = len(r.timings)
		r.timings = append(r.timings, s.timing)
	}
	c := r.timings[i]
	for _, g := range c.groups {
		if g.program == s.program && g.start == s.remembers {
			g.members = append(g.members, m)
			return
		}
	}
	c.groups = append(c.groups, &group{program: s.program, filter: s.filter, start: s.remembers, members: []*listener{m}})
}

// hold has new readers wait until release: jails that start together begin together.
func (rs *readers) hold() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.held = true
}

func (rs *readers) release() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.held = false
	for _, r := range rs.all {
		r.begin()
	}
}

func (r *reader) begin() {
	if !r.begun {
		r.begun = true
		go r.run()
	}
}

// leave ends a member; the reader ends with its last one, and has ended then.
func (rs *readers) leave(m *listener) {
	if m == nil {
		return
	}
	close(m.gone)
	r := rs.forget(m)
	if r == nil {
		return
	}
	r.left.Store(true)
	if rs.ended(r) {
		<-r.done
	}
}

// forget takes a member out of the count, and gives the reader it was at; nil: none.
func (rs *readers) forget(m *listener) *reader {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := m.reader
	if r == nil {
		return nil
	}
	m.reader = nil
	r.members--
	return r
}

// ended ends a reader without members; false: it has some.
func (rs *readers) ended(r *reader) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.members > 0 {
		return false
	}
	rs.all = slices.DeleteFunc(rs.all, func(o *reader) bool { return o == r })
	r.stop()
	if !r.begun { // it will not: close what it opened
		r.begun = true
		r.close()
		close(r.done)
	}
	return true
}

// watched are the paths that a member's reader follows.
func (rs *readers) watched(m *listener) []string {
	if m == nil {
		return nil
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if m.reader == nil {
		return nil
	}
	return m.reader.watched()
}

// unite makes one reader of two that came to the same place: r, which stands at a log's end, and
// another that reads the same. The older one goes on. Where two come there at once, the one that
// is later finds the other.
func (rs *readers) unite(r *reader) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	at := slices.Index(rs.all, r)
	if r.key == "" || at < 0 || !r.dealing.TryLock() {
		return
	}
	defer r.dealing.Unlock()
	if r.over {
		return
	}
	for i := 0; i < len(rs.all); i++ {
		o := rs.all[i]
		if o == r || !o.begun || o.key != r.key || !o.dealing.TryLock() {
			continue
		}
		old, young := o, r
		if at < i {
			old, young = r, o
		}
		same := !o.over && r.stands(o)
		if same {
			rs.absorb(old, young)
		}
		o.dealing.Unlock()
		if same && young == r {
			return
		}
		if same {
			i--
		}
	}
}

// absorb moves the members of a reader to another that stands at the same place.
func (rs *readers) absorb(old, young *reader) {
	if old.left.Swap(false) {
		old.prune()
	}
	young.prune()
	for _, yc := range young.timings {
		i := slices.IndexFunc(old.timings, yc.agrees)
		if i < 0 {
			old.timings = append(old.timings, yc)
			continue
		}
		old.timings[i].learn(yc)
		old.timings[i].absorb(yc)
	}
	for _, c := range young.timings {
		for _, g := range c.groups {
			for _, m := range g.members {
				if m.reader == young {
					m.reader = old
					old.members++
				}
			}
		}
	}
	rs.all = slices.DeleteFunc(rs.all, func(o *reader) bool { return o == young })
	young.over, young.members = true, 0
	young.stop()
}

// absorb takes over another timing's groups; those that remember the same become one.
func (c *timing) absorb(o *timing) {
	c.set = nil
	for _, g := range o.groups {
		i := slices.IndexFunc(c.groups, func(own *group) bool {
			return own.program == g.program && own.remembers() == g.remembers()
		})
		if i < 0 {
			c.groups = append(c.groups, g)
			continue
		}
		c.groups[i].members = append(c.groups[i].members, g.members...)
	}
}

// timingOf is the timing of a jail's plan. cutters are those it goes on with, if it has some.
func timingOf(p *plan, cutters map[string]*date.Cutter, marks []event.Mark) *timing {
	c := &timing{dates: p.dates, findTime: p.conf.FindTime, encoding: p.conf.LogEncoding, decode: p.decode, bare: p.journal(), cutters: cutters}
	if c.cutters == nil {
		c.cutters = map[string]*date.Cutter{}
	}
	c.goesOn = map[string]bool{}
	for name := range c.cutters {
		c.goesOn[name] = true
	}
	for _, m := range marks {
		if c.goesOn[m.Source] {
			continue
		}
		// What stands behind a mark was written since: a line without a timestamp is of now,
		// where the first scan of an unknown log would drop it.
		c.cutter(m.Source).InOperation = true
	}
	return c
}
