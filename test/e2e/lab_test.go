package e2e

import (
	"bytes"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// lab is the article's situation: a Docker host between attackers and the staff.
type lab struct {
	host, attacker, slow, staff *netlab.Node // slow is another attacker
	docker                      *docker      // the engine
	staffKey                    string       // file
}

// Who the clients are (RFC 5737), and where they reach the host.
const (
	attackerIP  = "203.0.113.66"
	attackerIP6 = "2001:db8:66::66"
	slowIP      = "192.0.2.55"
	staffIP     = "198.51.100.77"
	staffIP6    = "2001:db8:77::77"
)

var (
	hostOfAttacker  = netip.MustParseAddr("203.0.113.1")
	hostOfAttacker6 = netip.MustParseAddr("2001:db8:66::1")
	hostOfSlow      = netip.MustParseAddr("192.0.2.1")
	hostOfStaff     = netip.MustParseAddr("198.51.100.1")
	hostOfStaff6    = netip.MustParseAddr("2001:db8:77::1")
)

// newLab makes the lab with Docker; it ends with the test.
func newLab(t *testing.T, options ...string) *lab {
	t.Helper()
	need(t, "dockerd")
	return newLabOf(t, func(n *netlab.Node) (*docker, error) { return startDocker(n, options...) })
}

// newLabOf makes the lab with an engine that start starts.
func newLabOf(t *testing.T, start func(*netlab.Node) (*docker, error)) *lab {
	t.Helper()
	need(t, "nft", "iptables", "sshd", "ssh", "sshpass", "rsyslogd", "unshare", "nsenter", "ldd")
	began := time.Now()
	net := netlab.New(t)
	l := &lab{host: net.Host, attacker: net.NewClient("attacker", attackerIP+"/24", attackerIP6+"/64"),
		slow: net.NewClient("slow", slowIP+"/24"), staff: net.NewClient("staff", staffIP+"/24", staffIP6+"/64")}
	// Docker closes FORWARD (policy drop) when it is the one that turns forwarding on, as on
	// most hosts.
	l.host.Sysctl("net.ipv4.ip_forward", "0")
	var err error
	if l.docker, err = start(l.host); err != nil {
		t.Fatalf("make the lab: %v", err)
	}
	t.Cleanup(l.docker.close)
	ready := time.Since(began)
	size, err := l.image()
	if err != nil {
		t.Fatalf("make the image: %v", err)
	}
	t.Logf("lab: engine ready after %s, image of %d MiB made and loaded after %s",
		ready.Round(time.Millisecond), size>>20, (time.Since(began) - ready).Round(time.Millisecond))
	return l
}

// image makes and loads the image and returns its size in bytes.
func (l *lab) image() (int, error) {
	staff, err := newKey()
	if err != nil {
		return 0, err
	}
	if l.staffKey, err = saveKey(l.docker.dir, staff); err != nil {
		return 0, err
	}
	var rootfs bytes.Buffer
	if err := writeImage(&rootfs, staff.public); err != nil {
		return 0, err
	}
	size := rootfs.Len()
	return size, l.docker.load(&rootfs)
}

// jump is a running jump host container.
type jump struct {
	name string
	addr netip.Addr // on Docker's bridge: destip of the article's action
	log  *feed      // its auth.log as the host sees it; log.name is the path
	port uint16
}

// at is the container as a client dials it on one of the host's addresses.
func (j *jump) at(host netip.Addr) netip.AddrPort { return netip.AddrPortFrom(host, j.port) }

// run starts a jump host and waits for its sshd; it ends with the lab.
func (l *lab) run(t *testing.T, name string, port uint16) *jump {
	t.Helper()
	j := &jump{name: name, port: port}
	j.log = follow(t, filepath.Join(testDir(t), "docker-"+name+"-auth.log"))
	var err error
	if j.addr, err = l.docker.runJump(name, int(port), j.log.name); err != nil {
		t.Fatalf("run container %s: %v", name, err)
	}
	j.log.wait(t, "Server listening on 0.0.0.0 port 22", 1, 20*time.Second)
	return j
}

// logTime is when a line of auth.log was written, as its stamp says.
func logTime(t *testing.T, line string) time.Time {
	t.Helper()
	stamp, _, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		t.Fatalf("read the stamp of %q: %v", line, err)
	}
	return at
}

// byHand is the article's ban as gaol's table has it: before DNAT, where the port is still the
// one that the client dialled.
const byHand = `table inet byhand {
	set ban4 { type ipv4_addr; flags timeout; elements = { ` + attackerIP + ` } }
	chain pre { type filter hook prerouting priority raw; policy accept;
		ip saddr @ban4 fib daddr type local tcp dport 2222 counter drop
	}
}`

// TestLab shows that the lab is what the other tests take it for, with a table laid by hand.
func TestLab(t *testing.T) {
	l := newLab(t)
	jumps, other := l.run(t, "jumps", 2222), l.run(t, "other", 2223)
	for _, j := range []*jump{jumps, other} {
		if err := login(l.staff, l.staffKey, j.at(hostOfStaff)); err != nil {
			t.Fatalf("staff's login on %s: %v", j.name, err)
		}
	}

	attack(t, l.attacker, "tmp", jumps.at(hostOfAttacker), 2)
	jumps.log.wait(t, "Invalid user tmp from "+attackerIP+" port ", 2, 5*time.Second)
	jumps.log.wait(t, "Failed password for invalid user tmp from "+attackerIP+" port ", 2, 5*time.Second)
	last := jumps.log.wait(t, "Connection closed by invalid user tmp "+attackerIP+" port ", 2, 5*time.Second)[1]
	if ago := time.Since(logTime(t, last)); ago < 0 || ago > time.Minute {
		t.Errorf("line %q is stamped %s ago", last, ago)
	}

	live := open(t, l.attacker, jumps.at(hostOfAttacker))
	if control := open(t, l.attacker, jumps.at(hostOfAttacker)); !control.alive(5 * time.Second) {
		t.Error("an open connection does not answer although nobody is banned")
	}
	attacker := startProbe(t, l.attacker, jumps.at(hostOfAttacker))
	free := []*probe{startProbe(t, l.attacker, other.at(hostOfAttacker)), startProbe(t, l.staff, jumps.at(hostOfStaff))}
	began := attacker.waitOpen(t, 5*time.Second)
	for _, p := range free {
		p.waitOpen(t, 5*time.Second)
	}

	banned := time.Now()
	l.host.Run("nft", byHand)
	t.Logf("first dropped SYN %s after nft was started", attacker.waitShut(t, 5*time.Second).Sub(banned).Round(100*time.Microsecond))
	if live.alive(2 * time.Second) {
		t.Error("the attacker's open connection still answers")
	}
	if err := guess(l.attacker, "tmp", jumps.at(hostOfAttacker)); err == nil || errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh got %v, want no connection", err)
	}
	if err := guess(l.attacker, "tmp", other.at(hostOfAttacker)); !errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh to %s got %v, want %v", other.name, err, errDenied)
	}
	if err := login(l.staff, l.staffKey, jumps.at(hostOfStaff)); err != nil {
		t.Errorf("staff's login during the ban: %v", err)
	}
	for _, p := range free {
		p.mustStayOpen(t, began)
	}
	l.host.Run("nft", "delete table inet byhand")
	attacker.waitOpen(t, 5*time.Second)
}
