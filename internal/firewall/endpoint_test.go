package firewall_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// endpoint is one port or range of ports on an address; an empty one is all local addresses.
func endpoint(t testing.TB, proto, addr, port string) firewall.Endpoint {
	t.Helper()
	e := firewall.Endpoint{Proto: proto, Port: ports(t, port)[0]}
	if addr != "" {
		e.Addr = netip.MustParseAddr(addr)
	}
	return e
}

// A container that restarts or is published elsewhere costs elements of endpoint sets and
// nothing else: bans keep their time, rules their counters, and nobody hears of more.
func TestEndpointsMoveAlone(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	attacker := lab.NewClient("attacker", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":2222")
	fw := open(t, lab.Host)
	before := firewall.Target{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{
		endpoint(t, "tcp", "", "2222"), endpoint(t, "udp", "", "6000:6010"), endpoint(t, "tcp", "172.17.0.2", "22"), endpoint(t, "tcp", "fd00::2", "22"),
	}}
	ok(t, fw.Ensure([]firewall.Target{before, {Jail: "sshd", Ports: ports(t, "22")}}))
	ok(t, fw.Apply(ban("box", time.Hour, "203.0.113.66", "10.0.0.0/8", "2001:db8::1")))
	attacker.Dead("tcp", "203.0.113.1:2222")
	hits, err := fw.Hits()
	ok(t, err)
	handles := bare(lab.Host.Run("nft", "-a", "list", "ruleset"))

	after := before
	after.Endpoints = []firewall.Endpoint{
		endpoint(t, "tcp", "", "2299"), endpoint(t, "udp", "", "6005:6020"), endpoint(t, "tcp", "172.17.0.9", "22"), endpoint(t, "tcp", "203.0.113.1", "443"),
	}
	for _, want := range []firewall.Target{after, {Jail: "box", Scoped: true}, after, before} {
		told := watch(t, open(t, lab.Host))
		ok(t, fw.Ensure([]firewall.Target{want}))
		if what := next(t, told); !onlyElements(what) {
			t.Errorf("moving the endpoints %s", what)
		}
		if got := bare(lab.Host.Run("nft", "-a", "list", "ruleset")); got != handles {
			t.Errorf("besides endpoints the table changed to\n%s\nfrom\n%s", got, handles)
		}
		anew := netlab.New(t) // what is there is what a first Ensure lays
		other := open(t, anew.Host)
		ok(t, other.Ensure([]firewall.Target{want}))
		for _, set := range []string{"j_box_port", "j_box_dst4", "j_box_dst6"} {
			got, first := lab.Host.Run("nft", "list", "set", "inet", "gaol", set), anew.Host.Run("nft", "list", "set", "inet", "gaol", set)
			if got != first {
				t.Errorf("after moving to %v the set is\n%s\nwant\n%s", want.Endpoints, got, first)
			}
		}
	}
	if now, err := fw.Hits(); err != nil || now["box"] != hits["box"] || hits["box"] == 0 {
		t.Errorf("hits were %v, are %v, %v", hits, now, err)
	}
	sameBans(t, list(t, fw), map[string][]firewall.Element{"box": elements(time.Hour, "10.0.0.0/8", "203.0.113.66", "2001:db8::1"), "sshd": nil})
}

// bare is a ruleset without endpoints and without what runs on by itself.
func bare(ruleset string) string {
	sets := regexp.MustCompile(`(?s)(set j_\w+_(port|dst4|dst6) \{.*?)elements = \{[^}]*\}\s*`).ReplaceAllString(ruleset, "$1")
	return regexp.MustCompile(`expires \w+|\s+`).ReplaceAllString(sets, " ")
}

func onlyElements(what string) bool {
	_, changes, _ := strings.Cut(what, ") ")
	for _, c := range strings.Split(changes, ", ") {
		if !strings.HasPrefix(c, "added an element") && !strings.HasPrefix(c, "deleted an element") {
			return false
		}
	}
	return true
}

// Another daemon finds what the first one left: bans stay, endpoints become those it wants.
func TestEndpointsAreAdopted(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	first := open(t, lab.Host)
	box := firewall.Target{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{endpoint(t, "tcp", "", "2222"), endpoint(t, "tcp", "172.17.0.2", "22")}}
	ok(t, first.Ensure([]firewall.Target{box}))
	ok(t, first.Apply(ban("box", time.Hour, "203.0.113.66", "10.0.0.0/8")))
	ok(t, first.Close())
	second := open(t, lab.Host)
	want := map[string][]firewall.Element{"box": elements(time.Hour, "10.0.0.0/8", "203.0.113.66")}
	sameBans(t, list(t, second), want)
	for _, target := range []firewall.Target{
		box,
		{Jail: "box", Ports: ports(t, "22,443")}, // and out of the scope, and into it again
		{Jail: "box"},
		{Jail: "box", Scoped: true, Block: firewall.Reject, Endpoints: []firewall.Endpoint{endpoint(t, "udp", "fd00::2", "53")}},
	} {
		ok(t, second.Ensure([]firewall.Target{target}))
		sameBans(t, list(t, second), want)
		anew := netlab.New(t)
		other := open(t, anew.Host)
		ok(t, other.Ensure([]firewall.Target{target}))
		ok(t, other.Apply(ban("box", time.Hour, "203.0.113.66", "10.0.0.0/8")))
		if got, want := lines(lab.Host), lines(anew.Host); got != want {
			t.Errorf("%v: the table is\n%s\nwant\n%s", target, got, want)
		}
	}
	ok(t, second.Apply([]firewall.Change{{Jail: "box", Forget: true}}))
	if left := lab.Host.Run("nft", "list", "table", "inet", "gaol"); strings.Contains(left, "box") {
		t.Errorf("after Forget the table is\n%s", left)
	}
}

// lines are those of the ruleset in order, without what runs on by itself.
func lines(n *netlab.Node) string {
	all := strings.Split(ruleset(n), "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func TestEndpointsThatAreNone(t *testing.T) {
	both(t, func(t *testing.T, fw firewall.Backend) {
		for _, e := range []firewall.Endpoint{
			{}, {Proto: "tcp"}, {Proto: "icmp", Port: firewall.PortRange{First: 1, Last: 1}},
			{Proto: "tcp", Port: firewall.PortRange{First: 2, Last: 1}}, {Proto: "tpc", Port: firewall.PortRange{First: 2, Last: 2}},
		} {
			if err := fw.Ensure([]firewall.Target{{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{e}}}); err == nil {
				t.Errorf("endpoint %q was taken", e)
			}
		}
		ok(t, fw.Ensure([]firewall.Target{{Jail: "box", Scoped: true}}))
		ok(t, fw.Apply(ban("box", 0, "203.0.113.66")))
	})
}
