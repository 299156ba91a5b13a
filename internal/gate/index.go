package gate

import (
	"net/netip"
	"sync"
	"time"

	"gaol/internal/event"
)

// index is who is banned, by whom and until when. Requests ask it while happenings change it.
type index struct {
	mu   sync.RWMutex
	bans map[netip.Prefix][]hold
	bits [2][129]int // how many prefixes of each length there are, IPv4 and IPv6
}

// hold is one jail's ban.
type hold struct {
	jail string
	end  time.Time // zero: never
}

func newIndex() *index { return &index{bans: map[netip.Prefix][]hold{}} }

// prefixOf is the address or network of a ban id; false: it is none (<F-ID>).
func prefixOf(id string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(id); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(id)
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), true
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// put takes a ban in, in place of the same jail's ban of the same id; it reports whether that
// changed who is banned.
func (x *index) put(b event.Ban) bool {
	p, ok := prefixOf(b.ID)
	if !ok {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	holds := x.bans[p]
	for i := range holds {
		if holds[i].jail == b.Jail {
			holds[i].end = b.End
			return false
		}
	}
	if len(holds) == 0 {
		x.bits[family(p.Addr())][p.Bits()]++
	}
	x.bans[p] = append(holds, hold{b.Jail, b.End})
	return len(holds) == 0
}

// drop lets a jail's ban go; it reports whether that changed who is banned.
func (x *index) drop(b event.Ban) bool {
	p, ok := prefixOf(b.ID)
	if !ok {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var left []hold
	for _, h := range x.bans[p] {
		if h.jail != b.Jail {
			left = append(left, h)
		}
	}
	if len(left) > 0 || x.bans[p] == nil {
		if len(left) > 0 {
			x.bans[p] = left
		}
		return false
	}
	delete(x.bans, p)
	x.bits[family(p.Addr())][p.Bits()]--
	return true
}

// find is a ban that holds for an address now, of one of jails where any are named.
func (x *index) find(a netip.Addr, jails []string, now time.Time) (h hold, banned bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for bits := a.BitLen(); bits >= 0; bits-- {
		if x.bits[family(a)][bits] == 0 {
			continue
		}
		p, err := a.Prefix(bits)
		if err != nil {
			return hold{}, false
		}
		for _, h := range x.bans[p] {
			if (h.end.IsZero() || !now.After(h.end)) && named(h.jail, jails) {
				return h, true
			}
		}
	}
	return hold{}, false
}

func named(jail string, jails []string) bool {
	for _, j := range jails {
		if j == jail {
			return true
		}
	}
	return len(jails) == 0
}

// all are the prefixes that are banned now.
func (x *index) all(now time.Time) []netip.Prefix {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]netip.Prefix, 0, len(x.bans))
	for p, holds := range x.bans {
		for _, h := range holds {
			if h.end.IsZero() || !now.After(h.end) {
				list = append(list, p)
				break
			}
		}
	}
	return list
}

// replace takes over what another index holds.
func (x *index) replace(other *index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.bans, x.bits = other.bans, other.bits
}
