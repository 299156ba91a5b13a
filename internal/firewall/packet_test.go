package firewall_test

import (
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// brief is a ban that ends during a test, but not before two probes on a busy machine have
// found it: those take half a second.
const brief = 3 * time.Second

// caught says whether the jail's rules have caught a packet: silence alone could have another
// cause.
func caught(t *testing.T, fw kernel, jail string) {
	t.Helper()
	hits, err := fw.Hits()
	ok(t, err)
	if hits[jail] == 0 {
		t.Errorf("no rule of %s caught a packet: %v", jail, hits)
	}
}

func TestBanOfAHostService(t *testing.T) {
	t.Parallel()
	allTables(t, func(t *testing.T, open opener) {
		lab := netlab.New(t)
		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
		staff := lab.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
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
		caught(t, fw, "sshd")
		for _, service := range []string{"tcp", "udp"} {
			attacker.Dead(service, "203.0.113.1:22")
			attacker.Dead(service, "[2001:db8:1::1]:22")
			attacker.Alive(service, "203.0.113.1:80")
			attacker.Alive(service, "[2001:db8:1::1]:80")
			staff.Alive(service, "203.0.113.1:22")
			staff.Alive(service, "[2001:db8:1::1]:22")
		}
		ok(t, fw.Apply(unban("sshd", "203.0.113.66", "2001:db8:1::66")))
		attacker.Alive("tcp", "203.0.113.1:22")
		attacker.Alive("udp", "[2001:db8:1::1]:22")
	})
}

func TestBanOfAPublishedPort(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, open opener) {
		lab := netlab.New(t)
		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
		staff := lab.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
		jumps := lab.NewClient("jumps", "172.17.0.2/16", "fd00:17::2/64")
		other := lab.NewClient("other", "172.17.0.3/16", "fd00:17::3/64")
		lab.Docker()
		lab.Publish("tcp", 2222, jumps, 22)
		lab.Publish("tcp", 2223, other, 22)
		jumps.Serve("tcp", ":22")
		other.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "jumps", Ports: ports(t, "2222"), Protocols: []string{"tcp"}}}))
		for _, host := range []string{"203.0.113.1", "[2001:db8:1::1]"} {
			session := attacker.Open("tcp", host+":2222")
			ok(t, fw.Apply(ban("jumps", time.Hour, "203.0.113.66", "2001:db8:1::66")))
			session.Dead()
			attacker.Dead("tcp", host+":2222")
			attacker.Alive("tcp", host+":2223")
			staff.Alive("tcp", host+":2222")
			ok(t, fw.Apply(unban("jumps", "203.0.113.66", "2001:db8:1::66")))
			attacker.Alive("tcp", host+":2222")
		}
	})
}

// What the host only forwards is none of a jail's business.
func TestForwardedPacketsPass(t *testing.T) {
	t.Parallel()
	oneOfEach(t, tables()[3], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24")
		far := lab.NewClient("far", "198.51.100.9/24")
		far.Serve("tcp", ":22")
		lab.Host.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}, {Jail: "all"}}))
		ok(t, fw.Apply(append(ban("sshd", time.Hour, "203.0.113.66"), ban("all", time.Hour, "203.0.113.66")...)))
		client.Dead("tcp", "203.0.113.1:22")
		client.Alive("tcp", "198.51.100.9:22")
	})
}

func TestBanOfANetwork(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, open opener) {
		lab := netlab.New(t)
		inside := lab.NewClient("inside", "203.0.113.66/24", "2001:db8:1::66/64")
		outside := lab.NewClient("outside", "203.0.113.7/24", "2001:db8:2::7/64")
		lab.Host.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22"), Protocols: []string{"tcp"}}}))
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.64/28", "2001:db8:1::/64")))
		// An address inside a banned network is banned and unbanned on its own.
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66", "2001:db8:1::66")))
		ok(t, fw.Apply(unban("sshd", "203.0.113.66", "2001:db8:1::66")))
		inside.Dead("tcp", "203.0.113.1:22")
		inside.Dead("tcp", "[2001:db8:1::1]:22")
		caught(t, fw, "sshd")
		outside.Alive("tcp", "203.0.113.1:22")
		outside.Alive("tcp", "[2001:db8:2::1]:22")
		ok(t, fw.Apply(unban("sshd", "203.0.113.64/28", "2001:db8:1::/64")))
		inside.Alive("tcp", "203.0.113.1:22")
		inside.Alive("tcp", "[2001:db8:1::1]:22")
	})
}

func TestRejectAnswersAtOnce(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
	jumps := lab.NewClient("jumps", "172.17.0.2/16")
	lab.Docker()
	lab.Publish("tcp", 2222, jumps, 22)
	jumps.Serve("tcp", ":22")
	for _, service := range []string{"tcp", "udp"} {
		lab.Host.Serve(service, ":22")
	}
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{
		{Jail: "both", Ports: ports(t, "22,2222"), Protocols: []string{"udp", "tcp"}, Block: firewall.Reject},
	}))
	session := attacker.Open("tcp", "203.0.113.1:22")
	ok(t, fw.Apply(ban("both", time.Hour, "203.0.113.66", "2001:db8:1::66")))
	session.Dead()
	for _, service := range []string{"tcp", "udp"} {
		attacker.Refused(service, "203.0.113.1:22")
		attacker.Refused(service, "[2001:db8:1::1]:22")
	}
	attacker.Refused("tcp", "203.0.113.1:2222")
}

func TestBanOfAllPortsAndOfRanges(t *testing.T) {
	t.Parallel()
	oneOfEach(t, tables()[2], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24")
		for _, port := range []string{":22", ":80", ":6005", ":6011"} {
			lab.Host.Serve("tcp", port)
			lab.Host.Serve("udp", port)
		}
		fw := open(t, lab.Host)
		for _, c := range []struct {
			name        string
			target      firewall.Target
			dead, alive []string
		}{
			{"all", firewall.Target{}, []string{"tcp22", "udp22", "tcp6011"}, nil},
			{"all of tcp", firewall.Target{Protocols: []string{"tcp"}}, []string{"tcp22", "tcp80"}, []string{"udp22", "udp80"}},
			{"several", firewall.Target{Ports: ports(t, "http,22"), Protocols: []string{"tcp"}}, []string{"tcp22", "tcp80"}, []string{"tcp6005", "udp22"}},
			{"a range", firewall.Target{Ports: ports(t, "22,6000:6010"), Protocols: []string{"tcp", "udp"}}, []string{"tcp22", "tcp6005", "udp6005"}, []string{"tcp6011", "udp80"}},
			{"a port of every protocol", firewall.Target{Ports: ports(t, "80")}, []string{"tcp80", "udp80"}, []string{"tcp22", "udp22"}},
		} {
			c.target.Jail = "jail"
			ok(t, fw.Ensure([]firewall.Target{c.target})) // the ban below stays while the target changes
			ok(t, fw.Apply(ban("jail", time.Hour, "203.0.113.66")))
			for _, probe := range c.dead {
				t.Log(c.name, "dead", probe)
				client.Dead(probe[:3], "203.0.113.1:"+probe[3:])
			}
			for _, probe := range c.alive {
				t.Log(c.name, "alive", probe)
				client.Alive(probe[:3], "203.0.113.1:"+probe[3:])
			}
		}
	})
}

func TestKernelEndsTheBan(t *testing.T) {
	t.Parallel()
	oneOfEach(t, tables()[1], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		client := lab.NewClient("client", "203.0.113.66/24", "2001:db8:1::66/64")
		lab.Host.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22"), Protocols: []string{"tcp"}}}))
		ok(t, fw.Apply(ban("sshd", brief, "203.0.113.66", "2001:db8:1::/64")))
		ok(t, fw.Close()) // nobody is there to lift it
		client.Dead("tcp", "203.0.113.1:22")
		client.Dead("tcp", "[2001:db8:1::1]:22")
		client.Returns("tcp", "203.0.113.1:22")
		client.Returns("tcp", "[2001:db8:1::1]:22")
	})
}

// Of two networks that hold an address the longer ban counts.
func TestNestedNetworksEndEachInItsTime(t *testing.T) {
	t.Parallel()
	oneOfEach(t, tables()[0], func(t *testing.T, open opener) {
		lab := netlab.New(t)
		inner := lab.NewClient("inner", "203.0.113.66/24")
		outer := lab.NewClient("outer", "203.0.113.7/24")
		lab.Host.Serve("tcp", ":22")
		fw := open(t, lab.Host)
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22"), Protocols: []string{"tcp"}}}))
		ok(t, fw.Apply(append(ban("sshd", brief, "203.0.113.0/24"), ban("sshd", time.Hour, "203.0.113.64/26")...)))
		outer.Dead("tcp", "203.0.113.1:22")
		outer.Returns("tcp", "203.0.113.1:22")
		inner.Dead("tcp", "203.0.113.1:22")

		ok(t, fw.Apply(ban("sshd", 0, "203.0.0.0/16"))) // hides the other
		outer.Dead("tcp", "203.0.113.1:22")
		ok(t, fw.Apply(unban("sshd", "203.0.0.0/16"))) // and lays it open again
		outer.Alive("tcp", "203.0.113.1:22")
		inner.Dead("tcp", "203.0.113.1:22")
	})
}
