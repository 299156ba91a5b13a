package firewall

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the ports First to Last, both included.
type PortRange struct{ First, Last uint16 }

func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// ParsePorts reads a jail's port option: numbers, service names of services(5) and ranges
// ("6000:6010" or "6000-6010"), separated by commas or blanks. "all", "any", "0:65535" and
// "1:65535" anywhere in it mean all ports, which is nil. Ranges that overlap come out as one.
func ParsePorts(text string) ([]PortRange, error) {
	var ports []PortRange
	all := false
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	for _, w := range words {
		if w == "all" || w == "any" {
			all = true
			continue
		}
		r, err := parseRange(w)
		if err != nil {
			return nil, err
		}
		all = all || r.First <= 1 && r.Last == 65535
		ports = append(ports, r)
	}
	if all {
		return nil, nil
	}
	if len(ports) == 0 {
		return nil, fmt.Errorf("read port %q: want a port, a service name, first:last, or all", text)
	}
	return mergePorts(ports), nil
}

func parseRange(word string) (PortRange, error) {
	// A service name may hold a dash ("http-alt"), so the whole word is tried first.
	if p, err := parsePort(word); err == nil {
		return PortRange{p, p}, nil
	}
	first, last, isRange := strings.Cut(word, ":")
	if !isRange {
		first, last, isRange = strings.Cut(word, "-")
	}
	if !isRange {
		_, err := parsePort(word)
		return PortRange{}, err
	}
	a, err := parsePort(first)
	if err != nil {
		return PortRange{}, err
	}
	b, err := parsePort(last)
	if err != nil {
		return PortRange{}, err
	}
	if a > b {
		return PortRange{}, fmt.Errorf("read port range %q: it ends before it begins", word)
	}
	return PortRange{a, b}, nil
}

func parsePort(word string) (uint16, error) {
	n, err := strconv.ParseUint(word, 10, 16)
	if err == nil {
		return uint16(n), nil
	}
	if word != "" && strings.Trim(word, "0123456789") == "" {
		return 0, fmt.Errorf("read port %q: a port is 0 to 65535", word)
	}
	if p, ok := servicePort(word); ok {
		return p, nil
	}
	return 0, fmt.Errorf("read port %q: neither a number nor a service of /etc/services", word)
}

// servicePort looks a name up in /etc/services (services(5)), then among the names that stock
// jails use, since a minimal system has no such file.
func servicePort(name string) (uint16, bool) {
	if f, err := os.Open("/etc/services"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			line, _, _ := strings.Cut(s.Text(), "#")
			fields := strings.Fields(line)
			if len(fields) < 2 || !slices.Contains(append(fields[2:], fields[0]), name) {
				continue
			}
			number, _, _ := strings.Cut(fields[1], "/")
			if p, err := strconv.ParseUint(number, 10, 16); err == nil {
				return uint16(p), true
			}
		}
	}
	for _, s := range []struct {
		name string
		port uint16
	}{
		{"ftp", 21}, {"ftp-data", 20}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25}, {"domain", 53},
		{"http", 80}, {"pop3", 110}, {"imap", 143}, {"imap2", 143}, {"https", 443}, {"smtps", 465},
		{"submissions", 465}, {"urd", 465}, {"submission", 587}, {"ldaps", 636}, {"ftps-data", 989},
		{"ftps", 990}, {"imaps", 993}, {"pop3s", 995}, {"socks", 1080}, {"ms-sql-s", 1433},
		{"mysql", 3306}, {"sieve", 4190}, {"sip", 5060}, {"postgresql", 5432}, {"webcache", 8080}, {"http-alt", 8080},
	} {
		if s.name == name {
			return s.port, true
		}
	}
	return 0, false
}

// mergePorts sorts ranges and joins those that overlap: the kernel refuses overlapping ones.
func mergePorts(ports []PortRange) []PortRange {
	sorted := slices.Clone(ports)
	slices.SortFunc(sorted, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	var merged []PortRange
	for _, r := range sorted {
		if k := len(merged) - 1; k >= 0 && r.First <= merged[k].Last {
			merged[k].Last = max(merged[k].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// protocol is an IP protocol as the kernel numbers it.
type protocol struct {
	name   string
	number byte
	ports  bool // its header begins with source and destination port
}

// protocols are those of protocols(5) that a jail may name.
func protocols() []protocol {
	return []protocol{
		{"tcp", 6, true}, {"udp", 17, true}, {"sctp", 132, true}, {"dccp", 33, true}, {"udplite", 136, true},
		{"icmp", 1, false}, {"ipv6-icmp", 58, false}, {"esp", 50, false}, {"ah", 51, false}, {"gre", 47, false},
	}
}

// ParseProtocols reads a jail's protocol option: "tcp", "udp", "tcp,udp", "both" (the two),
// or "all", which is nil. Empty is tcp, as in fail2ban's jail.conf.
func ParseProtocols(text string) ([]string, error) {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	if len(words) == 0 {
		return []string{"tcp"}, nil
	}
	var names []string
	for _, w := range words {
		if w == "all" || w == "any" {
			return nil, nil
		}
		several := []string{w}
		switch w {
		case "both":
			several = []string{"tcp", "udp"}
		case "icmpv6":
			several = []string{"ipv6-icmp"}
		}
		for _, name := range several {
			if _, err := findProtocol(name); err != nil {
				return nil, err
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func findProtocol(name string) (protocol, error) {
	for _, p := range protocols() {
		if p.name == name {
			return p, nil
		}
	}
	return protocol{}, fmt.Errorf("read protocol %q: want tcp, udp, both, all, icmp, ipv6-icmp, sctp, dccp, udplite, esp, ah or gre", name)
}
