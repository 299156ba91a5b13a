package firewall_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// Whatever is broken, by however small a change, is found, told once and mended; what is
// banned and still there stays.
func TestMendFindsEveryLoss(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	targets := []firewall.Target{
		{Jail: "all"},
		{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{
			endpoint(t, "tcp", "", "2222"), endpoint(t, "tcp", "172.17.0.2", "22"), endpoint(t, "tcp", "fd00::2", "80:90"),
		}},
		{Jail: "sshd", Ports: ports(t, "22,2200:2300"), Protocols: []string{"tcp", "udp"}, Block: firewall.Reject},
		{Jail: "web", Ports: ports(t, "80"), Protocols: []string{"tcp"}},
	}
	ok(t, fw.Ensure(targets))
	ok(t, fw.Apply(slices.Concat(ban("sshd", 0, "203.0.113.66", "10.0.0.0/8"), ban("web", 0, "2001:db8::/32", "10.0.0.0/8"))))
	want := text(lab.Host)
	for _, c := range []struct{ script, lacked string }{
		{"add rule inet gaol j_web accept; delete table inet gaol", "the table"},
		{"add table inet gaol { flags dormant; }", "the table's being awake"},
		{"flush chain inet gaol pre", "the rules of chain pre"},
		{"insert rule inet gaol pre accept", "the rules of chain pre"},
		{"flush chain inet gaol pre; delete chain inet gaol pre", "the chain pre"},
		{"add chain inet gaol pre { policy drop; }", "the chain pre"},
		{"flush chain inet gaol j_sshd", "the rules of jail sshd"},
		{"insert rule inet gaol j_sshd accept", "the rules of jail sshd"},
		{"delete rule inet gaol j_sshd handle HANDLE", "the rules of jail sshd"},
		{"flush set inet gaol j_sshd_port", "the rules of jail sshd"},
		{"delete element inet gaol j_web_port { tcp . 80 }", "the rules of jail web"},
		{"add element inet gaol j_web_port { tcp . 443 }", "the rules of jail web"},
		{"delete element inet gaol j_box_port { tcp . 2222 }", "the rules of jail box"},
		{"delete element inet gaol j_box_dst4 { 172.17.0.2 . tcp . 22 }", "the rules of jail box"},
		{"delete element inet gaol j_box_dst6 { fd00::2 . tcp . 80-90 }", "the rules of jail box"},
		{"add element inet gaol j_box_dst4 { 172.17.0.3 . tcp . 22 }", "the rules of jail box"},
		{"flush chain inet gaol j_box; delete set inet gaol j_box_dst6", "the rules of jail box"},
		{"flush chain inet gaol j_all; delete set inet gaol j_all_ban6", "the rules of jail all"},
	} {
		if strings.Contains(c.script, "HANDLE") {
			rules := strings.Split(lab.Host.Run("nft", "-a", "list", "chain", "inet", "gaol", "j_sshd"), "handle ")
			c.script = strings.Replace(c.script, "HANDLE", strings.Fields(rules[len(rules)-1])[0], 1)
		}
		lab.Host.Run("nft", c.script)
		lacked, err := fw.Mend(targets)
		ok(t, err)
		if got := strings.Join(lacked, "|"); !sameParts(got, c.lacked) {
			t.Errorf("%s: Mend says %q, want %q", c.script, got, c.lacked)
		}
		lacked, err = fw.Mend(targets)
		ok(t, err)
		if len(lacked) > 0 {
			t.Errorf("%s: Mend says again %q", c.script, lacked)
		}
		if strings.Contains(c.script, "delete table") { // elements are for Apply
			ok(t, fw.Apply(slices.Concat(ban("sshd", 0, "203.0.113.66", "10.0.0.0/8"), ban("web", 0, "2001:db8::/32", "10.0.0.0/8"))))
		}
		if got := text(lab.Host); got != want {
			t.Errorf("%s: after Mend the table is\n%s\nwant\n%s", c.script, got, want)
		}
	}
}

func sameParts(a, b string) bool {
	as, bs := strings.Split(a, "|"), strings.Split(b, "|")
	slices.Sort(as)
	slices.Sort(bs)
	return slices.Equal(as, bs)
}

// text is the ruleset with its lines in order: sets and rules made anew stand elsewhere.
func text(n *netlab.Node) string {
	lines := strings.Split(n.Run("nft", "-s", "list", "ruleset"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Where all is well nothing is written: no other watcher is woken, no counter lost.
func TestEnsureIsSilentWhereAllIsWell(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	targets := []firewall.Target{
		{Jail: "a", Ports: ports(t, "22,6000:6010")}, {Jail: "b", Protocols: []string{"icmp", "tcp"}, Block: firewall.Reject},
		{Jail: "c", Ports: ports(t, "80,443"), Protocols: []string{"tcp"}}, {Jail: "d", Block: firewall.Reject},
		{Jail: "e", Scoped: true}, {Jail: "f", Scoped: true, Endpoints: []firewall.Endpoint{endpoint(t, "udp", "::1", "53"), endpoint(t, "udp", "", "1:9")}},
	}
	ok(t, fw.Ensure(targets))
	ok(t, fw.Apply(slices.Concat(ban("a", time.Hour, "10.0.0.0/8", "2001:db8::/32", "::1"), ban("d", 0, "2001:db8::/32"))))
	told := watch(t, open(t, lab.Host))
	ok(t, fw.Ensure(targets))
	ok(t, fw.Ensure(targets[1:2]))
	lacked, err := fw.Mend(targets)
	ok(t, err)
	lab.Host.Run("nft", "delete table inet gaol")
	if what := next(t, told); len(lacked) > 0 || !strings.Contains(what, "deleted the table") {
		t.Errorf("a whole table lacked %q, and was written to: %q", lacked, what)
	}
}

// What failed to be mended is still told once it is.
func TestLossesAreToldAfterAFailedMend(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	targets := []firewall.Target{{Jail: "sshd"}}
	ok(t, fw.Ensure(targets))
	lab.Host.Run("nft", "delete table inet gaol; add table inet gaol; add chain inet gaol pre { type nat hook prerouting priority 0; }")
	for range 2 {
		if lacked, err := fw.Mend(targets); err == nil {
			t.Fatalf("another base chain in the way was mended: %q", lacked)
		}
	}
	lab.Host.Run("nft", "delete table inet gaol")
	lacked, err := fw.Mend(targets)
	ok(t, err)
	if !slices.Contains(lacked, "the rules of jail sshd") {
		t.Errorf("after a failure Mend says %q", lacked)
	}
}
