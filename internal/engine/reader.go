package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/source"
)

// reader reads the logs of jails that read the same ones in the same way, from the same place
// on. It finds each line's date once for all jails with the same date settings, and runs each
// filter once for all jails that have it and remember the same. What concerns a jail goes to its
// worker as portions.
type reader struct {
	key, start string // what readers must have in common to be one: from now on, and before they began
	sources    []source.Source
	now        func() time.Time
	log        *slog.Logger
	all        *readers
	ctx        context.Context
	stop       context.CancelFunc
	done       chan struct{} // closed once nothing is read any more and the sources are closed
	left       atomic.Bool   // a member went

	dealing sync.Mutex // held while a batch is dealt, and while members come; guards what follows
	timings []*timing
	at      map[string]event.Mark // where it stands, by source
	ended   map[string]bool       // it stands at the source's end
	over    bool                  // another reads on for it: what comes is not dealt

	begun   bool // guarded by all.mu, as is what follows
	members int
}

// listener is a jail at its reader.
type listener struct {
	out  chan *portion // closed by the reader when the jail is too far behind: it has to read alone
	room chan struct{} // holds one for each portion that waits
	gone chan struct{} // closed by the worker: it takes nothing more
	idle atomic.Bool   // it takes nothing for now

	reader *reader // guarded by readers.mu: readers become one

	waited  time.Duration           // how long the reader waited for it while others had nothing to do
	parted  bool                    // out is closed
	cutters map[string]*date.Cutter // then the jail goes on with these and the filter
	filter  *filter.Filter
}

func newListener(lag int) *listener {
	return &listener{out: make(chan *portion, lag+1), room: make(chan struct{}, lag), gone: make(chan struct{})}
}

// portion is what one batch means for a jail, or for several that remember the same. It is not
// changed once it was sent.
type portion struct {
	event.Batch // without its lines
	lines       int
	read        time.Time       // when the first of them was
	failures    []event.Failure // their Jail is empty
	aborted     int             // searches that were given up
	abort       filter.Abort    // the last of them
	abortLine   string          // and its line
	memory      filter.Delta    // what the filter learned and forgot
}

// reads says whether the batch is of a log's lines, or of its end: not of a trouble or its end.
func (p *portion) reads() bool {
	return p.Err == nil && (p.Mark.Source != "" || p.lines > 0 || p.End)
}

// run reads until nobody wants it any more.
func (r *reader) run() {
	defer close(r.done)
	var pumps sync.WaitGroup
	for _, s := range r.sources {
		pumps.Go(func() { r.pump(s) })
	}
	pumps.Wait()
	r.close()
}

func (r *reader) close() {
	for _, s := range r.sources {
		if err := s.Close(); err != nil {
			r.log.Warn("close source", "error", err)
		}
	}
}

// pump deals the batches of one source. A source tells its own troubles in Batch.Err and goes
// on; an error of Next is its end.
func (r *reader) pump(s source.Source) {
	for {
		b, err := s.Next(r.ctx)
		if r.ctx.Err() != nil {
			return
		}
		if err != nil {
			b.Err = fmt.Errorf("log source stopped: %w", err)
		}
		if !r.take(b) || err != nil {
			return
		}
		if b.End {
			r.all.unite(r)
		}
	}
}

// take deals one batch to all members; false: another reader goes on for this one.
func (r *reader) take(b event.Batch) bool {
	r.dealing.Lock()
	defer r.dealing.Unlock()
	if r.over {
		return false
	}
	if r.left.Swap(false) {
		r.prune()
	}
	now := r.now()
	quiet := &portion{Batch: b, lines: len(b.Lines)}
	if len(b.Lines) > 0 {
		quiet.read = b.Lines[0].Arrived
	}
	quiet.Lines = nil
	for _, c := range r.timings {
		if quiet.reads() {
			c.deal(&b, now)
		}
		for _, g := range c.groups {
			p := g.portion(quiet, r.log)
			for _, m := range g.members {
				r.push(c, g, m, p)
			}
		}
	}
	if b.Mark.Source != "" {
		r.at[b.Source], r.ended[b.Source] = b.Mark, b.End
	}
	return true
}

// push hands a portion to a member. One that has no room is waited for, so that a slow store
// slows reading down instead of filling memory; but not for long while others have nothing to do.
func (r *reader) push(c *timing, g *group, m *listener, p *portion) {
	if m.left() {
		return
	}
	select {
	case m.room <- struct{}{}:
		m.out <- p
		if len(m.out) <= cap(m.room)/2 {
			m.waited = 0
		}
		return
	default:
	}
	look := r.all.patience() / 8
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case m.room <- struct{}{}:
			m.out <- p
			return
		case <-m.gone:
			return
		case <-r.ctx.Done():
			return
		case <-ticker.C:
			if !r.holdsUp(m) {
				continue
			}
			if m.waited += look; m.waited >= 8*look || m.idle.Load() {
				m.out <- p // has room for one more than what may wait
				r.part(c, g, m)
				return
			}
		}
	}
}

// holdsUp says whether another member has nothing to do.
func (r *reader) holdsUp(m *listener) bool {
	for _, c := range r.timings {
		for _, g := range c.groups {
			for _, o := range g.members {
				if o != m && !o.left() && !o.idle.Load() && len(o.out) == 0 {
					return true
				}
			}
		}
	}
	return false
}

// part lets a member go that is too far behind, with what it needs to read on alone.
func (r *reader) part(c *timing, g *group, m *listener) {
	m.parted = true
	m.cutters, m.filter = c.clone(), g.clone()
	close(m.out)
	r.left.Store(true)
	r.all.forget(m)
}

// left says whether the member takes nothing more.
func (m *listener) left() bool {
	select {
	case <-m.gone:
		return true
	default:
		return m.parted
	}
}

// prune forgets the members that left.
func (r *reader) prune() {
	for _, c := range r.timings {
		for _, g := range c.groups {
			g.members = slices.DeleteFunc(g.members, (*listener).left)
		}
		c.groups = slices.DeleteFunc(c.groups, func(g *group) bool { return len(g.members) == 0 })
		c.set = nil
	}
	r.timings = slices.DeleteFunc(r.timings, func(c *timing) bool { return len(c.groups) == 0 })
}

// stands says whether two readers stand at the end of the same logs, at the same place.
func (r *reader) stands(o *reader) bool {
	paths := append(r.watched(), o.watched()...)
	for _, path := range paths {
		if !r.ended[path] || !o.ended[path] || r.at[path] != o.at[path] {
			return false
		}
	}
	return len(paths) > 0
}

// watched are the paths that are being followed.
func (r *reader) watched() (all []string) {
	for _, s := range r.sources {
		all = append(all, s.Watched()...)
	}
	return all
}
