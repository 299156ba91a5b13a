package firewall_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

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

func TestBanOfAHostService(t *testing.T) {
	lab := netlab.New(t)
	attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
	staff := lab.NewClient("staff", "198.51.100.7/24", "2001:db8:2::7/64")
	for _, service := range []string{"tcp", "udp"} {
		lab.Host.Serve(service, ":22")
		lab.Host.Serve(service, ":80")
	}
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22"), Protocols: []string{"tcp", "udp"}}}))
	session := attacker.Open("tcp", "203.0.113.1:22")
	session6 := attacker.Open("tcp", "[2001:db8:1::1]:22")
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66", "2001:db8:1::66")))

	session.Dead()
	session6.Dead()
	for _, service := range []string{"tcp", "udp"} {
		attacker.Dead(service, "203.0.113.1:22")
		attacker.Dead(service, "[2001:db8:1::1]:22")
		attacker.Alive(service, "203.0.113.1:80")
		attacker.Alive(service, "[2001:db8:1::1]:80")
		staff.Alive(service, "198.51.100.1:22")
		staff.Alive(service, "[2001:db8:2::1]:22")
	}
	ok(t, fw.Apply(unban("sshd", "203.0.113.66", "2001:db8:1::66")))
	attacker.Alive("tcp", "203.0.113.1:22")
	attacker.Alive("udp", "[2001:db8:1::1]:22")
}
