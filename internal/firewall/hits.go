package firewall

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Hits returns how many packets each jail's rules have caught since they were laid. A ban
// whose client goes on failing while this number stands still does not bite.
func (n *NFT) Hits() (map[string]uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	hits := map[string]uint64{}
	err := n.link.do(func(c *nftables.Conn) error {
		for jail, p := range n.places {
			rules, err := c.GetRules(n.table, &nftables.Chain{Name: p.id, Table: n.table})
			if err != nil {
				return err
			}
			hits[jail] = 0
			for _, r := range rules {
				for _, e := range r.Exprs {
					if counter, ok := e.(*expr.Counter); ok {
						hits[jail] += counter.Packets
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read counters of table inet %s: %w", n.table.Name, err)
	}
	return hits, nil
}
