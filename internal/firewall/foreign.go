package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
)

// Foreign is a number that stays the same while nobody but us changes anything of nf_tables in
// this network namespace: the kernel counts all transactions, we count ours, and this is the
// difference. It costs one question, where looking at everything lists all bans.
func (n *NFT) Foreign() (uint32, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var generation uint32
	err := n.link.do(func(c *nftables.Conn) error {
		gen, err := c.GetGen()
		if err == nil {
			generation = gen.ID
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the generation of nf_tables: %w", err)
	}
	return generation - n.own, nil
}

var errUncounted = errors.New("this firewall does not count changes")

// Foreign is the host's; an error where bans hold in other namespaces too, or where the host
// cannot tell.
func (s *Spread) Foreign() (uint32, error) {
	s.mu.Lock()
	rooms := len(s.rooms)
	s.mu.Unlock()
	if h, ok := s.host.(interface{ Foreign() (uint32, error) }); ok && rooms == 0 {
		return h.Foreign()
	}
	return 0, errUncounted
}
