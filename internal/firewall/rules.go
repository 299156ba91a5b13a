package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Rule is one rule of iptables as it stands in the kernel.
type Rule struct {
	Kind         string // "nft" or "legacy": which of the two holds it
	Family       int    // 4 or 6
	Table, Chain string
	Text         string // as iptables-save prints it, behind the chain
	Packets      uint64 // that it matched since it was laid
}

// String is the rule as people type it: "iptables -A DOCKER-USER -j RETURN".
func (r Rule) String() string {
	name := "iptables"
	if r.Family == 6 {
		name = "ip6tables"
	}
	return name + " -A " + r.Chain + " " + r.Text
}

// Rules is everything iptables holds in this network namespace, of both kinds.
type Rules struct {
	Kind  string // that the program iptables changes; empty: it is not installed
	Chain []Rule // one entry without Text for each chain
	List  []Rule // in the order packets meet them, chain by chain
}

// ReadRules reads them with iptables-save. What one kind refuses to tell is in the error, the
// rest is returned all the same. It changes nothing and needs root.
func ReadRules(ctx context.Context) (Rules, error) {
	t := &tools{timeout: 10 * time.Second}
	var all Rules
	var problems []error
	for i, v := range t.variants() {
		if i == 0 {
			all.Kind = v.kind
		}
		for _, f := range families() {
			path, err := v.program(f, "save")
			if err != nil {
				continue // such as a machine without ip6tables
			}
			out, err := run(ctx, path, "-c")
			if err != nil {
				problems = append(problems, fmt.Errorf("read the rules of iptables: %s: %w", path, err))
				continue
			}
			all.take(Rule{Kind: v.kind, Family: int(f)}, string(out))
		}
	}
	return all, errors.Join(problems...)
}

// take reads what iptables-save -c printed.
func (r *Rules) take(at Rule, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			at.Table = line[1:]
		case strings.HasPrefix(line, ":"):
			at.Chain, _, _ = strings.Cut(line[1:], " ")
			r.Chain = append(r.Chain, at)
		default:
			one := at
			var ok bool
			if one.Chain, one.Packets, ok = countedRule(line); ok {
				_, behind, _ := strings.Cut(line, "] -A ")
				_, one.Text, _ = strings.Cut(behind, " ")
				r.List = append(r.List, one)
			}
		}
	}
}

// Kinds says which kinds have a chain of that name in table filter.
func (r Rules) Kinds(chain string) (kinds []string) {
	for _, c := range r.Chain {
		if c.Table == "filter" && c.Chain == chain && !slices.Contains(kinds, c.Kind) {
			kinds = append(kinds, c.Kind)
		}
	}
	return kinds
}

// Against are the rules about packets from one address.
func (r Rules) Against(a netip.Addr) (found []Rule) {
	want := netip.PrefixFrom(a, a.BitLen())
	for _, rule := range r.List {
		words := savedWords(rule.Text)
		at := slices.Index(words, "-s")
		if at < 0 || at+1 == len(words) || at > 0 && words[at-1] == "!" {
			continue
		}
		if p, err := netip.ParsePrefix(words[at+1]); err == nil && p == want {
			found = append(found, rule)
		}
	}
	return found
}

// Passed returns the rule that lets established connections go before a packet meets the rule:
// in its chain, or in one that jumps there. A ban behind it leaves live sessions alone.
func (r Rules) Passed(rule Rule) (before Rule, ok bool) {
	for range 8 { // chains do not nest deeper where people write them
		var to Rule
		for _, one := range r.List {
			if one.Kind != rule.Kind || one.Family != rule.Family || one.Table != rule.Table {
				continue
			}
			if one.Chain == rule.Chain && one.Text == rule.Text {
				break
			}
			if one.Chain == rule.Chain && one.passesEstablished() {
				return one, true
			}
		}
		for _, one := range r.List {
			if one.Kind == rule.Kind && one.Family == rule.Family && one.Table == rule.Table && one.target() == rule.Chain {
				to = one
			}
		}
		if to.Chain == "" {
			return Rule{}, false
		}
		rule = to
	}
	return Rule{}, false
}

// Established returns the rule of a chain of table filter that lets established connections go.
func (r Rules) Established(kind, chain string) (Rule, bool) {
	at := slices.IndexFunc(r.List, func(one Rule) bool {
		return one.Kind == kind && one.Table == "filter" && one.Chain == chain && one.passesEstablished()
	})
	if at < 0 {
		return Rule{}, false
	}
	return r.List[at], true
}

func (r Rule) target() string {
	words := savedWords(r.Text)
	if at := slices.Index(words, "-j"); at >= 0 && at+1 < len(words) {
		return words[at+1]
	}
	return ""
}

// passesEstablished: a rule about established connections, of whatever address.
func (r Rule) passesEstablished() bool {
	return strings.Contains(r.Text, "ESTABLISHED") && slices.Contains([]string{"ACCEPT", "RETURN"}, r.target())
}
