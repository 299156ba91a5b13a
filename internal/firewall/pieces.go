package firewall

import (
	"net/netip"
	"slices"
	"time"

	"go4.org/netipx"
)

// piece is a part of a banned network as it stands in the kernel. An interval set refuses
// intervals that overlap, but bans of 10.0.0.0/8 and 10.1.0.0/16 must both be kept, each to
// its own end. So the networks are cut into pieces that do not overlap, and each piece
// belongs to the network that holds it longest.
type piece struct {
	first, last netip.Addr
	owner       netip.Prefix
	end         time.Time // zero: for ever
}

// whole says whether the piece is all of its owner.
func (p piece) whole() bool {
	r := netipx.RangeOfPrefix(p.owner)
	return r.From() == p.first && r.To() == p.last
}

// String is the piece as nft writes an interval.
func (p piece) String() string {
	r := netipx.IPRangeFrom(p.first, p.last)
	if whole, ok := r.Prefix(); ok {
		return whole.String()
	}
	return r.String()
}

// outlasts says whether a ban that ends at a holds at least as long as one that ends at b.
func outlasts(a, b time.Time) bool {
	return a.IsZero() || !b.IsZero() && !a.Before(b)
}

// cut lays out the networks of one family as pieces in ascending order. Networks either nest
// or are apart, so one sweep with a stack of the open ones is enough.
func cut(nets map[netip.Prefix]time.Time) []piece {
	order := make([]netip.Prefix, 0, len(nets))
	for p := range nets {
		order = append(order, p)
	}
	slices.SortFunc(order, netip.Prefix.Compare) // of one family: by address, then the wider first
	var s sweep
	for _, p := range order {
		for len(s.open) > 0 && s.top().last.Less(p.Addr()) {
			s.closeTop()
		}
		r := netipx.RangeOfPrefix(p)
		inner := piece{last: r.To(), owner: p, end: nets[p]}
		if len(s.open) > 0 {
			if s.at.IsValid() && s.at.Less(p.Addr()) {
				s.emit(s.at, p.Addr().Prev())
			}
			if outer := s.top(); outlasts(outer.end, inner.end) {
				inner.owner, inner.end = outer.owner, outer.end
			}
		}
		s.at = p.Addr()
		s.open = append(s.open, inner)
	}
	for len(s.open) > 0 {
		s.closeTop()
	}
	return s.done
}

// sweep is the state of cut: the networks around the place it has reached, outermost first,
// each with the owner that holds its ground longest.
type sweep struct {
	open []piece
	at   netip.Addr // what is before it is laid out; invalid behind the last address there is
	done []piece
}

func (s *sweep) top() piece { return s.open[len(s.open)-1] }

func (s *sweep) closeTop() {
	last := s.top().last
	if s.at.IsValid() && s.at.Compare(last) <= 0 {
		s.emit(s.at, last)
		s.at = last.Next()
	}
	s.open = s.open[:len(s.open)-1]
}

func (s *sweep) emit(first, last netip.Addr) {
	p := piece{first: first, last: last, owner: s.top().owner, end: s.top().end}
	if k := len(s.done) - 1; k >= 0 && s.done[k].owner == p.owner && s.done[k].last.Next() == first {
		s.done[k].last = last
		return
	}
	s.done = append(s.done, p)
}
