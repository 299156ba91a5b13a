package firewall

import (
	"fmt"
	"slices"
	"strings"
)

// ourChain is the chain that PREROUTING jumps to; those of the jails begin with ourPrefix.
const (
	ourChain  = "gaol"
	ourPrefix = "gaol_"
	ourJump   = "-j " + ourChain
)

// saved is what iptables-save prints: table → chain → its rules, without "-A CHAIN ".
type saved map[string]map[string][]string

func parseSave(text string) saved {
	all := saved{}
	var table map[string][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = map[string][]string{}
			all[line[1:]] = table
		case table == nil:
		case strings.HasPrefix(line, ":"):
			chain, _, _ := strings.Cut(line[1:], " ")
			table[chain] = []string{}
		case strings.HasPrefix(line, "-A "):
			chain, rule, _ := strings.Cut(line[3:], " ")
			table[chain] = append(table[chain], rule)
		}
	}
	return all
}

// docker says whether the Docker daemon keeps its chains here.
func (s saved) docker() bool {
	for _, chains := range s {
		for chain := range chains {
			if chain == "DOCKER" || strings.HasPrefix(chain, "DOCKER-") {
				return true
			}
		}
	}
	return false
}

func isOurs(chain string) bool { return chain == ourChain || strings.HasPrefix(chain, ourPrefix) }

// jumps says whether PREROUTING leads to our chain, and with nothing before it that could let
// a packet of a banned client through.
func jumpsFirst(pre []string) bool {
	for _, rule := range pre {
		if rule == ourJump {
			return true
		}
		if mayAccept(rule) {
			return false
		}
	}
	return false
}

// mayAccept is true for a rule behind which a packet may not come back. Those before us that
// only drop, mark or count are left where they are: Docker puts some there with each container.
func mayAccept(rule string) bool {
	words := savedWords(rule)
	for i, w := range words[:max(0, len(words)-1)] {
		if w == "-g" {
			return true
		}
		if w == "-j" {
			return !slices.Contains([]string{"DROP", "REJECT", "LOG", "NFLOG", "CT", "NOTRACK", "TRACE", "MARK", "CONNMARK", "TCPMSS", "DSCP", "TOS", "TTL", "HL"}, words[i+1])
		}
	}
	return false
}

// sweep deletes our chains, and the jumps to them, wherever they are and keep does not hold
// them. What is foreign stays.
func (t *tools) sweep(keep func(v variant, table string) bool) error {
	var problems []string
	var last error
	for _, v := range t.variants() {
		for _, f := range families() {
			all, err := t.save(v, f, "")
			if err != nil {
				continue // where nothing can be listed nothing of ours can be
			}
			for table, chains := range all {
				script := sweepScript(table, chains)
				if script == "" || keep(v, table) {
					continue
				}
				if err := t.restore(v, f, script); err != nil {
					last = err
					problems = append(problems, fmt.Sprintf("IPv%d, %s, table %s: %v", f, v.kind, table, err))
				}
			}
		}
	}
	if last == nil {
		return nil
	}
	return fmt.Errorf("delete our chains (%s): %w", strings.Join(problems, "; "), last)
}

// sweepScript is for iptables-restore; "" where the table has nothing of ours.
func sweepScript(table string, chains map[string][]string) string {
	var flush, leads, del strings.Builder
	for chain, rules := range chains {
		if isOurs(chain) {
			fmt.Fprintf(&flush, ":%s - [0:0]\n", chain)
			fmt.Fprintf(&del, "-X %s\n", chain)
			continue
		}
		for _, rule := range rules {
			words := savedWords(rule)
			for i := 1; i < len(words); i++ {
				if (words[i-1] == "-j" || words[i-1] == "-g") && isOurs(words[i]) {
					fmt.Fprintf(&leads, "-D %s %s\n", chain, rule)
				}
			}
		}
	}
	if flush.Len() == 0 {
		return ""
	}
	return "*" + table + "\n" + flush.String() + leads.String() + del.String() + "COMMIT\n"
}
