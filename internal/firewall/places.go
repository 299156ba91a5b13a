package firewall

import (
	"maps"
	"slices"
)

// Places names the jails that have a place in the kernel, without listing what it holds there.
func (n *NFT) Places() ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.adopt(); err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(n.places)), nil
}

// Places are those of the host.
func (s *Spread) Places() ([]string, error) {
	if h, can := s.host.(interface{ Places() ([]string, error) }); can {
		return h.Places()
	}
	all, err := s.host.List()
	return slices.Collect(maps.Keys(all)), err
}
