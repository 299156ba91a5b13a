package firewall

import (
	"strings"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// A ban that outlasts the kernel's longest timeout is prolonged in time, and ends when it should.
func TestLongBansAreProlonged(t *testing.T) {
	lab := netlab.New(t)
	n, err := NewIPTables(IPTablesOptions{NetNS: lab.Host.Path()})
	if err != nil {
		t.Fatal(err)
	}
	targets := []Target{{Jail: "j"}}
	if err := n.Ensure(targets); err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	begin := time.Now()
	if err := n.Apply([]Change{{Jail: "j", Add: []Element{{Prefix: mustPrefix(1, 2), Timeout: 60 * day}}}}); err != nil {
		t.Fatal(err)
	}
	set := func(timeout string) {
		lab.Host.Run("ipset", "-exist", "add", "gaol_j_4", mustPrefix(1, 2).String(), "timeout", timeout)
	}
	for _, step := range []struct {
		after  time.Duration
		before string        // what the kernel has left by then, in seconds
		want   time.Duration // what it has after a look
	}{
		{day, "2000000", 2000000 * time.Second}, // left alone
		{20 * day, "400000", maxTimeout},
		{40 * day, "400000", 20 * day},             // less than the kernel's most
		{61 * day, "400000", 400000 * time.Second}, // over; lifting it is not for a look
	} {
		n.now = func() time.Time { return begin.Add(step.after) }
		set(step.before)
		if err := n.Ensure(targets); err != nil {
			t.Fatal(err)
		}
		got, err := parseSet(lab.Host.Run("ipset", "save", "gaol_j_4"))
		if err != nil || len(got) != 1 || (got[0].Timeout-step.want).Abs() > time.Minute {
			t.Errorf("after %v of 60 days, with %s s left: %v, %v, want %v", step.after, step.before, got, err, step.want)
		}
	}
	if len(n.places["gaol_j"].long) != 0 {
		t.Errorf("a ban that is over is kept: %v", n.places["gaol_j"].long)
	}
}

func TestShortIdentIsSafeAndShort(t *testing.T) {
	seen := map[string]string{}
	for _, jail := range []string{"sshd", "", "a b", "x;}\"", "ü", "twenty-bytes-exactly", "twenty-bytes-exactly2", "twenty-bytes-exactly3", strings.Repeat("n", 300)} {
		id := shortIdent(jail)
		if len(id)+2 > 28 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			t.Errorf("shortIdent(%q) = %q", jail, id)
		}
		if other, twice := seen[id]; twice {
			t.Errorf("%q and %q are both %s", jail, other, id)
		}
		seen[id] = jail
	}
}

func TestRulesThatMayLetPacketsThrough(t *testing.T) {
	for rule, want := range map[string]bool{
		"-s 192.0.2.1/32 -j ACCEPT": true, "-j cali-PREROUTING": true, "-g elsewhere": true, "-s 10.0.0.1/32 -j RETURN": true,
		"-d 172.17.0.2/32 ! -i docker0 -j DROP": false, "-p udp -j CT --notrack": false, "-m comment --comment \"-j ACCEPT\" -j LOG": false,
		"-m set --match-set x src": false,
	} {
		if got := mayAccept(rule); got != want {
			t.Errorf("mayAccept(%s) = %v", rule, got)
		}
	}
}
