package firewall_test

import (
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// What we do ourselves does not count as foreign, whatever way it takes to the kernel; what
// others do does, be it only an element.
func TestForeignCountsOthersOnly(t *testing.T) {
	lab := netlab.New(t)
	fw := firewall.NewSpread(open(t, lab.Host))
	ask := func() uint32 {
		n, err := fw.Foreign()
		ok(t, err)
		return n
	}
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	before := ask()
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.1", "2001:db8::1")))
	fresh := ban("sshd", 2*time.Hour, "203.0.113.1")
	fresh[0].Add[0].Fresh = true // which the kernel refuses first
	ok(t, fw.Apply(fresh))
	ok(t, fw.Apply(ban("sshd", time.Hour, "198.51.100.0/24", "203.0.113.2")))
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}, {Jail: "web"}}))
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}, {Jail: "web"}}))
	_, err := fw.List()
	ok(t, err)
	if now := ask(); now != before {
		t.Errorf("of ours %d count", now-before)
	}
	lab.Host.Run("nft", "delete element inet gaol j_sshd_ban4 { 203.0.113.1 }")
	if now := ask(); now != before+1 {
		t.Errorf("of others %d count, want 1", now-before)
	}
}
