package firewall_test

import (
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// A ban is told with the set that holds it, and the rules that ask for that set with what they
// have caught; rules for other sets are not among them.
func TestHolds(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	attacker := lab.NewClient("attacker", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":22")
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22"), Protocols: []string{"tcp"}}}))
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66", "198.51.100.0/24")))
	attacker.Dead("tcp", "203.0.113.1:22")
	h, found, err := fw.Holds("sshd", prefix("203.0.113.66"))
	ok(t, err)
	const rule = "ip saddr @j_sshd_ban4 fib daddr type local meta l4proto . th dport @j_sshd_port counter drop"
	if !found || h.Set != "inet gaol j_sshd_ban4" || len(h.Rules) != 1 || h.Rules[0].Text != rule || h.Rules[0].Packets == 0 {
		t.Errorf("%+v, want a packet caught by %s", h, rule)
	}
	h, found, err = fw.Holds("sshd", prefix("198.51.100.0/24"))
	ok(t, err)
	if !found || h.Set != "inet gaol j_sshd_net4" || len(h.Rules) != 1 || h.Rules[0].Packets != 0 {
		t.Errorf("network: %+v", h)
	}
	if _, found, err = fw.Holds("sshd", prefix("2001:db8::/64")); found || err != nil {
		t.Errorf("a set that does not exist: %t, %v", found, err)
	}
}
