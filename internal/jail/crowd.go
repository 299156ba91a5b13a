package jail

import (
	"net/netip"

	"gaol/internal/event"
)

// crowds count the bans of a jail per prefix, from the widest that may be folded (the root) down.
type crowds struct {
	o     Aggregate
	roots map[netip.Prefix]*crowd
}

// crowd is the bans of one root.
type crowd struct {
	members map[string]netip.Prefix // by ban id
	count   map[netip.Prefix]*head  // nil while there are too few members to count
	units   map[netip.Prefix]int    // members per unit
}

// head is how many members a prefix has, and how many of its units they are.
type head struct{ members, units int }

// unitOf is the length of the prefix that collateral is counted in: IPv4 addresses, and IPv6
// networks of length 64, since who has one of their addresses has them all.
func (c *crowds) unitOf(a netip.Addr) int {
	if a.Is4() {
		return 32
	}
	return max(64, c.o.Width.V6)
}

// rootOf is the widest prefix around p that may be folded; false: p is as wide.
func (c *crowds) rootOf(p netip.Prefix) (netip.Prefix, bool) {
	root, ok := Width(c.o.Width).of(p.Addr())
	return root, ok && root.Bits() < p.Bits()
}

// memberOf is the prefix of a ban that may be folded. Bans by hand are an admin's own word and
// stay as they are.
func (c *crowds) memberOf(b event.Ban) (p, root netip.Prefix, ok bool) {
	if b.Manual {
		return p, root, false
	}
	p, ok = prefixOf(b.ID)
	if ok {
		root, ok = c.rootOf(p)
	}
	return p, root, ok
}

// prefixOf reads a ban id.
func prefixOf(id string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(id); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), a.Zone() == ""
	}
	p, err := netip.ParsePrefix(id)
	return p, err == nil
}

// add counts a ban, which may be counted already; it returns its prefix and root.
func (c *crowds) add(b event.Ban) (p, root netip.Prefix, ok bool) {
	if p, root, ok = c.memberOf(b); !ok {
		return p, root, false
	}
	r := c.roots[root]
	if r == nil {
		r = &crowd{members: map[string]netip.Prefix{}}
		c.roots[root] = r
	}
	if _, counted := r.members[b.ID]; counted {
		return p, root, true
	}
	r.members[b.ID] = p
	switch {
	case r.count != nil:
		c.tally(r, root, p, 1)
	case len(r.members) >= foldMin:
		r.count, r.units = map[netip.Prefix]*head{}, map[netip.Prefix]int{}
		for _, m := range r.members {
			c.tally(r, root, m, 1)
		}
	}
	return p, root, true
}

// drop takes a ban off the count.
func (c *crowds) drop(b event.Ban) (p, root netip.Prefix, ok bool) {
	if p, root, ok = c.memberOf(b); !ok {
		return p, root, false
	}
	r := c.roots[root]
	if r == nil || !r.members[b.ID].IsValid() {
		return p, root, false
	}
	delete(r.members, b.ID)
	if r.count != nil {
		c.tally(r, root, p, -1)
	}
	if len(r.members) == 0 {
		delete(c.roots, root)
	}
	return p, root, true
}

// tally adds n, 1 or -1, to the count of all prefixes around a member.
func (c *crowds) tally(r *crowd, root, p netip.Prefix, n int) {
	unit := c.unitOf(p.Addr())
	units := n
	if p.Bits() < unit {
		units = n << (unit - p.Bits())
	} else {
		key := netip.PrefixFrom(p.Addr(), unit).Masked()
		before := r.units[key]
		r.units[key] += n
		if before > 0 && before+n > 0 {
			units = 0 // somebody else of this unit is counted
		}
		if before+n == 0 {
			delete(r.units, key)
		}
	}
	for bits := root.Bits(); bits <= unit && bits < p.Bits(); bits++ {
		at := netip.PrefixFrom(p.Addr(), bits).Masked()
		h := r.count[at]
		if h == nil {
			h = &head{}
			r.count[at] = h
		}
		h.members, h.units = h.members+n, h.units+units
		if h.members == 0 {
			delete(r.count, at)
		}
	}
}

// head is the count of a prefix within root.
func (c *crowds) head(root, p netip.Prefix) head {
	if r := c.roots[root]; r != nil && r.count[p] != nil {
		return *r.count[p]
	}
	return head{}
}

// size is how many units a prefix has.
func (c *crowds) size(p netip.Prefix) int { return 1 << max(0, c.unitOf(p.Addr())-p.Bits()) }

// budget is how many others one offender may take with him.
func (c *crowds) budget(p netip.Prefix) int {
	if p.Addr().Is4() {
		return c.o.Budget.V4
	}
	return c.o.Budget.V6
}

// enough says whether least members are counted in p, and as many units where it is wider than
// one: many addresses of one network of length 64 are one offender.
func (c *crowds) enough(p netip.Prefix, h head, least int) bool {
	return h.members >= least && (h.units >= least || c.size(p) == 1)
}

// within says whether the others that p covers are within share (of 1) of the budget.
func (c *crowds) within(p netip.Prefix, h head, share float64) bool {
	others := max(0, c.size(p)-h.units)
	return float64(others) <= share*float64(c.budget(p)*h.units)
}
