package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/event"
)

// bus tells what happens to whoever listens, and never waits for one: each subscriber has a
// bounded queue whose oldest entries give way, and is told how many it missed. A nil bus tells
// nobody.
type bus struct {
	now  func() time.Time
	some atomic.Bool // somebody listens: else a ban costs nothing here

	mu     sync.Mutex // guards what follows
	subs   map[*subscriber]bool
	closed bool
}

func newBus(now func() time.Time) *bus { return &bus{now: now, subs: map[*subscriber]bool{}} }

// subscriber is the queue of one who listens: a ring, oldest first.
type subscriber struct {
	wake chan struct{} // holds one where there is something new

	mu       sync.Mutex // guards what follows
	ring     []event.Happening
	first, n int
	missed   uint64
	closed   bool
}

// Subscribe tells everything that happens from now on until ctx ends; then, and when the engine
// has ended and all was read, the channel is closed. buffer is how many may wait to be read. Where
// more do, the oldest are dropped, and an event.Missed in their place has their number.
func (b *bus) Subscribe(ctx context.Context, buffer int) <-chan event.Happening {
	s := &subscriber{wake: make(chan struct{}, 1), ring: make([]event.Happening, max(buffer, 1))}
	b.mu.Lock()
	s.closed = b.closed
	b.subs[s] = true
	b.some.Store(true)
	b.mu.Unlock()
	out := make(chan event.Happening)
	go func() {
		defer close(out)
		defer b.leave(s)
		s.pump(ctx, out, b.now)
	}()
	return out
}

func (b *bus) leave(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, s)
	b.some.Store(len(b.subs) > 0)
}

// heard says whether anybody listens.
func (b *bus) heard() bool { return b != nil && b.some.Load() }

// publish tells h; it does not wait for anybody.
func (b *bus) publish(h event.Happening) {
	if !b.heard() {
		return
	}
	h.Time = b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.put(h)
	}
}

// close ends all subscriptions once they are read to their end.
func (b *bus) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		s.end()
	}
	return nil
}

func (s *subscriber) put(h event.Happening) {
	s.mu.Lock()
	if s.n == len(s.ring) {
		s.first = (s.first + 1) % len(s.ring)
		s.n--
		s.missed++
	}
	s.ring[(s.first+s.n)%len(s.ring)] = h
	s.n++
	s.mu.Unlock()
	s.nudge()
}

func (s *subscriber) end() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.nudge()
}

func (s *subscriber) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take is the next happening, and first that some were missed; ok: there is one, over: none will
// come any more.
func (s *subscriber) take(now func() time.Time) (h event.Happening, ok, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.missed > 0:
		h = event.Happening{Time: now(), What: event.Missed, Count: s.missed}
		s.missed = 0
		return h, true, false
	case s.n == 0:
		return h, false, s.closed
	}
	h = s.ring[s.first]
	s.ring[s.first] = event.Happening{} // its ban must not be kept
	s.first = (s.first + 1) % len(s.ring)
	s.n--
	return h, true, false
}

func (s *subscriber) pump(ctx context.Context, out chan<- event.Happening, now func() time.Time) {
	for {
		h, ok, over := s.take(now)
		switch {
		case over:
			return
		case ok:
			select {
			case out <- h:
			case <-ctx.Done():
				return
			}
		default:
			select {
			case <-s.wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

// happened tells a decision that was carried out, of lines that were read at a time.
func (b *bus) happened(jail string, d event.Decision, read time.Time, dryRun bool) {
	if !b.heard() {
		return
	}
	h := event.Happening{Jail: jail, Reason: d.Reason, Restored: d.Restored, DryRun: dryRun}
	switch d.Kind {
	case event.Impose:
		h.What = event.Banned
		if !read.IsZero() && !d.Restored && !d.Ban.Manual {
			h.Took = max(time.Since(read), 1)
		}
	case event.Lift:
		h.What = event.Unbanned
	case event.Prolong:
		h.What = event.Prolonged
	case event.Raise:
		h.What = event.Raised
	case event.Spare:
		h.What = event.Spared
	case event.Hold:
		h.What = event.Held
	default:
		return // how the kernel groups bans is no news of any of them
	}
	if d.Ban.ID != "" {
		ban := d.Ban
		h.Ban = &ban
	}
	b.publish(h)
}

// Subscribe is the bus of an engine; see there.
func (e *engine) Subscribe(ctx context.Context, buffer int) <-chan event.Happening {
	return e.deps.bus.Subscribe(ctx, buffer)
}

// leaked tells that a ban does not work.
func (b *bus) leaked(jail string, l event.Leak) {
	b.publish(event.Happening{What: event.Leaked, Jail: jail, Reason: l.Why, Hint: l.Hint,
		Ban: &event.Ban{Jail: jail, ID: l.ID, Start: l.Banned, Count: l.Failures}})
}

// allowance tells that somebody came onto the allow-list, or off it.
func (b *bus) allowance(what event.What, a event.Allowance) {
	b.publish(event.Happening{What: what, Reason: a.Reason, Ban: &event.Ban{ID: a.ID, Start: a.Since, End: a.End}})
}
