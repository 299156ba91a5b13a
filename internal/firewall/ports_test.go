package firewall

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func mustPrefix(c, d byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, c, d}), 32)
}

func TestParsePorts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"22", "[22]"},
		{"ssh", "[22]"},
		{"ssh,2222", "[22 2222]"},
		{"http,https", "[80 443]"},
		{" 80 , 22\t443", "[22 80 443]"},
		{"6000:6010", "[6000-6010]"},
		{"6000-6010", "[6000-6010]"},
		{"ssh:http", "[22-80]"},
		{"http-alt", "[8080]"},
		{"22,20:30,25:40,30", "[20-40]"},
		{"22,23", "[22 23]"},
		{"65535", "[65535]"},
		{"all", "[]"},
		{"22,all", "[]"},
		{"any", "[]"},
		{"0:65535", "[]"},
		{"1:65535", "[]"},
		{"", "want a port"},
		{",", "want a port"},
		{"65536", "0 to 65535"},
		{"-1", "neither a number nor a service"},
		{"no-such-service", "neither a number nor a service"},
		{"30:20", "ends before it begins"},
		{"1:2:3", "neither a number nor a service"},
	} {
		ports, err := ParsePorts(c.text)
		checkParse(t, "ParsePorts", c.text, fmt.Sprint(ports), err, c.want)
		if err == nil && c.want == "[]" && ports != nil {
			t.Errorf("ParsePorts(%q) = %v, want nil", c.text, ports)
		}
	}
}

func TestParseProtocols(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "[tcp]"},
		{"tcp", "[tcp]"},
		{"UDP", "[udp]"},
		{"tcp,udp", "[tcp udp]"},
		{"both", "[tcp udp]"},
		{"udp tcp udp", "[udp tcp]"},
		{"all", "[]"},
		{"icmp,icmpv6", "[icmp ipv6-icmp]"},
		{"tpc", "want tcp, udp"},
	} {
		protocols, err := ParseProtocols(c.text)
		checkParse(t, "ParseProtocols", c.text, fmt.Sprint(protocols), err, c.want)
	}
}

func TestParseBlock(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "drop"},
		{"DROP", "drop"},
		{"reject", "reject"},
		{"REJECT --reject-with icmp-port-unreachable", "reject"},
		{"reject with tcp reset", "reject"},
		{"accept", "want drop or reject"},
	} {
		block, err := ParseBlock(c.text)
		checkParse(t, "ParseBlock", c.text, block.String(), err, c.want)
	}
}

// checkParse compares a parser's result, or a part of its error, with what is wanted.
func checkParse(t *testing.T, parser, text, got string, err error, want string) {
	t.Helper()
	if err != nil {
		got = err.Error()
		if strings.Contains(got, want) {
			return
		}
	}
	if got != want {
		t.Errorf("%s(%q) = %s, want %s", parser, text, got, want)
	}
}
