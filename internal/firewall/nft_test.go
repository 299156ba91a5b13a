package firewall_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

// open opens an NFT backend in the node's namespace.
func open(t testing.TB, n *netlab.Node) *firewall.NFT {
	t.Helper()
	fw, err := firewall.NewNFT(firewall.NFTOptions{NetNS: n.Path()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fw.Close() })
	return fw
}

// ok ends the test on an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ports reads a port option.
func ports(t testing.TB, text string) []firewall.PortRange {
	t.Helper()
	p, err := firewall.ParsePorts(text)
	ok(t, err)
	return p
}

// ban is a change that bans addresses or networks for a time.
func ban(jail string, timeout time.Duration, ids ...string) []firewall.Change {
	c := firewall.Change{Jail: jail}
	for _, id := range ids {
		c.Add = append(c.Add, firewall.Element{Prefix: prefix(id), Timeout: timeout})
	}
	return []firewall.Change{c}
}

func unban(jail string, ids ...string) []firewall.Change {
	c := firewall.Change{Jail: jail}
	for _, id := range ids {
		c.Remove = append(c.Remove, prefix(id))
	}
	return []firewall.Change{c}
}

func prefix(id string) netip.Prefix {
	if a, err := netip.ParseAddr(id); err == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.MustParsePrefix(id)
}

func TestTwentyThousandBansInOneCall(t *testing.T) {
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}))
	var ids []string
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("10.0.%d.%d", i/250, i%250), fmt.Sprintf("2001:db8::%x", i))
	}
	ok(t, fw.Apply(ban("sshd", time.Hour, ids...)))
	ok(t, fw.Apply(ban("sshd", 2*time.Hour, ids...))) // and again, over themselves
	bans, err := fw.List()
	ok(t, err)
	found := map[netip.Prefix]bool{}
	for _, e := range bans["sshd"] {
		found[e.Prefix] = true
		if e.Timeout <= time.Hour {
			t.Fatalf("%s has %s left, want nearly two hours", e.Prefix, e.Timeout)
		}
	}
	for _, id := range ids {
		if !found[prefix(id)] {
			t.Fatalf("%s is lost (%d of %d are there)", id, len(found), len(ids))
		}
	}
	ok(t, fw.Apply(unban("sshd", ids...)))
	bans, err = fw.List()
	ok(t, err)
	if left := len(bans["sshd"]); left != 0 {
		t.Errorf("%d bans are left after all were removed", left)
	}
}

// The kernel grows a set's hash in the background after many were added, and a list that is read
// meanwhile lacks some: one of some thirty did.
func TestListIsWholeWhileTheHashGrows(t *testing.T) {
	fw := open(t, netlab.New(t).Host)
	var ids []string
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	for round := range 40 {
		jail := fmt.Sprintf("j%d", round)
		ok(t, fw.Ensure([]firewall.Target{{Jail: jail}}))
		ok(t, fw.Apply(ban(jail, time.Hour, ids...)))
		bans, err := fw.List(jail)
		ok(t, err)
		if len(bans[jail]) != len(ids) {
			t.Fatalf("round %d: %d of %d bans are listed", round, len(bans[jail]), len(ids))
		}
		ok(t, fw.Apply([]firewall.Change{{Jail: jail, Forget: true}}))
	}
}

func TestThousandsOfNetworksInOneCall(t *testing.T) {
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	var ids []string
	for i := range 3000 {
		ids = append(ids, fmt.Sprintf("10.%d.%d.0/24", i/250, i%250))
	}
	ok(t, fw.Apply(ban("sshd", time.Hour, ids...)))
	ok(t, fw.Apply(ban("sshd", 2*time.Hour, ids[500])))
	bans, err := open(t, lab.Host).List() // read by somebody who has only the kernel
	ok(t, err)
	if len(bans["sshd"]) != len(ids) {
		t.Errorf("%d of %d networks are there", len(bans["sshd"]), len(ids))
	}
}

// A second daemon finds the table of the first one.
func TestTableIsAdopted(t *testing.T) {
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":22")
	lab.Host.Serve("tcp", ":2222")
	first := open(t, lab.Host)
	long := strings.Repeat("a jail with a long name ", 12)
	targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}, {Jail: "gone"}, {Jail: long}}
	ok(t, first.Ensure(targets))
	ok(t, first.Apply(slices.Concat(
		ban("sshd", time.Hour, "203.0.113.66", "10.0.0.0/8"), ban("sshd", 2*time.Hour, "10.1.0.0/16"),
		ban("gone", 0, "198.51.100.1"), ban(long, time.Hour, "198.51.100.1"))))
	want, err := first.List()
	ok(t, err)
	ok(t, first.Close())

	second := open(t, lab.Host)
	if err := second.Apply(ban("sshd", time.Hour, "1.2.3.0/24")); !errors.Is(err, firewall.ErrGone) {
		t.Errorf("Apply before Ensure: %v, want ErrGone: the rules of the jail are not known", err)
	}
	targets[0].Ports = ports(t, "2222,2300:2400") // the configuration changed meanwhile
	targets[0].Block = firewall.Reject
	ok(t, second.Ensure([]firewall.Target{targets[0], targets[2]}))
	got, err := second.List()
	ok(t, err)
	sameBans(t, got, want)
	client.Alive("tcp", "203.0.113.1:22")
	client.Refused("tcp", "203.0.113.1:2222")

	ok(t, second.Apply([]firewall.Change{{Jail: "gone", Forget: true}}))
	got, err = second.List()
	ok(t, err)
	delete(want, "gone")
	sameBans(t, got, want)
	if list := lab.Host.Run("nft", "list", "ruleset"); strings.Contains(list, "j_gone") {
		t.Errorf("the forgotten jail left something:\n%s", list)
	}
}

// sameBans compares bans; what is left of them may be a minute less.
func sameBans(t *testing.T, got, want map[string][]firewall.Element) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Fatalf("jails are %q, want %q", g, w)
	}
	for jail := range want {
		for _, d := range difference(got[jail], want[jail]) {
			t.Errorf("bans of %q have %v, which should not be there", jail, d)
		}
		for _, d := range difference(want[jail], got[jail]) {
			t.Errorf("bans of %q lack %v", jail, d)
		}
		if !slices.IsSortedFunc(got[jail], func(a, b firewall.Element) int { return a.Prefix.Compare(b.Prefix) }) {
			t.Errorf("bans of %q are not in order: %v", jail, got[jail])
		}
	}
}

// difference is what is in a and not, or with another timeout, in b.
func difference(a, b []firewall.Element) []firewall.Element {
	return slices.DeleteFunc(slices.Clone(a), func(x firewall.Element) bool {
		return slices.ContainsFunc(b, func(y firewall.Element) bool {
			return x.Prefix == y.Prefix && (x.Timeout == 0) == (y.Timeout == 0) && (x.Timeout-y.Timeout).Abs() < time.Minute
		})
	})
}

func TestDroppedTableIsToldAndMadeAgain(t *testing.T) {
	lab := netlab.New(t)
	lab.Host.Run("nft", "add table inet other")
	fw := open(t, lab.Host)
	targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}
	for _, destroy := range []func(){
		func() { lab.Host.Run("nft", "delete table inet gaol") },
		func() { lab.Host.Run("nft", "flush chain inet gaol j_sshd; delete set inet gaol j_sshd_ban4") },
		func() { ok(t, open(t, lab.Host).Drop()) },
		func() { ok(t, fw.Drop()) },
	} {
		ok(t, fw.Ensure(targets))
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
		before := ruleset(lab.Host)
		destroy()
		for range 2 {
			if err := fw.Apply(ban("sshd", time.Hour, "203.0.113.66")); !errors.Is(err, firewall.ErrGone) {
				t.Errorf("Apply: %v, want ErrGone", err)
			}
		}
		ok(t, fw.Ensure(targets))
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
		if after := ruleset(lab.Host); len(after) != len(before) {
			t.Errorf("the table is now\n%s\nwant\n%s", after, before)
		}
	}
	ok(t, fw.Drop())
	if left := strings.TrimSpace(lab.Host.Run("nft", "list", "ruleset")); left != "table inet other {\n}" {
		t.Errorf("Drop left, of ours and others':\n%s", left)
	}
	ok(t, fw.Drop()) // no table, no error
}

// A reload that changes nothing leaves the counters alone: they are the answer to "does it bite?".
func TestEnsureKeepsCounters(t *testing.T) {
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24")
	fw := open(t, lab.Host)
	targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}
	ok(t, fw.Ensure(targets))
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
	client.Dead("tcp", "203.0.113.1:22")
	ok(t, fw.Ensure(append(targets, firewall.Target{Jail: "new"})))
	ok(t, fw.Apply(ban("sshd", time.Hour, "10.0.0.0/8")))
	caught(t, fw, "sshd")
}

func TestMissingRightIsNamed(t *testing.T) {
	lab := netlab.New(t)
	err := lab.Host.Do(func() error {
		// Of this thread only, which ends with Do.
		none := [2]unix.CapUserData{}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			return err
		}
		_, err := firewall.NewNFT(firewall.NFTOptions{})
		return err
	})
	if !errors.Is(err, firewall.ErrPermission) {
		t.Errorf("NewNFT without CAP_NET_ADMIN: %v, want ErrPermission", err)
	}
}

func TestBadElementsAreRefusedWhole(t *testing.T) {
	lab := netlab.New(t)
	for name, fw := range map[string]firewall.Backend{"nft": open(t, lab.Host), "memory": firewall.NewMemory()} {
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
		for _, bad := range []netip.Prefix{{}, netip.PrefixFrom(netip.MustParseAddr("::ffff:1.2.3.4"), 64)} {
			change := firewall.Change{Jail: "sshd", Add: []firewall.Element{{Prefix: prefix("203.0.113.66")}, {Prefix: bad}}}
			if err := fw.Apply([]firewall.Change{change}); err == nil {
				t.Errorf("%s takes %v", name, bad)
			}
		}
		if err := fw.Ensure([]firewall.Target{{Jail: "x", Protocols: []string{"tpc"}}}); err == nil {
			t.Errorf("%s takes the protocol tpc", name)
		}
		bans, err := fw.List()
		ok(t, err)
		sameBans(t, bans, map[string][]firewall.Element{"sshd": nil})
	}
}

func BenchmarkSingleBan(b *testing.B) {
	lab := netlab.New(b)
	fw := open(b, lab.Host)
	ok(b, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(b, "22")}}))
	i := uint32(0)
	for b.Loop() {
		i++
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		ok(b, fw.Apply([]firewall.Change{{Jail: "sshd", Add: []firewall.Element{{Prefix: netip.PrefixFrom(a, 32), Timeout: time.Hour}}}}))
	}
}

func BenchmarkTenThousandBans(b *testing.B) {
	lab := netlab.New(b)
	fw := open(b, lab.Host)
	ok(b, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(b, "22")}}))
	change := firewall.Change{Jail: "sshd"}
	for i := range 10_000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		change.Add = append(change.Add, firewall.Element{Prefix: netip.PrefixFrom(a, 32), Timeout: time.Hour})
	}
	for b.Loop() {
		ok(b, fw.Apply([]firewall.Change{change}))
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "bans/s")
}
