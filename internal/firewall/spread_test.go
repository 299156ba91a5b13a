package firewall_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// macvlans is a host on a LAN with an attacker and staff, whose containers are on that LAN
// themselves, by macvlan: the host never sees their packets.
type macvlans struct {
	*netlab.Lab
	attacker, staff *netlab.Node
	path            string // leads to the container's namespace
}

func newMacvlans(t *testing.T) *macvlans {
	t.Helper()
	m := &macvlans{Lab: netlab.New(t), path: filepath.Join(t.TempDir(), "netns")}
	m.attacker = m.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
	m.staff = m.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
	m.Host.Run("ip", "link", "add", "lan", "type", "bridge")
	for _, n := range []*netlab.Node{m.attacker, m.staff} {
		m.Host.Run("ip", "address", "flush", "dev", n.Device())
		m.Host.Run("ip", "link", "set", n.Device(), "master", "lan")
	}
	m.Host.Run("ip", "address", "add", "203.0.113.1/24", "dev", "lan")
	m.Host.Run("ip", "address", "add", "2001:db8:1::1/64", "dev", "lan", "nodad")
	m.Host.Run("ip", "link", "set", "lan", "up")
	return m
}

// start starts a container that serves port 22 and 80 and lets the path lead to it.
func (m *macvlans) start(t *testing.T, name string, addrs ...string) *netlab.Node {
	t.Helper()
	box := m.NewClient(name)
	m.Host.Run("ip", "link", "add", "mv0", "link", "lan", "type", "macvlan", "mode", "bridge")
	m.Host.Run("ip", "link", "set", "mv0", "netns", box.Path())
	for _, a := range addrs {
		box.Run("ip", "address", "add", a, "dev", "mv0", "nodad")
	}
	box.Run("ip", "link", "set", "mv0", "up")
	for _, network := range []string{"tcp", "udp"} {
		box.Serve(network, ":22")
		box.Serve(network, ":80")
	}
	m.lead(t, box)
	return box
}

// lead lets the path lead to the node, or nowhere.
func (m *macvlans) lead(t *testing.T, box *netlab.Node) {
	t.Helper()
	if err := os.Remove(m.path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if box != nil {
		ok(t, os.Symlink(box.Path(), m.path))
	}
}

func (m *macvlans) target(t *testing.T) firewall.Target {
	return firewall.Target{Jail: "box", Scoped: true, Inside: []firewall.Inside{
		{NetNS: m.path, Ports: ports(t, "22"), Protocols: []string{"tcp"}},
		{NetNS: m.path, Ports: ports(t, "22"), Protocols: []string{"udp"}},
	}}
}

func spread(t *testing.T, lab *netlab.Lab) *firewall.Spread {
	t.Helper()
	s := firewall.NewSpread(open(t, lab.Host))
	t.Cleanup(func() { s.Close() })
	return s
}

// bites checks that the container is closed to the attacker and to nobody else.
func (m *macvlans) bites(t *testing.T, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		for _, network := range []string{"tcp", "udp"} {
			m.attacker.Dead(network, addr+":22")
			m.attacker.Alive(network, addr+":80")
			m.staff.Alive(network, addr+":22")
		}
	}
}

func TestBanOfAMacvlanContainer(t *testing.T) {
	t.Parallel()
	m := newMacvlans(t)
	s := spread(t, m.Lab)
	ok(t, s.Ensure([]firewall.Target{m.target(t), {Jail: "all"}})) // the container is not there yet
	ok(t, s.Apply(ban("box", time.Hour, "203.0.113.66", "2001:db8:1::66")))

	box := m.start(t, "box", "203.0.113.50/24", "2001:db8:1::50/64")
	m.attacker.Alive("tcp", "203.0.113.50:22") // nobody has told us
	session := m.attacker.Open("tcp", "203.0.113.50:22")
	ok(t, s.Ensure([]firewall.Target{m.target(t)}))
	session.Dead()
	m.bites(t, "203.0.113.50", "[2001:db8:1::50]")
	hits, err := s.Hits()
	ok(t, err)
	if hits["box"] == 0 {
		t.Errorf("no rule of box caught a packet: %v", hits)
	}
	ok(t, s.Apply(append(unban("box", "203.0.113.66"), ban("all", time.Hour, "203.0.113.66")...)))
	m.attacker.Alive("tcp", "203.0.113.50:22") // what the other jail bans holds on the host only
	ok(t, s.Apply(append(unban("all", "203.0.113.66"), ban("box", time.Hour, "203.0.113.66", "198.51.100.0/24")...)))

	box.Run("ip", "link", "delete", "mv0")
	m.lead(t, nil) // it dies; bans go on
	ok(t, s.Apply(ban("box", time.Hour, "203.0.113.99")))
	again := m.start(t, "again", "203.0.113.51/24", "2001:db8:1::51/64")
	ok(t, s.Apply(nil))
	ok(t, s.Apply(ban("box", 0, "203.0.113.98")))
	m.bites(t, "203.0.113.51", "[2001:db8:1::51]")
	all := list(t, s)["box"]
	sameBans(t, list(t, open(t, again)), map[string][]firewall.Element{"box": all})
	if len(all) != 5 {
		t.Errorf("the jail holds %v, want 5 bans", all)
	}

	// A container of an ordinary network again: nothing of ours stays inside.
	ok(t, s.Ensure([]firewall.Target{{Jail: "box", Scoped: true}}))
	if left := again.Run("nft", "list", "ruleset"); left != "" {
		t.Errorf("the namespace still holds\n%s", left)
	}
	sameBans(t, list(t, s), map[string][]firewall.Element{"box": all, "all": nil})
}

// What others delete inside is told, as by the host's own backend, mended and told once.
func TestSpreadMendsInside(t *testing.T) {
	t.Parallel()
	m := newMacvlans(t)
	box := m.start(t, "box", "203.0.113.50/24")
	s := spread(t, m.Lab)
	targets := []firewall.Target{m.target(t), {Jail: "sshd"}}
	ok(t, s.Ensure(targets))
	ok(t, s.Apply(ban("box", 0, "203.0.113.66", "2001:db8::1", "10.0.0.0/8")))
	in := " in namespace " + m.path
	want := text(box)
	for _, watched := range []bool{false, true} {
		var told <-chan string
		if watched {
			told = listen(t, s)
			first := []string{next(t, told), next(t, told)}
			if !slices.Contains(first, "the watch began") || !slices.Contains(first, "in namespace "+m.path+": the watch began") {
				t.Errorf("told %q, want that both watches began", first)
			}
			_, err := s.Mend(targets)
			ok(t, err)
		}
		for _, c := range []struct{ script, lacked string }{
			{"delete element inet gaol j_box_ban4 { 203.0.113.66 }", "bans of jail box (1)" + in},
			{"delete element inet gaol j_box_port { tcp . 22 }", "the rules of jail box" + in},
			{"delete table inet gaol", "the table" + in + "|bans of jail box (3)" + in},
			{"flush chain inet gaol pre", "the rules of chain pre" + in},
		} {
			box.Run("nft", c.script)
			if watched {
				if what := next(t, told); !strings.HasPrefix(what, "in namespace "+m.path+": nft (process ") {
					t.Errorf("%s: told %q", c.script, what)
				}
			}
			lacked, err := s.Mend(targets)
			ok(t, err)
			if got := strings.Join(lacked, "|"); !sameParts(got, c.lacked) {
				t.Errorf("%s: Mend says %q, want %q", c.script, got, c.lacked)
			}
			if got := text(box); got != want {
				t.Errorf("%s: after Mend the table is\n%s\nwant\n%s", c.script, got, want)
			}
			if lacked, err = s.Mend(targets); err != nil || len(lacked) > 0 {
				t.Errorf("%s: Mend says again %q, %v", c.script, lacked, err)
			}
		}
	}
	// A ban that comes before the repair brings all others back.
	box.Run("nft", "flush ruleset")
	ok(t, s.Apply(ban("box", 0, "203.0.113.67")))
	sameBans(t, list(t, open(t, box)), map[string][]firewall.Element{"box": list(t, s)["box"]})
	ok(t, s.Apply([]firewall.Change{{Jail: "box", Forget: true}}))
	if left := box.Run("nft", "list", "ruleset"); left != "" {
		t.Errorf("after Forget the namespace holds\n%s", left)
	}
}

// A container's process ends, and its id may be one of the host's next.
func TestSpreadLetsNamespacesGo(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	s := spread(t, lab)
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", "echo up; exec sleep 600")
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	ok(t, err)
	path := fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
	ns, err := os.Readlink(path)
	ok(t, err)
	target := firewall.Target{Jail: "box", Inside: []firewall.Inside{{NetNS: path}}}
	ok(t, s.Ensure([]firewall.Target{target}))
	if !held(t, ns) {
		t.Errorf("%s was not entered", ns)
	}
	ok(t, s.Apply(ban("box", 0, "203.0.113.66")))
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	ok(t, s.Apply(ban("box", 0, "203.0.113.67")))
	lacked, err := s.Mend([]firewall.Target{target})
	ok(t, err)
	if len(lacked) > 0 || held(t, ns) {
		t.Errorf("after the container's end Mend says %q, and its namespace is held: %v", lacked, held(t, ns))
	}
	// The way leads to the host itself: its table is left alone.
	target.Inside = []firewall.Inside{{NetNS: lab.Host.Path(), Ports: ports(t, "80")}}
	ok(t, s.Ensure([]firewall.Target{target}))
	before := lab.Host.Run("nft", "list", "ruleset")
	ok(t, s.Ensure([]firewall.Target{{Jail: "box"}}))
	if after := lab.Host.Run("nft", "list", "ruleset"); after != before || strings.Contains(after, "80") {
		t.Errorf("the host's own table was\n%s\nis\n%s", before, after)
	}
	ok(t, s.Drop())
	if left := lab.Host.Run("nft", "list", "ruleset"); left != "" {
		t.Errorf("after Drop the host holds\n%s", left)
	}
}

// held says whether this process has the namespace open.
func held(t *testing.T, ns string) bool {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	ok(t, err)
	return slices.ContainsFunc(open, func(e os.DirEntry) bool {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		return err == nil && to == ns
	})
}

// The host's own firewall may be another: inside it is nft all the same.
func TestSpreadAroundIPTables(t *testing.T) {
	t.Parallel()
	m := newMacvlans(t)
	box := m.start(t, "box", "203.0.113.50/24", "2001:db8:1::50/64")
	m.Host.Serve("tcp", ":22")
	s := firewall.NewSpread(openIPTables(t, m.Host, firewall.IPTablesOptions{Variant: "legacy"}))
	t.Cleanup(func() { s.Close() })
	target := m.target(t)
	target.Endpoints = []firewall.Endpoint{endpoint(t, "tcp", "", "22")}
	ok(t, s.Ensure([]firewall.Target{target}))
	ok(t, s.Apply(ban("box", time.Hour, "203.0.113.66", "2001:db8:1::66")))
	m.bites(t, "203.0.113.50", "[2001:db8:1::50]")
	m.attacker.Dead("tcp", "203.0.113.1:22")
	m.staff.Alive("tcp", "203.0.113.1:22")
	box.Run("nft", "flush ruleset")
	lacked, err := s.Mend([]firewall.Target{target})
	ok(t, err)
	if len(lacked) != 2 {
		t.Errorf("Mend says %q, want the table and two bans", lacked)
	}
	m.bites(t, "203.0.113.50")
	// A way that leads to the host, whose table would be another one than its firewall's.
	target.Inside = []firewall.Inside{{NetNS: m.Host.Path()}}
	ok(t, s.Ensure([]firewall.Target{target}))
	for _, n := range []*netlab.Node{m.Host, box} {
		if left := n.Run("nft", "list", "ruleset"); strings.Contains(left, "gaol") {
			t.Errorf("%s holds\n%s", n.Name, left)
		}
	}
}
