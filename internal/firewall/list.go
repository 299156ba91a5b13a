package firewall

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// adopt learns what is in our table, or of these jails only. What we ensured ourselves and
// still find is kept, so that rules that are right are not laid anew and keep their counters.
func (n *NFT) adopt(jails ...string) error {
	if !n.read {
		jails = nil
	}
	found := map[string]*place{}
	err := n.link.do(func(c *nftables.Conn) error {
		clear(found)
		chains, err := n.chains(c)
		if err != nil {
			return err
		}
		if jails == nil {
			if n.frame, err = n.readFrame(c, chains); err != nil {
				return err
			}
		}
		if err := n.readSets(c, found, jails); err != nil {
			return err
		}
		for jail, p := range found {
			old := n.places[jail]
			if old == nil || n.doubt || chains[p.id] == nil || !p.hasAll(old) {
				continue
			}
			whole, err := n.whole(c, old)
			if err != nil {
				return err
			}
			if whole {
				p.merge(old)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.noteLosses(found, jails)
	if jails == nil {
		n.places, n.read, n.doubt = found, true, false
		return nil
	}
	for _, jail := range jails {
		delete(n.places, jail)
		if p := found[jail]; p != nil {
			n.places[jail] = p
		}
	}
	return nil
}

// noteLosses compares what was found with what we laid.
func (n *NFT) noteLosses(found map[string]*place, jails []string) {
	if n.doubt {
		return
	}
	if jails == nil && n.laid {
		for _, what := range n.frame.lacks(jumps(n.places)) {
			n.miss(what)
		}
		if !n.frame.table {
			return // that says it all
		}
	}
	for _, jail := range slices.Sorted(maps.Keys(n.places)) {
		if jails != nil && !slices.Contains(jails, jail) || !n.places[jail].ruled {
			continue
		}
		if p := found[jail]; p == nil || !p.ruled {
			n.miss("the rules of jail " + jail)
		}
	}
}

// readSets finds the places by their sets, with the networks that are banned.
func (n *NFT) readSets(c *nftables.Conn, found map[string]*place, jails []string) error {
	sets, err := n.sets(c)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, s := range sets {
		jail, ref, ok := n.owner(s.Name)
		if !ok || jails != nil && !slices.Contains(jails, jail) {
			continue
		}
		p := found[jail]
		if p == nil {
			p = newPlace(ref.jail)
			found[jail] = p
		}
		p.sets[ref.kind] = true
		if !ref.kind.interval() {
			continue
		}
		elems, err := c.GetSetElements(s)
		if err != nil {
			return err
		}
		p.nets[ref.kind] = readNets(elems, now)
	}
	return nil
}

// chains are our table's chains by their names.
func (n *NFT) chains(c *nftables.Conn) (map[string]*nftables.Chain, error) {
	all, err := c.ListChainsOfTableFamily(n.table.Family)
	if err != nil {
		return nil, err
	}
	named := map[string]*nftables.Chain{}
	for _, chain := range all {
		if chain.Table.Name == n.table.Name {
			named[chain.Name] = chain
		}
	}
	return named, nil
}

// sets are our table's sets; none where there is no table.
func (n *NFT) sets(c *nftables.Conn) ([]*nftables.Set, error) {
	sets, err := c.GetSets(n.table)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return sets, err
}

// owner says which jail a set belongs to. A name that ident had to cut is known again if we
// gave it ourselves.
func (n *NFT) owner(set string) (jail string, ref setRef, ok bool) {
	i := strings.LastIndexByte(set, '_')
	if i < 0 {
		return "", setRef{}, false
	}
	ref = setRef{jail: set[:i], kind: setKind(set[i+1:])}
	if !ref.kind.closed() && !slices.Contains(banKinds(), ref.kind) {
		return "", setRef{}, false
	}
	for name, p := range n.places {
		if p.id == ref.jail {
			return name, ref, true
		}
	}
	jail, ok = jailOf(ref.jail)
	return jail, ref, ok
}

// hasAll says whether every set of old was found.
func (p *place) hasAll(old *place) bool {
	for k := range old.sets {
		if !p.sets[k] {
			return false
		}
	}
	return true
}

// merge adds to p, found in the kernel, what only memory (old) knows of the same place: the
// target and networks that lie hidden under one that holds longer.
func (p *place) merge(old *place) {
	p.target, p.protos, p.ruled = old.target, old.protos, old.ruled
	for k, n := range p.nets {
		o := old.nets[k]
		if o == nil {
			continue
		}
		for prefix, end := range o.ends {
			if _, shown := n.ends[prefix]; !shown && o.hidden(prefix) && n.covers(prefix, end) {
				n.ends[prefix] = end
			}
		}
	}
}

// hidden says whether no piece belongs to the network.
func (n *netSet) hidden(prefix netip.Prefix) bool {
	return !slices.ContainsFunc(n.pieces, func(x piece) bool { return x.owner == prefix })
}

// covers says whether the pieces that stand in the kernel hold all of prefix until end, but
// for a second: the kernel counts in jiffies.
func (n *netSet) covers(prefix netip.Prefix, end time.Time) bool {
	at, last := prefix.Addr(), netipx.PrefixLastIP(prefix)
	for _, x := range n.pieces {
		if x.last.Less(at) {
			continue
		}
		if at.Less(x.first) || !x.end.IsZero() && !outlasts(x.end.Add(time.Second), end) {
			return false
		}
		if x.last.Compare(last) >= 0 {
			return true
		}
		at = x.last.Next()
	}
	return false
}

// List implements Backend.
func (n *NFT) List(jails ...string) (map[string][]Element, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.adopt(jails...); err != nil {
		return nil, err
	}
	all := map[string][]Element{}
	err := n.link.do(func(*nftables.Conn) error {
		for jail, p := range n.places {
			if len(jails) > 0 && !slices.Contains(jails, jail) {
				continue
			}
			elems, err := n.elements(p)
			if err != nil {
				return err
			}
			all[jail] = elems
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// elements are the bans of one jail, single addresses from the kernel and networks as adopt
// has just read them.
func (n *NFT) elements(p *place) ([]Element, error) {
	var elems []Element
	for _, k := range []setKind{ban4, ban6} {
		if !p.sets[k] {
			continue
		}
		found, err := n.readHash(p.ref(k).name())
		if err != nil {
			return nil, err
		}
		p.empty[k] = len(found) == 0
		elems = append(elems, slices.DeleteFunc(found, func(e Element) bool { return e.Timeout < 0 })...)
	}
	now := time.Now()
	for _, nets := range p.nets {
		elems = append(elems, nets.elements(now)...)
	}
	sortElements(elems)
	return elems, nil
}

// maxReads is how often a hash set is read at most to have it whole.
const maxReads = 20

// readHash lists a hash set whole. The kernel lists in pieces and counts how many elements it
// has shown; where it resizes the hash in between, which it does in the background after many
// were added, the order changes: some come twice, and as many not at all. So a list in which
// one comes twice is read again, and what any of the readings showed is taken.
func (n *NFT) readHash(set string) ([]Element, error) {
	same := func(a, b Element) bool { return a.Prefix == b.Prefix }
	var all []Element
	for range maxReads {
		found, err := n.link.dump(n.table.Name, set)
		if err != nil {
			return nil, err
		}
		shown := len(found)
		sortElements(found)
		found = slices.CompactFunc(found, same)
		twice := len(found) < shown
		if all == nil {
			all = found
		} else {
			all = append(all, found...)
			sortElements(all)
			all = slices.CompactFunc(all, same)
		}
		if !twice {
			break
		}
	}
	return all, nil
}

// elements are the networks that are still banned.
func (n *netSet) elements(now time.Time) []Element {
	var elems []Element
	for prefix, end := range n.ends {
		e := Element{Prefix: prefix}
		if !end.IsZero() {
			if e.Timeout = end.Sub(now); e.Timeout <= 0 {
				continue
			}
		}
		elems = append(elems, e)
	}
	return elems
}

func sortElements(elems []Element) {
	slices.SortFunc(elems, func(a, b Element) int {
		return a.Prefix.Compare(b.Prefix)
	})
}

// readNets turns the elements of an interval set, begin and end markers in any order, back
// into pieces and the networks they belong to.
func readNets(elems []nftables.SetElement, now time.Time) *netSet {
	// Where one interval ends and the next begins there are two markers: the end comes first.
	slices.SortFunc(elems, func(a, b nftables.SetElement) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 || a.IntervalEnd == b.IntervalEnd {
			return c
		}
		if a.IntervalEnd {
			return -1
		}
		return 1
	})
	n := &netSet{ends: map[netip.Prefix]time.Time{}}
	for i, e := range elems {
		if e.IntervalEnd || e.Timeout > 0 && e.Expires <= 0 {
			continue
		}
		first, ok := netip.AddrFromSlice(e.Key)
		if !ok {
			continue
		}
		var behind netip.Addr
		if i+1 < len(elems) {
			behind, _ = netip.AddrFromSlice(elems[i+1].Key)
		}
		n.add(first, behind, e, now)
	}
	return n
}

func (n *netSet) add(first, behind netip.Addr, e nftables.SetElement, now time.Time) {
	r := keyRange(first, behind)
	owners := r.Prefixes()
	if p, err := netip.ParsePrefix(e.Comment); err == nil && p.Contains(r.From()) && p.Contains(r.To()) {
		owners = []netip.Prefix{p.Masked()}
	}
	var end time.Time
	if e.Timeout > 0 {
		end = now.Add(e.Expires)
	}
	for _, owner := range owners {
		if had, known := n.ends[owner]; !known || !outlasts(had, end) {
			n.ends[owner] = end
		}
	}
	n.pieces = append(n.pieces, piece{first: r.From(), last: r.To(), owner: owners[0], end: end})
}
