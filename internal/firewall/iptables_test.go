package firewall_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// xtables is all that iptables of both kinds, and ipset, have in a namespace.
func xtables(n *netlab.Node) string {
	var b strings.Builder
	for _, program := range []string{"iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"} {
		for line := range strings.Lines(n.Run(program)) {
			if !strings.HasPrefix(line, "#") {
				b.WriteString(line)
			}
		}
	}
	for line := range strings.Lines(n.Run("ipset", "list")) {
		if strings.HasPrefix(line, "Name:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// command runs one shell line in the node.
func command(n *netlab.Node, o firewall.IPTablesOptions, line string) {
	line = strings.NewReplacer("iptables", "iptables-"+o.Variant, "ip6tables", "ip6tables-"+o.Variant, "TABLE", o.Table).Replace(line)
	n.Run("sh", "-e", "-c", line)
}

// A second daemon finds the rules and sets of the first one, also of jails it knows nothing of,
// and with names that are too long for them.
func TestSetsAreAdopted(t *testing.T) {
	t.Parallel()
	withIPTables(t, tables(), func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24")
		lab.Host.Serve("tcp", ":22")
		lab.Host.Serve("tcp", ":2222")
		before := xtables(lab.Host)
		long := "a-jail-with-a-name-of-more-than-20-bytes"
		targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}, {Jail: "gone"}, {Jail: long}, {Jail: long + "-2"}}
		first := open(t, lab.Host)
		ok(t, first.Ensure(targets))
		ok(t, first.Apply(slices.Concat(
			ban("sshd", time.Hour, "203.0.113.66", "10.0.0.0/8"), ban("sshd", 2*time.Hour, "10.1.0.0/16"),
			ban("gone", 0, "198.51.100.1"), ban(long, time.Hour, "2001:db8::/32"))))
		want, err := first.List()
		ok(t, err)

		second := open(t, lab.Host)
		if err := second.Apply(ban("sshd", time.Hour, "1.2.3.0/24")); !errors.Is(err, firewall.ErrGone) {
			t.Errorf("Apply before Ensure: %v, want ErrGone: the rules of the jail are not known", err)
		}
		sameBans(t, list(t, second), want)
		targets[0].Ports = ports(t, "2222,2300:2400")
		ok(t, second.Ensure([]firewall.Target{targets[0], targets[2]}))
		sameBans(t, list(t, second), want)
		client.Alive("tcp", "203.0.113.1:22")
		client.Dead("tcp", "203.0.113.1:2222")
		caught(t, second, "sshd")

		ok(t, second.Apply([]firewall.Change{{Jail: "gone", Forget: true}, {Jail: long + "-2", Forget: true}}))
		delete(want, "gone")
		delete(want, long+"-2")
		sameBans(t, list(t, second), want)
		client.Dead("tcp", "203.0.113.1:2222")
		if left := xtables(lab.Host); strings.Contains(left, "gaol_gone") || strings.Count(left, "Name:") != 4 {
			t.Errorf("the forgotten jails left something:\n%s", left)
		}
		ok(t, open(t, lab.Host).Drop()) // as gaol panic: a process that has laid nothing
		if after := xtables(lab.Host); strings.Trim(after, "\n") == "" || strings.Contains(after, "gaol") {
			t.Errorf("before us:\n%s\nDrop left:\n%s", before, after)
		}
		client.Alive("tcp", "203.0.113.1:2222")
		ok(t, second.Drop()) // nothing there, no error
	})
}

// Every loss is found, told and mended; a foreign rule is no loss, and stays.
func TestMendFindsEveryLossOfIPTables(t *testing.T) {
	t.Parallel()
	targets := []firewall.Target{
		{Jail: "sshd", Ports: ports(t, "22,2200:2300"), Protocols: []string{"tcp", "udp"}},
		{Jail: "web", Ports: ports(t, "80"), Protocols: []string{"tcp"}},
	}
	for _, o := range tables() {
		t.Run(o.Variant+" "+o.Table, func(t *testing.T) {
			t.Parallel()
			lab := netlab.New(t)
			command(lab.Host, o, "iptables -t TABLE -A PREROUTING -s 192.0.2.1 -j ACCEPT; iptables -t TABLE -N FOREIGN; iptables -t TABLE -A FOREIGN -j DROP")
			fw := openIPTables(t, lab.Host, o)
			ok(t, fw.Ensure(targets))
			want := xtables(lab.Host)
			for _, c := range []struct{ line, lacked string }{
				{"iptables -t TABLE -D PREROUTING -j gaol", "the jump from TABLE PREROUTING to gaol"},
				{"ip6tables -t TABLE -D PREROUTING -j gaol", "the jump from TABLE PREROUTING to gaol"},
				{"iptables -t TABLE -D PREROUTING -j gaol; iptables -t TABLE -A PREROUTING -j gaol", "the jump from TABLE PREROUTING to gaol"},
				{"iptables -t TABLE -F gaol", "the rules of chain gaol"},
				{"iptables -t TABLE -F gaol_sshd", "the rules of jail sshd"},
				{"ip6tables -t TABLE -I gaol_web -j ACCEPT", "the rules of jail web"},
				{"iptables -t TABLE -D gaol_sshd 1", "the rules of jail sshd"},
				{"ip6tables -t TABLE -F; ip6tables -t TABLE -X", "the jump from TABLE PREROUTING to gaol|the rules of chain gaol|the rules of jail sshd|the rules of jail web"},
				{"ip6tables -t TABLE -F; ip6tables -t TABLE -X; sleep 0.2; ipset destroy gaol_web_6", "the sets of jail web|the jump from TABLE PREROUTING to gaol|the rules of chain gaol|the rules of jail sshd|the rules of jail web"},
			} {
				command(lab.Host, o, c.line)
				lacked, err := fw.Mend(targets)
				ok(t, err)
				wanted := strings.ReplaceAll(c.lacked, "TABLE", o.Table)
				if got := strings.Join(lacked, "|"); !sameParts(got, wanted) {
					t.Errorf("%s: Mend says %q, want %q", c.line, got, wanted)
				}
				lacked, err = fw.Mend(targets)
				ok(t, err)
				if len(lacked) > 0 {
					t.Errorf("%s: Mend says again %q", c.line, lacked)
				}
				if got := xtables(lab.Host); !sameLines(got, want) {
					t.Errorf("%s: after Mend there is\n%s\nwant\n%s", c.line, got, want)
				}
			}
			command(lab.Host, o, "iptables -t TABLE -I PREROUTING -s 192.0.2.2 -j DROP; iptables -t TABLE -A FOREIGN -j DROP")
			want = xtables(lab.Host)
			lacked, err := fw.Mend(targets)
			ok(t, err)
			if got := xtables(lab.Host); len(lacked) > 0 || got != want {
				t.Errorf("rules of others are taken for a loss (%q); there is\n%s\nwant\n%s", lacked, got, want)
			}
			ok(t, fw.Drop())
			left := xtables(lab.Host)
			for _, foreign := range []string{"-A PREROUTING -s 192.0.2.1/32 -j ACCEPT", "-A PREROUTING -s 192.0.2.2/32 -j DROP", "-A FOREIGN -j DROP"} {
				if !strings.Contains(left, foreign) {
					t.Errorf("Drop took %q with it; left is\n%s", foreign, left)
				}
			}
		})
	}
}

func sameLines(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.Lines(a)), slices.Sorted(strings.Lines(b)))
}

// What is gone is told to who bans, and made again with the next Ensure.
func TestGoneSetsAreTold(t *testing.T) {
	t.Parallel()
	withIPTables(t, tables(), func(t *testing.T, open opener) {
		lab := netlab.New(t)
		fw := open(t, lab.Host)
		targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}
		for _, destroy := range []func() error{open(t, lab.Host).Drop, fw.Drop} {
			ok(t, fw.Ensure(targets))
			ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
			ok(t, destroy())
			for range 2 {
				if err := fw.Apply(ban("sshd", time.Hour, "203.0.113.66")); !errors.Is(err, firewall.ErrGone) {
					t.Errorf("Apply: %v, want ErrGone", err)
				}
			}
		}
		ok(t, fw.Ensure(targets))
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
		sameBans(t, list(t, fw), map[string][]firewall.Element{"sshd": elements(time.Hour, "203.0.113.66")})
	})
}

// One rule names 15 ports at most; what is beyond must be closed all the same.
func TestManyPortsAndRanges(t *testing.T) {
	t.Parallel()
	withIPTables(t, tables()[1:3], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24", "2001:db8:1::66/64")
		var list []string
		for i := range 40 {
			list = append(list, fmt.Sprint(1000+2*i), fmt.Sprintf("%d:%d", 2000+10*i, 2005+10*i))
		}
		closed := []string{"1000", "1030", "1078", "2000", "2145", "2395"}
		opened := []string{"1001", "1080", "2006", "2399"}
		for _, p := range append(slices.Clone(closed), opened...) {
			lab.Host.Serve("tcp", ":"+p)
		}
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "j", Ports: ports(t, strings.Join(list, ",")), Protocols: []string{"tcp"}}}))
		ok(t, fw.Apply(ban("j", time.Hour, "203.0.113.66", "2001:db8:1::66")))
		for i, p := range closed {
			client.Dead("tcp", []string{"203.0.113.1:", "[2001:db8:1::1]:"}[i%2]+p)
		}
		for _, p := range opened {
			client.Alive("tcp", "203.0.113.1:"+p)
			client.Alive("tcp", "[2001:db8:1::1]:"+p)
		}
	})
}

// Endpoints: the same port on two addresses of the host, and a container that is reached
// without NAT.
func TestIPTablesClosesEndpoints(t *testing.T) {
	t.Parallel()
	withIPTables(t, tables()[1:3], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24", "2001:db8:1::66/64")
		second := lab.NewClient("second", "198.51.100.9/24") // brings the host the address 198.51.100.1
		routed := lab.NewClient("routed", "172.17.0.2/16", "fd00:17::2/64")
		for _, n := range []*netlab.Node{lab.Host, second, routed} {
			n.Serve("tcp", ":22")
			n.Serve("tcp", ":80")
		}
		fw := open(t, lab.Host)
		target := firewall.Target{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{
			{Addr: routed.Addr(false), Proto: "tcp", Port: firewall.PortRange{First: 22, Last: 22}},
			{Addr: routed.Addr(true), Proto: "tcp", Port: firewall.PortRange{First: 22, Last: 22}},
			{Addr: lab.Host.Addr(false), Proto: "tcp", Port: firewall.PortRange{First: 80, Last: 80}},
		}}
		ok(t, fw.Ensure([]firewall.Target{target}))
		ok(t, fw.Apply(ban("box", time.Hour, "203.0.113.66", "2001:db8:1::66")))
		for _, dead := range []string{"172.17.0.2:22", "[fd00:17::2]:22", "203.0.113.1:80"} {
			client.Dead("tcp", dead)
		}
		for _, alive := range []string{"172.17.0.2:80", "[fd00:17::2]:80", "203.0.113.1:22", "198.51.100.1:80", "[2001:db8:1::1]:80"} {
			client.Alive("tcp", alive)
		}
		target.Endpoints = []firewall.Endpoint{{Proto: "tcp", Port: firewall.PortRange{First: 22, Last: 22}}} // published again
		ok(t, fw.Ensure([]firewall.Target{target}))
		client.Dead("tcp", "198.51.100.1:22")
		client.Dead("tcp", "[2001:db8:1::1]:22")
		client.Alive("tcp", "172.17.0.2:22")
		target.Endpoints = nil // the container is down
		ok(t, fw.Ensure([]firewall.Target{target}))
		client.Alive("tcp", "198.51.100.1:22")
		target.Inside = []firewall.Inside{{NetNS: routed.Path()}}
		if err := fw.Ensure([]firewall.Target{target}); err == nil || !strings.Contains(err.Error(), "need nft") {
			t.Errorf("rules inside a namespace: %v", err)
		}
	})
}

// The kind of iptables that holds Docker's chains is the one that is used; else the one that
// iptables is.
func TestVariantWithDockersChainsIsChosen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ docker, want string }{
		{"iptables-legacy", "iptables (legacy: it holds Docker's chains) in raw PREROUTING, before NAT, with ipset"},
		{"iptables-nft", "iptables (nft: it holds Docker's chains) in raw PREROUTING, before NAT, with ipset"},
		{"", "iptables (nft: it is what iptables is here) in raw PREROUTING, before NAT, with ipset"},
	} {
		lab := netlab.New(t)
		lab.Host.Run("iptables-legacy", "-t", "nat", "-S") // both kinds have tables
		lab.Host.Run("iptables-nft", "-t", "nat", "-A", "PREROUTING", "-j", "ACCEPT")
		if c.docker != "" {
			lab.Host.Run(c.docker, "-t", "nat", "-N", "DOCKER")
		}
		if got := openIPTables(t, lab.Host, firewall.IPTablesOptions{}).String(); got != c.want {
			t.Errorf("Docker in %q: %s, want %s", c.docker, got, c.want)
		}
	}
}

// Docker moved, or raw came: what an earlier run left elsewhere would go on with its old ports.
func TestRulesMoveWithVariantAndTable(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":22")
	lab.Host.Serve("tcp", ":80")
	for i, o := range tables() {
		fw := openIPTables(t, lab.Host, o)
		port := []string{"22", "80"}[i%2]
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, port)}}))
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
		client.Dead("tcp", "203.0.113.1:"+port)
		client.Alive("tcp", "203.0.113.1:"+[]string{"80", "22"}[i%2])
	}
}

// Without table raw mangle is used (some kernels have no raw); without both, and without the
// programs, the error says what is missing.
func TestWhatIsMissingIsFoundAtStart(t *testing.T) {
	lab := netlab.New(t)
	dir := t.TempDir()
	real, err := filepath.EvalSymlinks("/usr/sbin/iptables-legacy-save")
	ok(t, err)
	lack := func(tables string) {
		t.Helper()
		script := "#!/bin/sh\ncase $2 in " + tables + ") echo \"can't initialize iptables table $2: Table does not exist\" >&2; exit 3;; esac\nexec -a iptables-legacy-save " + real + " \"$@\"\n"
		ok(t, os.WriteFile(filepath.Join(dir, "iptables-legacy-save"), []byte(strings.Replace(script, "/bin/sh", "/bin/bash", 1)), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	lack("raw")
	fw, err := firewall.NewIPTables(firewall.IPTablesOptions{Variant: "legacy", NetNS: lab.Host.Path()})
	ok(t, err)
	if got := fw.String(); !strings.Contains(got, "in mangle PREROUTING") {
		t.Errorf("without raw: %s", got)
	}
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	lack("raw|mangle")
	if _, err := firewall.NewIPTables(firewall.IPTablesOptions{Variant: "legacy", NetNS: lab.Host.Path()}); err == nil || !strings.Contains(err.Error(), "Table does not exist") {
		t.Errorf("without raw and mangle: %v", err)
	}
	noKernel := firewall.Choice{NFT: func() (*firewall.NFT, error) { return nil, errors.New("no nf_tables in this test") },
		IPTables: func() (*firewall.IPTables, error) { return nil, errors.New("iptables is not installed") }}
	if _, err := firewall.Choose(noKernel); !errors.Is(err, firewall.ErrNone) || !strings.Contains(err.Error(), "no nf_tables in this test") || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without everything: %v", err)
	}
}

// The kernel keeps no timeout above 24.8 days; the ban is as long as it was all the same.
func TestLongBans(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := openIPTables(t, lab.Host, tables()[0])
	ok(t, fw.Ensure([]firewall.Target{{Jail: "j"}}))
	const year = 365 * 24 * time.Hour
	ok(t, fw.Apply(append(ban("j", year, "203.0.113.66"), ban("j", 0, "203.0.113.67")...)))
	sameBans(t, list(t, fw), map[string][]firewall.Element{"j": append(elements(year, "203.0.113.66"), elements(0, "203.0.113.67")...)})
	lab.Host.Run("ipset", "-exist", "add", "gaol_j_4", "203.0.113.66", "timeout", "100") // who gave it less has the last word
	sameBans(t, list(t, fw), map[string][]firewall.Element{"j": append(elements(100*time.Second, "203.0.113.66"), elements(0, "203.0.113.67")...)})
	ok(t, fw.Apply(ban("j", time.Hour, "203.0.113.66")))
	sameBans(t, list(t, fw), map[string][]firewall.Element{"j": append(elements(time.Hour, "203.0.113.66"), elements(0, "203.0.113.67")...)})
}

func TestTwentyThousandBansOfIPSet(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := openIPTables(t, lab.Host, tables()[0])
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}))
	var ids []string
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("10.0.%d.%d", i/250, i%250), fmt.Sprintf("2001:db8::%x", i))
	}
	begin := time.Now()
	ok(t, fw.Apply(ban("sshd", time.Hour, ids...)))
	t.Logf("20,000 bans in one call: %s", time.Since(begin))
	begin = time.Now()
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
	t.Logf("one more: %s", time.Since(begin))
	if n := len(list(t, fw)["sshd"]); n != len(ids)+1 {
		t.Errorf("%d of %d bans are there", n, len(ids)+1)
	}
	ok(t, fw.Apply(unban("sshd", ids...)))
	if n := len(list(t, fw)["sshd"]); n != 1 {
		t.Errorf("%d bans are left", n)
	}
}

// The choice is said with its reason, and takes away what the other backend left.
func TestChoiceOfTheBackend(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	noNFT := func() (*firewall.NFT, error) { return nil, errors.New("protocol not supported") }
	for _, c := range []struct {
		choice    firewall.Choice
		name      string
		nft, sets bool
	}{
		{firewall.Choice{}, "nft table inet gaol, hook prerouting, before NAT: the kernel has nf_tables", true, false},
		{firewall.Choice{Want: "iptables"}, "in raw PREROUTING, before NAT, with ipset: asked for by firewall = iptables", false, true},
		{firewall.Choice{Want: "nft"}, "asked for by firewall = nft", true, false},
		{firewall.Choice{Want: "auto", NFT: noNFT}, "with ipset: the kernel has no nf_tables", true, true},
	} {
		c.choice.NetNS = lab.Host.Path()
		chosen, err := firewall.Choose(c.choice)
		ok(t, err)
		if !strings.HasSuffix(chosen.Name, c.name) || chosen.Warning != "" {
			t.Errorf("%q: it says %q, warns of %q; want ...%q", c.choice.Want, chosen.Name, chosen.Warning, c.name)
		}
		ok(t, chosen.Backend.Ensure([]firewall.Target{{Jail: "sshd"}}))
		nft := strings.Contains(lab.Host.Run("nft", "list", "tables"), "inet gaol")
		if sets := lab.Host.Run("ipset", "list", "-n") != ""; nft != c.nft || sets != c.sets {
			t.Errorf("%q: there is nft: %v, ipset: %v", c.choice.Want, nft, sets)
		}
		ok(t, chosen.Backend.Close())
	}
	if _, err := firewall.Choose(firewall.Choice{Want: "nft", NFT: noNFT}); err == nil {
		t.Error("firewall = nft falls back to something else")
	}
	if _, err := firewall.Choose(firewall.Choice{Want: "pf"}); err == nil {
		t.Error("firewall = pf is taken")
	}
}

// Changes to the nft kind of iptables are told, our own are not.
func TestWatchHearsIPTables(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := openIPTables(t, lab.Host, tables()[0])
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	told := listen(t, fw)
	if what := next(t, told); what != "the watch began" {
		t.Errorf("its first word is %q", what)
	}
	ok(t, fw.Ensure([]firewall.Target{{Jail: "web"}}))
	lab.Host.Run("iptables-nft", "-t", "raw", "-F")
	if what := next(t, told); !strings.Contains(what, "iptables") || !strings.Contains(what, "deleted a rule") {
		t.Errorf("of a flush it tells %q", what)
	}
}

func TestRejectIsCarriedOutAsDropAndSaid(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":22")
	fw := openIPTables(t, lab.Host, tables()[2])
	target := firewall.Target{Jail: "sshd", Ports: ports(t, "22"), Block: firewall.Reject}
	ok(t, fw.Ensure([]firewall.Target{target}))
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66")))
	client.Dead("tcp", "203.0.113.1:22")
	if said := fw.Differs(target); !strings.Contains(said, "drop") {
		t.Errorf("of reject it says %q", said)
	}
	if said := fw.Differs(firewall.Target{Jail: "sshd"}); said != "" {
		t.Errorf("of drop it says %q", said)
	}
}
