// Package layouts holds gaol's own table against those of everybody else who filters or
// redirects on a host: each script lays their tables as they are known, written for this test.
package layouts

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

// site is a host with two containers behind one bridge, an attacker and staff.
type site struct {
	*netlab.Lab
	t               *testing.T
	attacker, staff *netlab.Node
	fw              *firewall.NFT
	script          string
	env             []string
}

func hosts() []string { return []string{"203.0.113.1", "2001:db8:1::1"} }

func newSite(t *testing.T, script, iptables string) *site {
	t.Helper()
	s := &site{Lab: netlab.New(t), t: t, script: script}
	s.attacker = s.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
	s.staff = s.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
	s.Host.Run("ip", "link", "add", "br-lab", "type", "bridge")
	s.Host.Run("ip", "address", "add", "172.17.0.1/16", "dev", "br-lab")
	s.Host.Run("ip", "address", "add", "fd00:17::1/64", "dev", "br-lab", "nodad")
	s.Host.Run("ip", "link", "set", "br-lab", "up")
	for name, addrs := range map[string][]string{"box": {"172.17.0.2/16", "fd00:17::2/64"}, "other": {"172.17.0.3/16", "fd00:17::3/64"}} {
		n := s.NewClient(name, addrs...)
		for _, family := range []string{"-4", "-6"} {
			s.Host.Run("ip", family, "address", "flush", "dev", n.Device())
			s.Host.Run("ip", family, "route", "flush", "dev", n.Device())
		}
		s.Host.Run("ip", "link", "set", n.Device(), "master", "br-lab")
		n.Serve("tcp", ":22")
	}
	s.env = []string{"IPTABLES=" + iptables, "XTABLES_LOCKFILE=" + filepath.Join(t.TempDir(), "lock")}
	s.lay()
	fw, err := firewall.NewNFT(firewall.NFTOptions{NetNS: s.Host.Path()})
	s.ok(err)
	t.Cleanup(func() { fw.Close() })
	s.fw = fw
	return s
}

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// lay lays the foreign tables, or makes them anew as their owner does at a restart.
func (s *site) lay() {
	s.t.Helper()
	s.Host.Run("env", append(s.env, "sh", "-e", s.script)...)
}

// foreign lists everything that is not ours, without counters.
func (s *site) foreign() string {
	s.t.Helper()
	var all strings.Builder
	for line := range strings.Lines(s.Host.Run("nft", "list", "tables")) {
		if line = strings.TrimSpace(line); line != "table inet gaol" {
			all.WriteString(s.Host.Run("nft", append([]string{"-s", "list"}, strings.Fields(line)...)...))
		}
	}
	for _, save := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		for line := range strings.Lines(s.Host.Run("env", append(s.env, save)...)) {
			rule, _, _ := strings.Cut(line, " [") // counters of a chain
			if !strings.HasPrefix(rule, "#") {
				all.WriteString(strings.TrimSpace(rule) + "\n")
			}
		}
	}
	return all.String()
}

func (s *site) change(add bool) {
	s.t.Helper()
	c := firewall.Change{Jail: "box"}
	for _, text := range []string{"203.0.113.66/32", "2001:db8:1::66/128"} {
		p := netip.MustParsePrefix(text)
		if add {
			c.Add = append(c.Add, firewall.Element{Prefix: p, Timeout: time.Hour})
		} else {
			c.Remove = append(c.Remove, p)
		}
	}
	s.ok(s.fw.Apply([]firewall.Change{c}))
}

// targets are the ways to close port 2222.
func targets() []firewall.Target {
	port := firewall.PortRange{First: 2222, Last: 2222}
	bound := firewall.Target{Jail: "box", Scoped: true, Block: firewall.Reject}
	for _, h := range hosts() {
		bound.Endpoints = append(bound.Endpoints, firewall.Endpoint{Addr: netip.MustParseAddr(h), Proto: "tcp", Port: port})
	}
	return []firewall.Target{
		{Jail: "box", Ports: []firewall.PortRange{port}, Protocols: []string{"tcp"}},
		{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{{Proto: "tcp", Port: port}}},
		bound,
	}
}

// A banned client is dead on the port it dials, and nobody else notices anything; neither do
// the others' tables.
func TestBansBesideOthersTables(t *testing.T) {
	for _, c := range []struct {
		name, script, iptables string
		onHost                 bool // the port is served by the host itself
	}{
		{name: "docker 28", script: "docker28.sh", iptables: "iptables"},
		{name: "docker 28, legacy iptables", script: "docker28.sh", iptables: "iptables-legacy"},
		{name: "docker 29, nftables", script: "docker29.sh"},
		{name: "netavark 2", script: "netavark2.sh"},
		{name: "firewalld", script: "firewalld.sh"},
		{name: "kube-proxy", script: "kubeproxy.sh"},
		{name: "ufw", script: "ufw.sh", onHost: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.script, c.iptables)
			if c.onHost {
				s.Host.Serve("tcp", ":2222")
				s.Host.Serve("tcp", ":2223")
			}
			before := s.foreign()
			for i, target := range targets() {
				s.ok(s.fw.Ensure([]firewall.Target{target}))
				session := s.attacker.Open("tcp", net.JoinHostPort(hosts()[i%2], "2222"))
				s.change(true)
				session.Dead()
				s.bites(target.Block)
				if target.Scoped && target.Block == firewall.Drop {
					s.lay() // their owner restarts
					s.bites(target.Block)
				}
				s.change(false)
				s.attacker.Alive("tcp", "203.0.113.1:2222")
				s.attacker.Alive("tcp", "[2001:db8:1::1]:2222")
			}
			if after := s.foreign(); after != before {
				t.Errorf("the others' tables were\n%s\nare\n%s", before, after)
			}
			s.ok(s.fw.Drop())
			if after := s.foreign(); after != before {
				t.Errorf("the others' tables were\n%s\nare after Drop\n%s", before, after)
			}
		})
	}
}

func (s *site) bites(b firewall.Block) {
	s.t.Helper()
	for _, h := range hosts() {
		if b == firewall.Reject {
			s.attacker.Refused("tcp", net.JoinHostPort(h, "2222"))
		} else {
			s.attacker.Dead("tcp", net.JoinHostPort(h, "2222"))
		}
		s.attacker.Alive("tcp", net.JoinHostPort(h, "2223"))
		s.staff.Alive("tcp", net.JoinHostPort(h, "2222"))
	}
	hits, err := s.fw.Hits()
	s.ok(err)
	if hits["box"] == 0 {
		s.t.Errorf("no rule of ours caught a packet: %v", hits)
	}
}
