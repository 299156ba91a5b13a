package firewall_test

import (
	"net"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// closedTo checks that a place is closed to n in the target's way.
func closedTo(n *netlab.Node, b firewall.Block, network, addr, port string) {
	if b == firewall.Reject {
		n.Refused(network, net.JoinHostPort(addr, port))
		return
	}
	n.Dead(network, net.JoinHostPort(addr, port))
}

func blocks(t *testing.T, test func(t *testing.T, b firewall.Block)) {
	for _, b := range []firewall.Block{firewall.Drop, firewall.Reject} {
		t.Run(b.String(), func(t *testing.T) { t.Parallel(); test(t, b) })
	}
}

// Two containers are published on the same port of two addresses of the host: a jail of one
// is none of the other.
func TestOneOfTwoHostAddresses(t *testing.T) {
	t.Parallel()
	blocks(t, func(t *testing.T, b firewall.Block) {
		lab := netlab.New(t)
		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
		staff := lab.NewClient("staff", "198.51.100.7/24", "2001:db8:2::7/64") // the host has two addresses of each family
		lab.Docker()
		hosts := map[string][2]string{"one": {"203.0.113.1", "2001:db8:1::1"}, "two": {"198.51.100.1", "2001:db8:2::1"}}
		for name, in := range map[string][]string{"one": {"172.17.0.2/16", "fd00:17::2/64"}, "two": {"172.17.0.3/16", "fd00:17::3/64"}} {
			box := lab.NewClient(name, in...)
			for _, network := range []string{"tcp", "udp"} {
				box.Serve(network, ":22")
				lab.PublishOn(hosts[name], network, 2222, box, 22)
			}
		}
		target := firewall.Target{Jail: "one", Scoped: true, Block: b}
		for _, addr := range hosts["one"] {
			for _, network := range []string{"tcp", "udp"} {
				target.Endpoints = append(target.Endpoints, endpoint(t, network, addr, "2222"))
			}
		}
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{target}))
		session := attacker.Open("tcp", "203.0.113.1:2222")
		other := attacker.Open("tcp", "198.51.100.1:2222")
		ok(t, fw.Apply(ban("one", time.Hour, "203.0.113.66", "2001:db8:1::/64")))
		session.Dead()
		other.Alive()
		for _, network := range []string{"tcp", "udp"} {
			for i := range 2 {
				closedTo(attacker, b, network, hosts["one"][i], "2222")
				attacker.Alive(network, net.JoinHostPort(hosts["two"][i], "2222"))
				staff.Alive(network, net.JoinHostPort(hosts["one"][i], "2222"))
			}
		}
		caught(t, fw, "one")
	})
}

// A container that was published as 2222 comes back as 2299, and another one takes 2222.
func TestRepublish(t *testing.T) {
	t.Parallel()
	blocks(t, func(t *testing.T, b firewall.Block) {
		lab := netlab.New(t)
		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
		staff := lab.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
		box := lab.NewClient("box", "172.17.0.2/16", "fd00:17::2/64")
		lab.Docker()
		lab.Publish("tcp", 2222, box, 22)
		box.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		at := func(port string) []firewall.Target {
			return []firewall.Target{{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{endpoint(t, "tcp", "", port)}, Block: b}}
		}
		ok(t, fw.Ensure(at("2222")))
		ok(t, fw.Apply(ban("box", time.Hour, "203.0.113.66", "2001:db8:1::66")))
		hosts := []string{"203.0.113.1", "2001:db8:1::1"}
		for _, host := range hosts {
			closedTo(attacker, b, "tcp", host, "2222")
		}

		for _, iptables := range []string{"iptables", "ip6tables"} {
			lab.Host.Iptables(iptables, "-t", "nat", "-F", "DOCKER")
		}
		neighbour := lab.NewClient("neighbour", "172.17.0.9/16", "fd00:17::9/64")
		lab.Publish("tcp", 2222, neighbour, 80)
		lab.Publish("tcp", 2299, box, 22)
		neighbour.Serve("tcp", ":80")
		session := attacker.Open("tcp", "203.0.113.1:2299") // not closed yet
		innocent := staff.Open("tcp", "203.0.113.1:2299")
		ok(t, fw.Ensure(at("2299")))
		session.Dead()
		innocent.Alive()
		for _, host := range hosts {
			closedTo(attacker, b, "tcp", host, "2299")
			staff.Alive("tcp", net.JoinHostPort(host, "2299"))
			attacker.Alive("tcp", net.JoinHostPort(host, "2222"))
		}
		ok(t, fw.Ensure([]firewall.Target{{Jail: "box", Scoped: true, Block: b}})) // down
		attacker.Alive("tcp", "203.0.113.1:2299")
		ok(t, fw.Ensure(at("2299")))
		closedTo(attacker, b, "tcp", "203.0.113.1", "2299") // the ban was kept
	})
}

// A container whose network is routed is dialled at its own address, which is none of the
// host's; what is published beside it goes through DNAT.
func TestContainersOwnAddress(t *testing.T) {
	t.Parallel()
	blocks(t, func(t *testing.T, b firewall.Block) {
		lab := netlab.New(t)
		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
		staff := lab.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
		box := lab.NewClient("box", "172.17.0.2/16", "fd00:17::2/64")
		other := lab.NewClient("other", "172.17.0.3/16", "fd00:17::3/64")
		lab.Docker()
		lab.Host.Serve("tcp", ":22")
		target := firewall.Target{Jail: "box", Scoped: true, Block: b}
		for _, network := range []string{"tcp", "udp"} {
			lab.Publish(network, 2222, box, 22)
			lab.Publish(network, 2223, other, 22)
			box.Serve(network, ":22")
			other.Serve(network, ":22")
			target.Endpoints = append(target.Endpoints, endpoint(t, network, "172.17.0.2", "22"), endpoint(t, network, "fd00:17::2", "22"))
		}
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{target}))
		session := attacker.Open("tcp", "172.17.0.2:22")
		ok(t, fw.Apply(ban("box", time.Hour, "203.0.113.66", "2001:db8:1::66")))
		session.Dead()
		for _, network := range []string{"tcp", "udp"} {
			closedTo(attacker, b, network, "172.17.0.2", "22")
			closedTo(attacker, b, network, "fd00:17::2", "22")
			attacker.Alive(network, "172.17.0.3:22")
			attacker.Alive(network, "203.0.113.1:2222") // not named
			staff.Alive(network, "172.17.0.2:22")
			staff.Alive(network, "[fd00:17::2]:22")
		}
		attacker.Alive("tcp", "203.0.113.1:22") // the host's own service has the same port
		target.Endpoints = append(target.Endpoints, endpoint(t, "tcp", "", "2222"))
		ok(t, fw.Ensure([]firewall.Target{target}))
		closedTo(attacker, b, "tcp", "203.0.113.1", "2222")
		closedTo(attacker, b, "tcp", "2001:db8:1::1", "2222")
		attacker.Alive("tcp", "203.0.113.1:2223")
		attacker.Alive("tcp", "203.0.113.1:22")
	})
}
