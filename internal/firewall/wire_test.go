package firewall_test

import (
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// Who is said to be banned for the first time and is banned already takes the new time all the
// same, alone, among others and beside networks, which go another way to the kernel.
func TestFreshIsOnlyAHint(t *testing.T) {
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	fresh := func(timeout time.Duration, texts ...string) firewall.Change {
		c := ban("sshd", timeout, texts...)[0]
		for i := range c.Add {
			c.Add[i].Fresh = true
		}
		return c
	}
	ok(t, fw.Apply([]firewall.Change{fresh(time.Hour, "203.0.113.1", "2001:db8::1")}))
	ok(t, fw.Apply([]firewall.Change{fresh(3*time.Hour, "203.0.113.1")}))
	ok(t, fw.Apply([]firewall.Change{fresh(5*time.Hour, "203.0.113.2", "2001:db8::1", "203.0.113.3")}))
	ok(t, fw.Apply([]firewall.Change{fresh(7*time.Hour, "203.0.113.3", "198.51.100.0/24", "203.0.113.4")}))
	ok(t, fw.Apply([]firewall.Change{fresh(0, "203.0.113.5"), fresh(2*time.Hour, "203.0.113.5")}))
	bans, err := fw.List()
	ok(t, err)
	want := []firewall.Element{
		{Prefix: prefix("198.51.100.0/24"), Timeout: 7 * time.Hour},
		{Prefix: prefix("203.0.113.1"), Timeout: 3 * time.Hour}, {Prefix: prefix("203.0.113.2"), Timeout: 5 * time.Hour},
		{Prefix: prefix("203.0.113.3"), Timeout: 7 * time.Hour}, {Prefix: prefix("203.0.113.4"), Timeout: 7 * time.Hour},
		{Prefix: prefix("203.0.113.5"), Timeout: 2 * time.Hour}, {Prefix: prefix("2001:db8::1"), Timeout: 5 * time.Hour},
	}
	sameBans(t, bans, map[string][]firewall.Element{"sshd": want})
}
