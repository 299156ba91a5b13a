package firewall

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Hold is where the kernel holds a ban, and the rules that ask for it there.
type Hold struct {
	Set   string // "inet gaol j_sshd_ban4"
	Rules []HoldRule
}

// HoldRule is a rule of a jail, as nft shows it, and how many packets it has caught, of
// everybody in its set.
type HoldRule struct {
	Text    string
	Packets uint64
}

// Holds says where bans of a prefix are in the place of a jail. It reads the kernel; false: the
// jail has no such set there.
func (n *NFT) Holds(jail string, prefix netip.Prefix) (h Hold, found bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.places[jail]
	kind := kindOf(prefix)
	if p == nil || !p.sets[kind] {
		return h, false, nil
	}
	set := p.ref(kind)
	h.Set = "inet " + n.table.Name + " " + set.name()
	var packets []uint64
	err = n.link.do(func(c *nftables.Conn) error {
		packets = packets[:0]
		rules, err := c.GetRules(n.table, &nftables.Chain{Name: p.id, Table: n.table})
		for _, r := range rules {
			if asks, caught := asksFor(r, set.name()); asks {
				packets = append(packets, caught)
			}
		}
		return err
	})
	if err != nil {
		return h, false, fmt.Errorf("read rules of jail %s: %w", jail, err)
	}
	// The kernel has them in the order in which they were laid.
	wanted := p.target.rules(set, p.protos)
	for i, caught := range packets {
		text := "a rule of chain " + p.id
		if i < len(wanted) {
			text = strings.TrimPrefix(wanted[i].script(n.table.Name), "add rule inet "+n.table.Name+" "+p.id+" ")
		}
		h.Rules = append(h.Rules, HoldRule{Text: text, Packets: caught})
	}
	return h, true, nil
}

// kindOf is the set that a prefix is banned in.
func kindOf(p netip.Prefix) setKind {
	switch v6 := p.Addr().Is6(); {
	case p.IsSingleIP() && v6:
		return ban6
	case p.IsSingleIP():
		return ban4
	case v6:
		return net6
	}
	return net4
}

// asksFor says whether a rule looks a packet up in a set, and how many it has caught.
func asksFor(r *nftables.Rule, set string) (asks bool, packets uint64) {
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Lookup:
			asks = asks || e.SetName == set
		case *expr.Counter:
			packets = e.Packets
		}
	}
	return asks, packets
}

// Holds is the host's.
func (s *Spread) Holds(jail string, prefix netip.Prefix) (Hold, bool, error) {
	if h, can := s.host.(interface {
		Holds(jail string, prefix netip.Prefix) (Hold, bool, error)
	}); can {
		return h.Holds(jail, prefix)
	}
	return Hold{}, false, nil
}
