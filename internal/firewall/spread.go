package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Spread is a Backend that carries the bans of jails with Inside into those namespaces as
// well: each gets a table of its own, as the host's, by an NFT. The host's Backend stays the
// one that is asked who is banned.
//
// A namespace that is not there is no error: its container is down. As soon as there is one
// at its path, another one after a restart too, the next call gives it all bans of its jails.
// An open socket keeps a namespace alive, so who learns that a container has ended should
// Ensure its jail without it; the other calls look whether the path still leads there.
type Spread struct {
	host Backend
	home namespace // where host is: a path may come to lead here, when a process id is used again

	mu     sync.Mutex
	rooms  map[string]*room // by path
	listen func(*room)      // begins to watch a room; nil: nobody watches
	missed []string         // losses found and not yet told
}

var _ Backend = (*Spread)(nil)

// NewSpread takes over host; Close closes it.
func NewSpread(host Backend) *Spread {
	return &Spread{host: host, home: homeOf(host), rooms: map[string]*room{}}
}

// Ensure implements Backend.
func (s *Spread) Ensure(targets []Target) error {
	if err := s.host.Ensure(outside(targets)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	touched, err := s.assign(targets)
	errs := []error{err}
	for _, r := range touched {
		errs = append(errs, s.furnish(r, false))
	}
	return errors.Join(errs...)
}

// Mend is Ensure, and tells what of our rules and, inside of namespaces, of our bans was found
// missing; see NFT.Mend. Rules of a host that cannot tell are only ensured.
func (s *Spread) Mend(targets []Target) (lacked []string, err error) {
	if h, tells := s.host.(interface {
		Mend(targets []Target) ([]string, error)
	}); tells {
		lacked, err = h.Mend(outside(targets))
	} else {
		err = s.host.Ensure(outside(targets))
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed = append(s.missed, lacked...)
	_, err = s.assign(targets)
	errs := []error{err}
	for _, r := range s.inOrder() {
		errs = append(errs, s.furnish(r, true))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	lacked, s.missed = s.missed, nil
	return lacked, nil
}

// outside are the targets as the host has them: what holds inside of namespaces is ours.
func outside(targets []Target) []Target {
	host := slices.Clone(targets)
	for i := range host {
		host[i].Inside = nil
	}
	return host
}

// assign writes down which jails hold in which namespaces, and takes them out of the others.
func (s *Spread) assign(targets []Target) (touched []*room, err error) {
	var errs []error
	for _, t := range targets {
		wished, err := t.insides()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for path, r := range s.rooms {
			if _, stays := wished[path]; !stays {
				errs = append(errs, s.take(r, t.Jail))
			}
		}
		for path, inner := range wished {
			if s.rooms[path] == nil {
				s.rooms[path] = newRoom(path)
			}
			r := s.rooms[path]
			r.targets[t.Jail] = inner
			if !slices.Contains(touched, r) {
				touched = append(touched, r)
			}
		}
	}
	return touched, errors.Join(errs...)
}

// take removes a jail from a room, and the room with its last jail.
func (s *Spread) take(r *room, jail string) error {
	if _, there := r.targets[jail]; !there {
		return nil
	}
	delete(r.targets, jail)
	delete(r.carried, jail)
	last := len(r.targets) == 0
	if last {
		delete(s.rooms, r.path)
		defer r.leave()
	}
	switch {
	case !r.inside():
		return nil
	case last:
		return r.fault(r.nft.Drop())
	}
	return r.fault(r.nft.Apply([]Change{{Jail: jail, Forget: true}}))
}

// furnish makes the rules of a room true, and gives it the bans that it has not had yet. With
// look it compares those it has had, too: where a watch listens when it has told something,
// else seldom, since it takes as long as listing them twice.
func (s *Spread) furnish(r *room, look bool) error {
	known := r.nft
	if entered, err := s.enter(r); !entered {
		return err
	}
	lost, err := r.nft.Mend(r.wished())
	if err != nil {
		return r.fault(err)
	}
	s.miss(r, lost...)
	begin := time.Now()
	all := len(lost) > 0 || look && (r.unsure.Swap(false) || !r.heard() || begin.After(r.next))
	for _, t := range r.wished() {
		had := r.carried[t.Jail]
		if had && !all {
			continue
		}
		n, err := s.carry(r, t.Jail)
		if err != nil {
			r.unsure.Store(true)
			return r.fault(err)
		}
		if had && n > 0 && r.nft == known {
			s.miss(r, fmt.Sprintf("bans of jail %s (%d)", t.Jail, n))
		}
	}
	if all {
		r.next = time.Now().Add(100 * time.Since(begin))
	}
	return nil
}

// miss notes losses for the next Mend to tell.
func (s *Spread) miss(r *room, losses ...string) {
	for _, what := range losses {
		s.missed = append(s.missed, what+" in namespace "+r.path)
	}
}

// carry gives a room the bans of a jail that hold outside and not inside, or not as long. What
// others added is left alone.
func (s *Spread) carry(r *room, jail string) (n int, err error) {
	outside, err := s.host.List(jail)
	if err != nil {
		return 0, err
	}
	inside, err := r.nft.List(jail)
	if err != nil {
		return 0, err
	}
	change := Change{Jail: jail, Add: missing(outside[jail], inside[jail])}
	if len(change.Add) > 0 {
		err = r.nft.Apply([]Change{change})
	}
	if r.carried[jail] = true; err != nil {
		delete(r.carried, jail)
	}
	return len(change.Add), err
}

// missing are the elements of a that are not in b, or there for less time.
func missing(a, b []Element) []Element {
	const slack = 2 * time.Second // timers of two sets never show the same
	left := make(map[string]time.Duration, len(b))
	for _, e := range b {
		left[e.Prefix.String()] = e.Timeout
	}
	return slices.DeleteFunc(slices.Clone(a), func(e Element) bool {
		t, there := left[e.Prefix.String()]
		return there && (t == 0 || e.Timeout != 0 && t >= e.Timeout-slack)
	})
}

// Apply implements Backend. What holds outside is not taken back when it fails inside.
func (s *Spread) Apply(changes []Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.host.Apply(changes); err != nil {
		return err
	}
	var errs []error
	for _, r := range s.inOrder() {
		var own []Change
		for _, c := range changes {
			if _, there := r.targets[c.Jail]; !there {
				continue
			}
			if c.Forget {
				errs = append(errs, s.take(r, c.Jail))
				continue
			}
			own = append(own, c)
		}
		if len(own) > 0 && s.rooms[r.path] == r {
			errs = append(errs, s.applyIn(r, own))
		}
	}
	return errors.Join(errs...)
}

// applyIn is Apply in one room. One that is entered anew has the bans from the host; one
// whose table somebody deleted gets it again, with all bans.
func (s *Spread) applyIn(r *room, changes []Change) error {
	if !r.inside() || len(r.carried) < len(r.targets) {
		if err := s.furnish(r, false); err != nil || r.nft == nil {
			return err
		}
	}
	err := r.nft.Apply(changes)
	if !errors.Is(err, ErrGone) {
		return r.fault(err)
	}
	if err := s.furnish(r, false); err != nil || r.nft == nil {
		return err
	}
	return r.fault(r.nft.Apply(changes))
}

// List implements Backend: what holds outside.
func (s *Spread) List(jails ...string) (map[string][]Element, error) { return s.host.List(jails...) }

// Hits are those of the host and of all namespaces; see NFT.Hits.
func (s *Spread) Hits() (map[string]uint64, error) {
	counts := func(b any) (map[string]uint64, error) {
		if h, counts := b.(interface {
			Hits() (map[string]uint64, error)
		}); counts {
			return h.Hits()
		}
		return map[string]uint64{}, nil
	}
	hits, err := counts(s.host)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.inOrder() {
		if !r.inside() {
			continue
		}
		more, err := counts(r.nft)
		if err := r.fault(err); err != nil {
			return nil, err
		}
		for jail, n := range more {
			hits[jail] += n
		}
	}
	return hits, nil
}

// Watch is NFT.Watch of the host and of each namespace, also of those that are entered later.
// It ends with the host's.
func (s *Spread) Watch(ctx context.Context, tell func(what string)) error {
	h, tells := s.host.(interface {
		Watch(ctx context.Context, tell func(what string)) error
	})
	if !tells {
		return errors.New("this firewall tells nothing of what others do to it")
	}
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	s.mu.Lock()
	s.listen = func(r *room) { r.listen(inner, &all, tell) }
	for _, r := range s.rooms {
		if r.nft != nil {
			s.listen(r)
		}
	}
	s.mu.Unlock()
	err := h.Watch(ctx, tell)
	cancel()
	s.mu.Lock()
	s.listen = nil
	s.mu.Unlock()
	all.Wait()
	return err
}

// Drop implements Backend: the host's table and those in the namespaces we have entered.
func (s *Spread) Drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{s.host.Drop()}
	for _, r := range s.inOrder() {
		if r.inside() {
			errs = append(errs, r.fault(r.nft.Drop()))
		}
		r.leave()
	}
	clear(s.rooms)
	s.missed = nil
	return errors.Join(errs...)
}

// Close implements Backend.
func (s *Spread) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rooms {
		r.leave()
	}
	return s.host.Close()
}

func (s *Spread) inOrder() []*room {
	var all []*room
	for _, path := range slices.Sorted(maps.Keys(s.rooms)) {
		all = append(all, s.rooms[path])
	}
	return all
}

// Differs is the host's: what it carries out otherwise than a target asks for.
func (s *Spread) Differs(t Target) string {
	if h, ok := s.host.(interface{ Differs(t Target) string }); ok {
		return h.Differs(t)
	}
	return ""
}

// LookEvery is how often the host wants to be compared; 0: it does not say.
func (s *Spread) LookEvery() time.Duration {
	if h, ok := s.host.(interface{ LookEvery() time.Duration }); ok {
		return h.LookEvery()
	}
	return 0
}
