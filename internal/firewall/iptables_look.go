package firewall

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ipState is what the kernel holds of ours.
type ipState struct {
	sets  map[string]bool
	rules map[family]map[string][]string // chains of our table, also those of others
}

// look reads it.
func (n *IPTables) look() (*ipState, error) {
	state := &ipState{sets: map[string]bool{}, rules: map[family]map[string][]string{}}
	sets, err := n.tools.setNames()
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if _, _, ours := placeOf(set); ours {
			state.sets[set] = true
		}
	}
	for _, f := range n.families {
		all, err := n.tools.save(n.v, f, n.table)
		if err != nil {
			return nil, fmt.Errorf("list the IPv%d rules of table %s: %w", f, n.table, err)
		}
		state.rules[f] = all[n.table]
	}
	return state, nil
}

// adopt learns which jails have a place in the kernel. Those we know and still find are kept.
func (n *IPTables) adopt() (*ipState, error) {
	state, err := n.look()
	if err != nil {
		return nil, err
	}
	names := state.names()
	places := map[string]*ipPlace{}
	for set := range state.sets {
		id, _, _ := placeOf(set)
		switch {
		case places[id] != nil:
		case n.places[id] != nil:
			places[id] = n.places[id]
		default:
			places[id] = &ipPlace{id: id, jail: names[id], long: longBans{}}
			if names[id] == "" {
				places[id].jail, _ = jailOf(identPrefix + strings.TrimPrefix(id, ourPrefix))
			}
		}
	}
	n.places, n.read = places, true
	return state, nil
}

// names are the jails' names by id, from the comments of our chain.
func (s *ipState) names() map[string]string {
	names := map[string]string{}
	for _, chains := range s.rules {
		for _, rule := range chains[ourChain] {
			words := savedWords(rule)
			var name, id string
			for i := 1; i < len(words); i++ {
				switch words[i-1] {
				case "--comment":
					name = words[i]
				case "-j":
					id = words[i]
				}
			}
			if jail, ok := jailOf(name); ok {
				names[id] = jail
			}
		}
	}
	return names
}

// Watch tells each change of the table our rules are in that was not made through n, as NFT's
// does, where the kernel tells it: of iptables' nft kind. Of the legacy kind and of ipset it
// tells nothing, only a look finds what was done to them; then Watch only waits for ctx.
func (n *IPTables) Watch(ctx context.Context, tell func(what string)) error {
	if n.v.kind != "nft" {
		tell("the watch began") // what was before it is for a look at everything
		<-ctx.Done()
		return nil
	}
	var ns *os.File
	if n.tools.ns != "" {
		var err error
		if ns, err = os.Open(n.tools.ns); err != nil {
			return fmt.Errorf("open network namespace: %w", err)
		}
		defer ns.Close()
	}
	t := transcript{families: []byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6}, table: n.table, own: &n.tools.own, tell: tell}
	if err := t.watch(ctx, ns); err != nil {
		return fmt.Errorf("watch table %s: %w", n.table, err)
	}
	return nil
}

// LookEvery is how often to compare everything, whatever Watch tells: no loss of a set is told,
// and none at all of legacy rules.
func (n *IPTables) LookEvery() time.Duration { return 10 * time.Second }

// Hits returns how many packets each jail's rules have caught since they were laid.
func (n *IPTables) Hits() (map[string]uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	hits := map[string]uint64{}
	for _, p := range n.places {
		hits[p.jail] = 0
	}
	for _, f := range n.families {
		path, err := n.v.program(f, "save")
		if err != nil {
			return nil, fmt.Errorf("find iptables-save: %w", err)
		}
		out, err := n.tools.run("", path, "-c", "-t", n.table)
		if err != nil {
			return nil, fmt.Errorf("read counters of table %s: %w", n.table, err)
		}
		for line := range strings.Lines(out) {
			if chain, packets, ok := countedRule(line); ok && n.places[chain] != nil {
				hits[n.places[chain].jail] += packets
			}
		}
	}
	return hits, nil
}

// countedRule reads "[3:180] -A CHAIN ...".
func countedRule(line string) (chain string, packets uint64, ok bool) {
	counts, rest, found := strings.Cut(strings.TrimSpace(line), "] -A ")
	if !found {
		return "", 0, false
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(counts, "["), ":")
	packets, err := strconv.ParseUint(number, 10, 64)
	chain, _, _ = strings.Cut(rest, " ")
	return chain, packets, err == nil
}
