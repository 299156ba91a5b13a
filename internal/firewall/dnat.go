package firewall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// DNAT is one rule of the kernel that leads a port of this machine somewhere else: a
// published container port, mostly.
type DNAT struct {
	Family   int    // 4 or 6
	Proto    string // "tcp", "udp", ...
	HostIP   netip.Addr
	HostPort PortRange  // as the client dials it
	ToAddr   netip.Addr // the container
	ToPort   PortRange
	Iface    string // the rule holds for packets that came in here, "!br0": anywhere else; empty: everywhere
	Comment  string
}

// String is the rule as people write it: "tcp 2222 -> 172.17.0.2:22".
func (d DNAT) String() string {
	from := d.HostPort.String()
	if d.HostIP.IsValid() {
		from = hostPort(d.HostIP, d.HostPort)
	}
	return fmt.Sprintf("%s %s -> %s", d.Proto, from, hostPort(d.ToAddr, d.ToPort))
}

func hostPort(a netip.Addr, p PortRange) string {
	if a.Is6() {
		return fmt.Sprintf("[%s]:%s", a, p)
	}
	return fmt.Sprintf("%s:%s", a, p)
}

// Published reads the DNAT rules of this network namespace: those of iptables in both of its
// kinds (Docker, Podman's older netavark) and native nft ones (Docker's nftables backend,
// netavark). It changes nothing, and runs only the tools that are installed: what the others
// would have shown is then missing. It needs root; without, the error wraps ErrPermission.
func Published(ctx context.Context) ([]DNAT, error) {
	var found []DNAT
	var problems []error
	for _, tool := range []struct {
		command []string
		names   string // file of the tables that exist; reading a legacy table makes it
		parse   func([]byte) ([]DNAT, error)
	}{
		{[]string{"iptables-nft-save", "-t", "nat"}, "", parseSaved(4)},
		{[]string{"ip6tables-nft-save", "-t", "nat"}, "", parseSaved(6)},
		{[]string{"iptables-legacy-save", "-t", "nat"}, "ip_tables_names", parseSaved(4)},
		{[]string{"ip6tables-legacy-save", "-t", "nat"}, "ip6_tables_names", parseSaved(6)},
		{[]string{"nft", "-j", "list", "ruleset"}, "", parseRuleset},
	} {
		path, err := exec.LookPath(tool.command[0])
		if err != nil || tool.names != "" && !tableExists(tool.names, "nat") {
			continue
		}
		out, err := run(ctx, path, tool.command[1:]...)
		if err == nil {
			var more []DNAT
			more, err = tool.parse(out)
			found = append(found, more...)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read the kernel's DNAT rules: %s: %w", strings.Join(tool.command, " "), err))
		}
	}
	return unique(found), errors.Join(problems...)
}

// tableExists looks into a file of /proc/net of the calling thread's namespace.
func tableExists(file, table string) bool {
	text, err := os.ReadFile("/proc/thread-self/net/" + file)
	return err == nil && slices.Contains(strings.Fields(string(text)), table)
}

func run(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	said := strings.TrimSpace(stderr.String())
	if strings.Contains(said, "ermission denied") || strings.Contains(said, "not permitted") {
		return nil, fmt.Errorf("%w: %s", ErrPermission, said)
	}
	return nil, fmt.Errorf("%w: %s", err, said)
}

// unique drops what two tools have shown, and keeps the order.
func unique(rules []DNAT) []DNAT {
	var once []DNAT
	for _, d := range rules {
		same := func(o DNAT) bool {
			o.Comment, o.Iface = d.Comment, d.Iface
			return o == d
		}
		if !slices.ContainsFunc(once, same) {
			once = append(once, d)
		}
	}
	return once
}

// parseSaved reads the output of iptables-save(8).
func parseSaved(family int) func([]byte) ([]DNAT, error) {
	return func(out []byte) ([]DNAT, error) {
		var found []DNAT
		for line := range strings.Lines(string(out)) {
			words := savedWords(strings.TrimSpace(line))
			if len(words) > 2 && words[0] == "-A" && words[1] != "OUTPUT" {
				found = append(found, savedRule(family, words[2:])...)
			}
		}
		return found, nil
	}
}

// savedRule reads one rule; ports that a rule lists come out as one DNAT each.
func savedRule(family int, words []string) []DNAT {
	d := DNAT{Family: family}
	var listed []string
	var to string
	not := ""
	for i := 0; i < len(words); i++ {
		if words[i] == "!" {
			not = "!"
			continue
		}
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "-p":
			d.Proto = not + value
		case "-i":
			d.Iface = not + value
		case "-d":
			if p, err := netip.ParsePrefix(value); err == nil && p.IsSingleIP() && not == "" {
				d.HostIP = p.Addr()
			}
		case "--dport", "--dports":
			listed = strings.Split(value, ",")
		case "--comment":
			d.Comment = value
		case "--to-destination":
			to = value
		}
		not = ""
	}
	if to == "" || len(listed) == 0 {
		return nil
	}
	return savedTargets(d, listed, to)
}

func savedTargets(d DNAT, listed []string, to string) []DNAT {
	var found []DNAT
	addr, port, _ := strings.Cut(to, ":")
	if strings.HasPrefix(to, "[") {
		addr, port, _ = strings.Cut(to[1:], "]")
		port = strings.TrimPrefix(port, ":")
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil
	}
	d.ToAddr = a
	port, _, _ = strings.Cut(port, "/") // "6000-6010/6000": where a shifted range begins
	for _, l := range listed {
		r, err := parseRange(l)
		if err != nil {
			continue
		}
		d.HostPort, d.ToPort = r, r
		if p, err := parseRange(port); err == nil {
			d.ToPort = p
		}
		found = append(found, d)
	}
	return found
}

// savedWords splits a line of iptables-save as a shell would: words, some in double quotes
// with backslashes before quotes inside.
func savedWords(line string) []string {
	var words []string
	var b strings.Builder
	quoted, open := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted, open = !quoted, true
		case c == '\\' && quoted && i+1 < len(line):
			i++
			b.WriteByte(line[i])
		case c == ' ' && !quoted:
			if open {
				words = append(words, b.String())
			}
			b.Reset()
			open = false
		default:
			b.WriteByte(c)
			open = true
		}
	}
	if open {
		words = append(words, b.String())
	}
	return words
}

// parseRuleset reads the output of `nft -j list ruleset` (libnftables-json(5)).
func parseRuleset(out []byte) ([]DNAT, error) {
	var doc struct {
		Nftables []struct {
			Rule *struct {
				Comment string
				Expr    []map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	var found []DNAT
	for _, item := range doc.Nftables {
		if item.Rule != nil {
			found = append(found, rulesetRule(item.Rule.Comment, item.Rule.Expr)...)
		}
	}
	return found, nil
}

// rulesetRule reads one rule; statements it does not know do not matter for a DNAT.
func rulesetRule(comment string, expr []map[string]json.RawMessage) []DNAT {
	d := DNAT{Comment: comment}
	var listed []PortRange
	var to struct {
		Addr string
		Port json.RawMessage
	}
	for _, statement := range expr {
		if raw, ok := statement["dnat"]; ok {
			_ = json.Unmarshal(raw, &to) // what is no address is skipped below
		}
		var m struct {
			Op   string
			Left struct {
				Payload struct{ Protocol, Field string }
				Meta    struct{ Key string }
			}
			Right json.RawMessage
		}
		if raw, ok := statement["match"]; !ok || json.Unmarshal(raw, &m) != nil {
			continue
		}
		var text string
		_ = json.Unmarshal(m.Right, &text) // stays empty for numbers and sets
		switch {
		case m.Left.Payload.Field == "dport" && m.Op == "==":
			d.Proto = m.Left.Payload.Protocol
			listed = jsonPorts(m.Right)
		case m.Left.Payload.Field == "daddr" && m.Op == "==":
			d.HostIP, _ = netip.ParseAddr(text)
		case m.Left.Meta.Key == "iifname":
			d.Iface = strings.TrimSuffix(m.Op, "=") + text
			d.Iface = strings.TrimPrefix(d.Iface, "=")
		}
	}
	a, err := netip.ParseAddr(to.Addr)
	if err != nil {
		return nil
	}
	d.ToAddr, d.Family = a, 4
	if a.Is6() {
		d.Family = 6
	}
	var found []DNAT
	for _, r := range listed {
		d.HostPort, d.ToPort = r, r
		if p := jsonPorts(to.Port); len(p) == 1 {
			d.ToPort = p[0]
		}
		found = append(found, d)
	}
	return found
}

// jsonPorts reads a port, {"range": [a, b]} or {"set": [...]} of those.
func jsonPorts(raw json.RawMessage) []PortRange {
	var one uint16
	if len(raw) > 0 && json.Unmarshal(raw, &one) == nil {
		return []PortRange{{one, one}}
	}
	var several struct {
		Range []uint16
		Set   []json.RawMessage
	}
	if len(raw) == 0 || json.Unmarshal(raw, &several) != nil {
		return nil
	}
	if len(several.Range) == 2 {
		return []PortRange{{several.Range[0], several.Range[1]}}
	}
	var all []PortRange
	for _, member := range several.Set {
		all = append(all, jsonPorts(member)...)
	}
	return all
}
