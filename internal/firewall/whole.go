package firewall

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// frame is what stands of our table besides the jails: what planEnsure lays first and last.
type frame struct {
	table bool
	awake bool // a dormant table's chains are not called
	chain bool // the base chain is where it should be
	jumps []string
}

// readFrame looks at the table and the base chain.
func (n *NFT) readFrame(c *nftables.Conn, chains map[string]*nftables.Chain) (frame, error) {
	table, err := c.ListTableOfFamily(n.table.Name, n.table.Family)
	if errors.Is(err, unix.ENOENT) {
		return frame{}, nil
	}
	if err != nil {
		return frame{}, err
	}
	f := frame{table: true, awake: table.Flags&unix.NFT_TABLE_F_DORMANT == 0}
	b := chains[baseChain]
	if b == nil {
		return f, nil
	}
	f.chain = b.Type == nftables.ChainTypeFilter && b.Policy != nil && *b.Policy == nftables.ChainPolicyAccept &&
		b.Hooknum != nil && *b.Hooknum == *nftables.ChainHookPrerouting &&
		b.Priority != nil && *b.Priority == *nftables.ChainPriorityRaw
	f.jumps, err = n.rules(c, baseChain)
	return f, err
}

// lacks is what is missing for the jumps to these places, in words.
func (f frame) lacks(wished []addJump) []string {
	switch {
	case !f.table:
		return []string{"the table"}
	case !f.awake:
		return []string{"the table's being awake"}
	case !f.chain:
		return []string{"the chain " + baseChain}
	}
	var want []string
	for _, j := range wished {
		want = append(want, ruleText(j.exprs()))
	}
	if !slices.Equal(f.jumps, want) {
		return []string{"the rules of chain " + baseChain}
	}
	return nil
}

// rules are those of a chain, as ruleText.
func (n *NFT) rules(c *nftables.Conn, chain string) ([]string, error) {
	found, err := c.GetRules(n.table, &nftables.Chain{Name: chain, Table: n.table})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	var texts []string
	for _, r := range found {
		texts = append(texts, ruleText(r.Exprs))
	}
	return texts, nil
}

// ruleText is a rule in a form that can be compared, without what it has counted.
func ruleText(exprs []expr.Any) string {
	var b strings.Builder
	for _, e := range exprs {
		if _, counts := e.(*expr.Counter); counts {
			b.WriteString("counter ")
			continue
		}
		data, err := expr.Marshal(unix.NFPROTO_INET, e)
		if err != nil {
			fmt.Fprintf(&b, "%T ", e) // none of ours
		}
		fmt.Fprintf(&b, "%x ", data)
	}
	return b.String()
}

// whole says whether the place has all its rules in the kernel, and no other, and its ports
// and endpoints are those of the target. The order of rules does not matter: each of them closes.
func (n *NFT) whole(c *nftables.Conn, p *place) (bool, error) {
	var want []string
	for k := range p.sets {
		if k.closed() {
			continue
		}
		for _, o := range p.target.rules(p.ref(k), p.protos) {
			if rule, ok := o.(addRule); ok {
				want = append(want, ruleText(rule.exprs()))
			}
		}
	}
	got, err := n.rules(c, p.id)
	if err != nil {
		return false, err
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return false, nil
	}
	for _, closed := range p.closed(p.target, p.protos) {
		found, err := c.GetSetElements(closed.set.set(n.table))
		if err != nil {
			return false, err
		}
		if !maps.Equal(keys(found), keys(flat(closed.elems))) {
			return false, nil
		}
	}
	return true, nil
}

// miss notes a loss for the next Mend to tell.
func (n *NFT) miss(what string) {
	if !slices.Contains(n.missed, what) {
		n.missed = append(n.missed, what)
	}
}
