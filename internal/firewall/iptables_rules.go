package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxPorts is how many ports one rule names; a range counts for two (iptables-extensions(8),
// multiport).
const maxPorts = 15

// iptables are the rules of a jail's chain, as iptables-restore takes them; only packets of
// banned clients come there.
func (t Target) iptables(f family) ([]string, error) {
	if len(t.Inside) > 0 {
		return nil, errors.New("rules inside a container's own namespace (macvlan, ipvlan) need nft: the iptables backend has none")
	}
	if t.Scoped {
		return t.scopedRules(f)
	}
	protos, err := t.protos()
	if err != nil {
		return nil, err
	}
	if len(protos) == 0 {
		return []string{local + " -j DROP"}, nil
	}
	var rules []string
	for _, p := range protos {
		if t.Ports != nil && p.ports {
			rules = append(rules, portRules(p, local, mergePorts(t.Ports))...)
			continue
		}
		rules = append(rules, fmt.Sprintf("-p %d %s -j DROP", p.number, local))
	}
	return rules, nil
}

// local holds for packets that were sent to this machine, before NAT; see matchLocal.
const local = "-m addrtype --dst-type LOCAL"

// portRules close the ports of one protocol, where a match holds.
func portRules(p protocol, match string, ports []PortRange) []string {
	var rules []string
	var words []string
	room := maxPorts
	flush := func() {
		if len(words) > 0 {
			rules = append(rules, fmt.Sprintf("-p %d %s -m multiport --dports %s -j DROP", p.number, match, strings.Join(words, ",")))
		}
		words, room = nil, maxPorts
	}
	for _, r := range ports {
		word, size := fmt.Sprint(r.First), 1
		if r.First != r.Last {
			word, size = fmt.Sprintf("%d:%d", r.First, r.Last), 2
		}
		if size > room {
			flush()
		}
		words, room = append(words, word), room-size
	}
	flush()
	return rules
}

func (t Target) scopedRules(f family) ([]string, error) {
	places, err := t.endpoints()
	if err != nil {
		return nil, err
	}
	var rules []string
	for len(places) > 0 {
		at := places[0]
		end := slices.IndexFunc(places, func(e Endpoint) bool { return e.Addr != at.Addr || e.Proto != at.Proto })
		if end < 0 {
			end = len(places)
		}
		var ports []PortRange
		for _, e := range places[:end] {
			ports = append(ports, e.Port)
		}
		places = places[end:]
		p, err := findProtocol(at.Proto)
		if err != nil {
			return nil, err
		}
		switch {
		case !at.Addr.IsValid():
			rules = append(rules, portRules(p, local, ports)...)
		case at.Addr.Is6() == (f == v6):
			rules = append(rules, portRules(p, "-d "+at.Addr.String(), ports)...)
		}
	}
	return rules, nil
}

// entry is the jail's rule in our chain: who is banned goes to the jail's. The comment keeps
// the jail's name, for which its own is too short.
func (p *ipPlace) entry(f family) string {
	return fmt.Sprintf("-m set --match-set %s src -m comment --comment %s -j %s", p.set(f), ident(p.jail), p.id)
}

// makeRules makes one family's chains and the jump as they should be, in one transaction;
// none is sent where they are.
func (n *IPTables) makeRules(f family, state *ipState) error {
	wanted, err := n.wanted(f, state)
	if err != nil {
		return err
	}
	now := state.rules[f]
	var script, heads strings.Builder
	var changed []chainRef
	for _, c := range wanted {
		before, known := n.chains[c.ref]
		printed, there := now[c.ref.chain]
		if known && there && slices.Equal(before.asked, c.rules) && slices.Equal(before.printed, printed) {
			continue
		}
		if known && slices.Equal(before.asked, c.rules) {
			n.miss(c.what)
		}
		changed = append(changed, c.ref)
		fmt.Fprintf(&heads, ":%s - [0:0]\n", c.ref.chain)
		for _, rule := range c.rules {
			fmt.Fprintf(&script, "-A %s %s\n", c.ref.chain, rule)
		}
	}
	if jump := n.makeJump(f, now); jump != "" {
		script.WriteString(jump)
		changed = append(changed, chainRef{f, ourChain})
	}
	if len(changed) == 0 {
		return nil
	}
	text := "*" + n.table + "\n" + heads.String() + script.String() + "COMMIT\n"
	if err := n.tools.restore(n.v, f, text); err != nil {
		n.read = false
		return fmt.Errorf("make the IPv%d rules in table %s: %w", f, n.table, err)
	}
	return n.readBack(f, wanted)
}

// chainWish is a chain as it should be.
type chainWish struct {
	ref   chainRef
	rules []string
	what  string // in words
}

// wanted are our chain and those of the jails we have rules for. A jail that is only adopted
// keeps its chain, and its entry where it has one.
func (n *IPTables) wanted(f family, state *ipState) ([]chainWish, error) {
	main := chainWish{ref: chainRef{f, ourChain}, what: "the rules of chain " + ourChain}
	var jails []chainWish
	for _, p := range n.sorted() {
		if !p.ruled {
			if _, there := state.rules[f][p.id]; !there || !state.sets[p.set(f)] {
				continue
			}
			main.rules = append(main.rules, p.entry(f))
			continue
		}
		rules, err := p.target.iptables(f)
		if err != nil {
			return nil, fmt.Errorf("jail %s: %w", p.jail, err)
		}
		main.rules = append(main.rules, p.entry(f))
		jails = append(jails, chainWish{ref: chainRef{f, p.id}, rules: rules, what: "the rules of jail " + p.jail})
	}
	return append(jails, main), nil
}

// makeJump is the part of the script that makes PREROUTING lead to our chain, if it does not.
func (n *IPTables) makeJump(f family, now map[string][]string) string {
	pre := now[prerouting]
	if jumpsFirst(pre) {
		return ""
	}
	if _, known := n.chains[chainRef{f, ourChain}]; known {
		n.miss(fmt.Sprintf("the jump from %s %s to %s", n.table, prerouting, ourChain))
	}
	var script strings.Builder
	for _, rule := range pre {
		if rule == ourJump {
			fmt.Fprintf(&script, "-D %s %s\n", prerouting, rule)
		}
	}
	fmt.Fprintf(&script, "-I %s 1 %s\n", prerouting, ourJump)
	return script.String()
}

// prerouting is the chain of raw and mangle that packets pass before NAT.
const prerouting = "PREROUTING"

// readBack keeps how our rules are printed, so that the next look can compare: the order of
// words, names of protocols and the like differ from version to version.
func (n *IPTables) readBack(f family, wanted []chainWish) error {
	all, err := n.tools.save(n.v, f, n.table)
	if err != nil {
		n.read = false
		return fmt.Errorf("read the rules that were made: %w", err)
	}
	for _, c := range wanted {
		printed, there := all[n.table][c.ref.chain]
		if !there || len(printed) != len(c.rules) {
			n.read = false
			delete(n.chains, c.ref)
			return fmt.Errorf("make chain %s of table %s: it has %d rules at once after it was made with %d: something else changes it", c.ref.chain, n.table, len(printed), len(c.rules))
		}
		n.chains[c.ref] = laid{asked: c.rules, printed: printed}
	}
	if !jumpsFirst(all[n.table][prerouting]) {
		return fmt.Errorf("make the first rule of %s %s: it is not there at once after it was made: something else changes it", n.table, prerouting)
	}
	return nil
}

// forget takes jails out: their entries and chains in one transaction per family, then the
// sets, which no rule uses any more.
func (n *IPTables) forget(gone []*ipPlace) error {
	if len(gone) == 0 {
		return nil
	}
	for _, p := range gone {
		delete(n.places, p.id)
	}
	state, err := n.look()
	if err != nil {
		return err
	}
	for _, f := range n.families {
		script, wanted, err := n.forgetScript(f, gone, state)
		if err != nil {
			return err
		}
		if script == "" {
			continue
		}
		if err := n.tools.restore(n.v, f, script); err != nil {
			n.read = false
			return fmt.Errorf("delete the IPv%d rules of jails that are gone: %w", f, err)
		}
		if err := n.readBack(f, wanted); err != nil {
			return err
		}
	}
	var sets []string
	for _, p := range gone {
		sets = append(sets, p.set(v4), p.set(v6))
	}
	return n.tools.destroy(sets)
}

func (n *IPTables) forgetScript(f family, gone []*ipPlace, state *ipState) (script string, wanted []chainWish, err error) {
	var heads, rules, del strings.Builder
	for _, p := range gone {
		delete(n.chains, chainRef{f, p.id})
		if _, there := state.rules[f][p.id]; there {
			fmt.Fprintf(&heads, ":%s - [0:0]\n", p.id)
			fmt.Fprintf(&del, "-X %s\n", p.id)
		}
	}
	if del.Len() == 0 {
		return "", nil, nil
	}
	all, err := n.wanted(f, state)
	if err != nil {
		return "", nil, err
	}
	main := all[len(all)-1]
	fmt.Fprintf(&heads, ":%s - [0:0]\n", ourChain)
	for _, rule := range main.rules {
		fmt.Fprintf(&rules, "-A %s %s\n", ourChain, rule)
	}
	script = "*" + n.table + "\n" + heads.String() + rules.String() + del.String()
	if jump := n.makeJump(f, state.rules[f]); jump != "" {
		script += jump
	}
	return script + "COMMIT\n", []chainWish{main}, nil
}
