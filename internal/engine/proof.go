package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gaol/internal/event"
)

// When a banned id that goes on failing says something about the ban (decision 0066).
const (
	proofAfter  = 3 * time.Second   // a failure this much younger than the ban is none from before it
	proofLeast  = 3                 // failures since, so that no straggler is taken for one
	proofPast   = 150 * time.Second // sshd tells of a connection that a ban cut after LoginGraceTime, 120 s
	proofPause  = time.Minute       // between two inquiries in a jail
	shownLeaks  = 20
	counterLast = time.Second // counters are read this often at most
)

// leaks is what a worker knows of the banned ids that go on failing. Its goroutine owns it.
type leaks struct {
	seen  map[string]*leak
	total uint64    // bans that did not work, since the start
	asked time.Time // the last inquiry
}

type leak struct {
	first    time.Time // when the first sign was taken in, by our clock: the ban is in force then
	failures int       // since
	packets  uint64    // dropped by the jail's rules until then
	counted  bool      // packets is known
	busy     bool      // an inquiry is under way
	told     *event.Leak
}

// suspect takes a failure of an id that is banned already for a sign that the ban does not work:
// its line was written after the ban was in force. What the log shows late, because it or we are
// behind, is no sign.
func (w *worker) suspect(ctx context.Context, f event.Failure, now time.Time) {
	if w.behind || f.Kind == event.Name || w.deps.dryRun || w.deps.inquire == nil {
		return
	}
	id, _ := w.offender(f.ID)
	b, banned := w.jail.Find(id)
	if !banned || f.Time.Sub(b.Start) < proofAfter {
		return
	}
	l := w.leaks.seen[b.ID]
	if l == nil {
		l = &leak{first: now}
		l.packets, l.counted = w.packets(now)
		if w.leaks.seen == nil {
			w.leaks.seen = map[string]*leak{}
		}
		w.leaks.seen[b.ID] = l
	}
	l.failures++
	if l.told != nil {
		l.told.Failures = l.failures
		return
	}
	if l.busy || l.failures < proofLeast || f.Time.Sub(l.first) < proofAfter || now.Sub(w.leaks.asked) < proofPause {
		return
	}
	if !w.deps.inquiring.TryLock() {
		return // the next failure asks again
	}
	l.busy, w.leaks.asked = true, now
	q := w.question(b, l, now)
	go func() {
		told := w.deps.inquire(ctx, q)
		w.deps.inquiring.Unlock()
		w.call(func() { w.learn(l, told) })
	}()
}

// question is what an inquiry needs of the worker.
func (w *worker) question(b event.Ban, l *leak, now time.Time) inquiry {
	q := inquiry{plan: w.plan, ban: b, failures: l.failures, since: l.first, now: now}
	if w.owes {
		q.problem = w.problem
	}
	if _, failing := w.queue.status(); failing != "" {
		q.problem = failing
	}
	if after, ok := w.packets(now); ok && l.counted {
		dropped := after - min(after, l.packets)
		q.dropped = &dropped
	}
	return q
}

// learn keeps what an inquiry found, if it found something, and tells it.
func (w *worker) learn(l *leak, told *event.Leak) {
	l.busy = false
	if told == nil {
		return
	}
	told.Failures, l.told = l.failures, told
	w.leaks.total++
	w.deps.bus.leaked(w.conf.Name, *told)
	w.log.Warn(fmt.Sprintf("[%s] %s goes on failing although it is banned (%d failures since %s): %s", w.conf.Name, named(told.ID, 100),
		told.Failures, l.first.Format(time.TimeOnly), told.Why), "logger", "jail", "hint", told.Hint)
}

// forget drops what was known of ids that are not banned any more.
func (s *leaks) forget(id string) { delete(s.seen, id) }

// tell adds to a status which bans do not work.
func (s *leaks) tell(j *event.JailStatus) {
	j.TotalLeaks = s.total
	for _, l := range s.seen {
		if l.told != nil && len(j.Leaks) < shownLeaks {
			j.Leaks = append(j.Leaks, *l.told)
		}
	}
}

// packets is how many packets the jail's native rules have dropped.
func (w *worker) packets(now time.Time) (uint64, bool) {
	if w.target == nil || w.deps.counters == nil {
		return 0, false
	}
	n, ok := w.deps.counters.at(now)[w.conf.Name]
	return n, ok
}

// counters are the packet counters of all jails, read once a second at most: whoever fails in many
// ways at once must not have us read them each time.
type hitCounters struct {
	read func() map[string]uint64

	mu   sync.Mutex
	when time.Time
	last map[string]uint64
}

func (c *hitCounters) at(now time.Time) map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.when).Abs() >= counterLast {
		c.when, c.last = now, c.read()
	}
	return c.last
}
