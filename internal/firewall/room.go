package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// room is a namespace that holds bans of some jails.
type room struct {
	path    string
	targets map[string]Target // by jail, as they are to be inside

	nft     *NFT      // nil: the namespace is not there
	is      namespace // which one nft is in
	carried map[string]bool
	ear     *ear
	unsure  atomic.Bool // the watch has told something
	next    time.Time   // when bans are compared without a reason
}

// ear is one watch over a room.
type ear struct {
	close context.CancelFunc
	ended atomic.Bool
}

func newRoom(path string) *room {
	return &room{path: path, targets: map[string]Target{}, carried: map[string]bool{}}
}

// insides are the targets in the namespaces that t holds in, by their paths.
func (t Target) insides() (map[string]Target, error) {
	all := map[string]Target{}
	for _, i := range t.Inside {
		inner, known := all[i.NetNS]
		if !known {
			all[i.NetNS] = Target{Jail: t.Jail, Block: t.Block, Ports: i.Ports, Protocols: i.Protocols}
			continue
		}
		joined, err := join(inner, i)
		if err != nil {
			return nil, fmt.Errorf("jail %s in namespace %s: %w", t.Jail, i.NetNS, err)
		}
		all[i.NetNS] = joined
	}
	return all, nil
}

// join is a target that closes what t and what i close: pairs of ports and protocols that are
// no product, such as 22 of tcp and 53 of udp, are endpoints.
func join(t Target, i Inside) (Target, error) {
	joined := Target{Jail: t.Jail, Block: t.Block, Scoped: true, Endpoints: slices.Clone(t.Endpoints)}
	parts := []Target{{Ports: i.Ports, Protocols: i.Protocols}}
	if !t.Scoped {
		parts = append(parts, t)
	}
	for _, part := range parts {
		if part.Ports == nil && part.Protocols == nil {
			return Target{Jail: t.Jail, Block: t.Block}, nil
		}
		if part.Ports == nil {
			part.Ports = []PortRange{{1, 65535}}
		}
		protos, err := part.protos()
		if err != nil {
			return t, err
		}
		for _, r := range part.Ports {
			for _, p := range protos {
				joined.Endpoints = append(joined.Endpoints, Endpoint{Proto: p.name, Port: r})
			}
		}
	}
	return joined, nil
}

// wished are the room's targets in order.
func (r *room) wished() []Target {
	var all []Target
	for _, jail := range slices.Sorted(maps.Keys(r.targets)) {
		all = append(all, r.targets[jail])
	}
	return all
}

// enter opens the room's namespace, anew if another has taken its place; false without an
// error: there is none.
func (s *Spread) enter(r *room) (entered bool, err error) {
	if r.inside() {
		s.watchOver(r)
		return true, nil
	}
	r.leave()
	nft, err := NewNFT(NFTOptions{NetNS: r.path})
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, r.fault(err)
	}
	is, err := nft.namespace()
	if err != nil || is == s.home {
		return false, errors.Join(r.fault(err), nft.Close())
	}
	r.nft, r.is = nft, is
	s.watchOver(r)
	return true, nil
}

// watchOver begins a watch over a room that has none.
func (s *Spread) watchOver(r *room) {
	if s.listen != nil && !r.heard() {
		s.listen(r)
	}
}

// leave gives the namespace up, so that it can end; its table stays.
func (r *room) leave() {
	if r.ear != nil {
		r.ear.close()
		r.ear = nil
	}
	if r.nft != nil {
		_ = r.nft.Close() // nothing is waiting to be written
		r.nft = nil
	}
	clear(r.carried)
}

// inside says whether the room has been entered and its path still leads there.
func (r *room) inside() bool {
	if r.nft == nil {
		return false
	}
	is, err := namespaceAt(r.path)
	return err == nil && is == r.is
}

// fault is err with the room's name; nil when its namespace has ended meanwhile.
func (r *room) fault(err error) error {
	if err == nil || r.nft != nil && !r.inside() {
		return nil
	}
	return fmt.Errorf("in namespace %s: %w", r.path, err)
}

// heard says whether somebody listens to what others do to the room's table.
func (r *room) heard() bool { return r.ear != nil && !r.ear.ended.Load() }

// listen tells what others do to the room's table. When that breaks nobody is told: the room's
// bans are compared at each look until the next call begins another watch.
func (r *room) listen(ctx context.Context, all *sync.WaitGroup, tell func(string)) {
	ctx, cancel := context.WithCancel(ctx)
	e, nft := &ear{close: cancel}, r.nft
	r.ear = e
	all.Go(func() {
		defer cancel()
		_ = nft.Watch(ctx, func(what string) {
			r.unsure.Store(true)
			tell("in namespace " + r.path + ": " + what)
		})
		e.ended.Store(true)
	})
}

const ownNamespace = "/proc/thread-self/ns/net"

// namespace tells one network namespace from another while both exist.
type namespace struct{ dev, ino uint64 }

func namespaceAt(path string) (namespace, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return namespace{st.Dev, st.Ino}, err
}

// namespace is the one that n is in, if it was given one.
func (n *NFT) namespace() (namespace, error) {
	if n.link.ns == nil {
		return namespaceAt(ownNamespace)
	}
	var st unix.Stat_t
	err := unix.Fstat(int(n.link.ns.Fd()), &st)
	return namespace{st.Dev, st.Ino}, err
}

// homeOf is the namespace of a backend, which is ours unless it is told another.
func homeOf(b Backend) namespace {
	// Errors are left out: without /proc there is no path of a namespace that could lead here.
	var home namespace
	switch b := b.(type) {
	case *NFT:
		home, _ = b.namespace()
	case *IPTables:
		home, _ = namespaceAt(cmp.Or(b.tools.ns, ownNamespace))
	default:
		home, _ = namespaceAt(ownNamespace)
	}
	return home
}

// gone says whether an error means that there is no such namespace: its last process ended.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }
