package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// maxElems is how many elements one message holds, half as many networks.
	maxElems = 1000
	// maxTransaction is how many elements one transaction holds; three messages of some 40
	// bytes each stay well under the socket's buffer.
	maxTransaction = 50_000
	// socketBuffer is asked for on both sides of the netlink socket, in bytes.
	socketBuffer = 32 << 20
)

// place is what a jail has in the kernel, as far as we know.
type place struct {
	id     string
	target Target // as ensured
	protos []protocol
	ruled  bool // target is what the rules say; false while the place is only adopted
	sets   map[setKind]bool
	empty  map[setKind]bool    // of ban4 and ban6: nothing is in there, as we have just seen
	nets   map[setKind]*netSet // of net4 and net6
}

// netSet is the banned networks of one family and how they stand in the kernel.
type netSet struct {
	ends   map[netip.Prefix]time.Time // zero: for ever
	pieces []piece
}

func newPlace(id string) *place {
	return &place{id: id, sets: map[setKind]bool{}, empty: map[setKind]bool{}, nets: map[setKind]*netSet{}}
}

// clone copies what planEnsure changes.
func clone(places map[string]*place) map[string]*place {
	copies := make(map[string]*place, len(places))
	for jail, p := range places {
		c := *p
		c.sets, c.empty = maps.Clone(p.sets), maps.Clone(p.empty)
		copies[jail] = &c
	}
	return copies
}

func (p *place) ref(k setKind) setRef { return setRef{jail: p.id, kind: k} }

// planEnsure is the way from what is in the kernel to the wished rules. Elements are not
// touched. It changes places to what they will be.
func planEnsure(places map[string]*place, targets []Target) ([]op, error) {
	ops, err := planTargets(places, targets)
	if err != nil {
		return nil, err
	}
	// The jumps are laid anew in a fixed order; no packet sees the chain without them, since
	// a transaction becomes true at once.
	ops = slices.Concat([]op{addTable{}, addChain{baseChain}}, ops, []op{flushChain{baseChain}})
	for _, jump := range jumps(places) {
		ops = append(ops, jump)
	}
	return ops, nil
}

// planTargets is planEnsure without the table, the base chain and its jumps; empty where all
// jails are as wished.
func planTargets(places map[string]*place, targets []Target) ([]op, error) {
	var ops []op
	for _, t := range targets {
		more, err := home(places, t.Jail).ensure(t)
		if err != nil {
			return nil, fmt.Errorf("jail %s: %w", t.Jail, err)
		}
		ops = append(ops, more...)
	}
	return ops, nil
}

// jumps are the rules of the base chain.
func jumps(places map[string]*place) []addJump {
	var all []addJump
	for _, p := range sorted(places) {
		if p.chain() {
			all = append(all, addJump{p.id})
		}
	}
	return all
}

// home is the jail's place, which may have been adopted under a name that ident had to cut.
func home(places map[string]*place, jail string) *place {
	p := places[jail]
	if p == nil {
		id := ident(jail)
		p = newPlace(id)
		if shown, _ := jailOf(id); places[shown] != nil {
			p = places[shown]
			delete(places, shown)
		}
		places[jail] = p
	}
	return p
}

// chain says whether the jail's chain exists: it is made with the jail's first set.
func (p *place) chain() bool { return p.sets[ban4] }

func sorted(places map[string]*place) []*place {
	var all []*place
	for _, p := range places {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *place) int { return strings.Compare(a.id, b.id) })
	return all
}

// ensure is one jail's part of planEnsure. A jail that is as wished keeps its counters.
func (p *place) ensure(t Target) ([]op, error) {
	protos, err := t.protos()
	if err != nil {
		return nil, err
	}
	if t.Endpoints, err = t.endpoints(); err != nil {
		return nil, err
	}
	if p.ruled && same(p.target, t) {
		ops := p.move(t)
		p.target.Endpoints = t.Endpoints
		return ops, nil
	}
	ops := []op{addChain{p.id}, flushChain{p.id}}
	for _, k := range []setKind{ban4, ban6} {
		if !p.sets[k] {
			ops = append(ops, addSet{p.ref(k)})
			p.sets[k], p.empty[k] = true, true
		}
	}
	ops = append(ops, p.close(t, protos)...)
	p.target, p.protos, p.ruled = t, protos, true
	for _, k := range banKinds() {
		if p.sets[k] {
			ops = append(ops, t.rules(p.ref(k), protos)...)
		}
	}
	return ops, nil
}

// same says whether two targets have the same rules.
func same(a, b Target) bool {
	if a.Scoped || b.Scoped {
		return a.Scoped == b.Scoped && a.Block == b.Block
	}
	return a.Block == b.Block && slices.Equal(a.Protocols, b.Protocols) &&
		(a.Ports == nil) == (b.Ports == nil) && slices.Equal(a.Ports, b.Ports)
}

// planForget takes a jail out. The jump goes by laying the base chain anew.
func planForget(places map[string]*place, jail string) []op {
	gone := places[jail]
	delete(places, jail)
	ops := []op{flushChain{baseChain}}
	for _, jump := range jumps(places) {
		ops = append(ops, jump)
	}
	if gone.chain() {
		ops = append(ops, flushChain{gone.id}, delChain{gone.id})
	}
	for _, k := range append(banKinds(), closedKinds()...) {
		if gone.sets[k] {
			ops = append(ops, delSet{gone.ref(k)})
		}
	}
	return ops
}

// planApply is the steps that fulfil one jail's wish, as groups that must not be torn apart.
// Each element is added, deleted and added: the first makes the second succeed when it has
// expired meanwhile, the second lets the third set a new timeout (before Linux 6.12 adding
// what is there keeps the old one). The first elements of an empty set, all bans of a jail after
// a reboot, and those that are said to be fresh need none of that: they are only added, and the
// kernel refuses the transaction where one is there all the same.
func planApply(p *place, w *wish, now time.Time) (groups [][]op) {
	nets := map[setKind][]netip.Prefix{}
	var v4, v6 []single
	for _, prefix := range w.order {
		is6 := prefix.Addr().Is6()
		switch {
		case prefix.IsSingleIP() && is6:
			v6 = append(v6, single{prefix.Addr(), w.wanted[prefix]})
		case prefix.IsSingleIP():
			v4 = append(v4, single{prefix.Addr(), w.wanted[prefix]})
		case is6:
			nets[net6] = append(nets[net6], prefix)
		default:
			nets[net4] = append(nets[net4], prefix)
		}
	}
	groups = append(p.singlesGroups(ban4, v4), p.singlesGroups(ban6, v6)...)
	for _, k := range []setKind{net4, net6} {
		if len(nets[k]) > 0 {
			groups = append(groups, p.netsGroup(k, nets[k], w, now))
		}
	}
	return groups
}

// single is a wish about a single address.
type single struct {
	addr netip.Addr
	want want
}

func (p *place) singlesGroups(k setKind, all []single) (groups [][]op) {
	for chunk := range slices.Chunk(all, maxElems) {
		groups = append(groups, singlesGroup(p.ref(k), chunk, p.empty[k]))
	}
	if len(all) > 0 {
		delete(p.empty, k)
	}
	return groups
}

func singlesGroup(set setRef, all []single, empty bool) (group []op) {
	fresh := make([]timed, 0, len(all))
	var known, again []timed
	for _, s := range all {
		t := timed{s.addr, s.want.timeout}
		switch {
		case t.timeout == remove && empty:
		case t.timeout == remove:
			known = append(known, t)
		case empty || s.want.fresh:
			fresh = append(fresh, t)
		default:
			known, again = append(known, t), append(again, t)
		}
	}
	if len(known) > 0 {
		group = append(group, putAddrs{setRef: set, bare: true, addrs: known}, putAddrs{setRef: set, delete: true, bare: true, addrs: known})
	}
	if len(again) > 0 {
		group = append(group, putAddrs{setRef: set, addrs: again})
	}
	if len(fresh) > 0 {
		group = append(group, putAddrs{setRef: set, fresh: true, addrs: fresh})
	}
	return group
}

// doubted are the groups for addresses that are there although nobody was thought to have them.
func doubted(groups [][]op) [][]op {
	safe := make([][]op, len(groups))
	for i, group := range groups {
		for _, o := range group {
			put, ok := o.(putAddrs)
			if !ok || !put.fresh {
				safe[i] = append(safe[i], o)
				continue
			}
			put.fresh = false
			safe[i] = append(safe[i], putAddrs{setRef: put.setRef, bare: true, addrs: put.addrs},
				putAddrs{setRef: put.setRef, delete: true, bare: true, addrs: put.addrs}, put)
		}
	}
	return safe
}

// netsGroup changes the networks of one family: the layout of pieces before and after is
// compared, and only what differs is sent.
func (p *place) netsGroup(k setKind, prefixes []netip.Prefix, w *wish, now time.Time) []op {
	var ops []op
	set := p.ref(k)
	if p.nets[k] == nil {
		p.nets[k] = &netSet{ends: map[netip.Prefix]time.Time{}}
	}
	if !p.sets[k] {
		ops = append(ops, addSet{set})
		ops = append(ops, p.target.rules(set, p.protos)...)
		p.sets[k] = true
	}
	n := p.nets[k]
	n.change(prefixes, w, now)
	after := cut(n.ends)
	old, fresh := difference(n.pieces, after), difference(after, n.pieces)
	n.pieces = after

	var bare, timed []elem
	for _, x := range old {
		bare = append(bare, pieceElem(x, 0))
	}
	for _, x := range fresh {
		var timeout time.Duration
		if !x.end.IsZero() {
			timeout = max(x.end.Sub(now).Round(time.Millisecond), time.Millisecond)
		}
		timed = append(timed, pieceElem(x, timeout))
	}
	ops = append(ops, chunks(set, false, bare)...)
	ops = append(ops, chunks(set, true, bare)...)
	return append(ops, chunks(set, false, timed)...)
}

// change writes the wishes into the banned networks, and takes out those that are over.
func (n *netSet) change(prefixes []netip.Prefix, w *wish, now time.Time) {
	for _, prefix := range prefixes {
		switch t := w.wanted[prefix].timeout; {
		case t == remove:
			delete(n.ends, prefix)
		case t == 0:
			n.ends[prefix] = time.Time{}
		default:
			n.ends[prefix] = now.Add(t)
		}
	}
	for prefix, end := range n.ends {
		if !end.IsZero() && !now.Before(end) {
			delete(n.ends, prefix)
		}
	}
}

// difference is what is in a and not in b.
func difference(a, b []piece) []piece {
	known := make(map[piece]bool, len(b))
	for _, x := range b {
		known[x] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(x piece) bool { return known[x] })
}

func chunks(set setRef, del bool, elems []elem) []op {
	var ops []op
	size := maxElems
	if set.kind.interval() || set.span { // two keys each
		size /= 2
	}
	for chunk := range slices.Chunk(elems, size) {
		ops = append(ops, putElems{set, del, chunk})
	}
	return ops
}

// Script is the nft script that makes the targets and the changes true where nothing is yet;
// NFT sends the same steps over netlink. `nft -f` takes it also where they are already true.
func Script(targets []Target, changes []Change) (string, error) {
	places := map[string]*place{}
	ops, err := planEnsure(places, targets)
	if err != nil {
		return "", err
	}
	wishes, order, err := fold(changes)
	if err != nil {
		return "", err
	}
	for _, jail := range order {
		p := places[jail]
		if p == nil {
			return "", fmt.Errorf("jail %s: %w", jail, ErrGone)
		}
		clear(p.empty) // where it is run the sets may be full
		if wishes[jail].forget {
			ops = append(ops, planForget(places, jail)...)
			continue
		}
		for _, group := range planApply(p, wishes[jail], time.Now()) {
			ops = append(ops, group...)
		}
	}
	var b strings.Builder
	for _, o := range ops {
		b.WriteString(o.script("gaol"))
		b.WriteByte('\n')
	}
	return b.String(), nil
}
