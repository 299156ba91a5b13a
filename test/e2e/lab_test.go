package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The addresses of the lab (RFC 5737): the same in each run, since its namespaces are its own.
var (
	hostToAttacker = netip.MustParsePrefix("203.0.113.1/24")
	attackerAddr   = netip.MustParsePrefix("203.0.113.66/24")
	hostToStaff    = netip.MustParsePrefix("198.51.100.1/24")
	staffAddr      = netip.MustParsePrefix("198.51.100.77/24")
)

// lab is the article's situation: a Docker host between an attacker and the staff.
type lab struct {
	host, attacker, staff *netns
	docker                *docker
	staffKey              string // file
}

// shared is the lab of this test run: made for the first test that needs it, ended by TestMain.
var shared labOnce

type labOnce struct {
	once sync.Once
	lab  *lab
	err  error
}

func (o *labOnce) close() {
	if o.lab != nil {
		o.lab.close()
	}
}

// dockerLab returns the run's lab.
func dockerLab(t *testing.T) *lab {
	t.Helper()
	need(t, "ip", "nft", "iptables", "sshd", "ssh", "sshpass", "rsyslogd", "dockerd", "unshare", "ldd")
	shared.once.Do(func() {
		start := time.Now()
		shared.lab, shared.err = newLab(t)
		t.Logf("lab is up after %s", time.Since(start).Round(time.Millisecond))
	})
	if shared.err != nil {
		t.Fatalf("make the lab: %v", shared.err)
	}
	return shared.lab
}

func newLab(t *testing.T) (*lab, error) {
	l := &lab{}
	err := l.start(t)
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) start(t *testing.T) (err error) {
	for name, n := range map[string]**netns{"dhost": &l.host, "attacker": &l.attacker, "staff": &l.staff} {
		if *n, err = newNetns(name); err != nil {
			return err
		}
	}
	if err := link(l.host, l.attacker, "attacker", [2]netip.Prefix{hostToAttacker, attackerAddr}); err != nil {
		return err
	}
	if err := link(l.host, l.staff, "staff", [2]netip.Prefix{hostToStaff, staffAddr}); err != nil {
		return err
	}
	if _, err := l.host.run("echo 1 >/proc/sys/net/ipv4/ip_forward"); err != nil {
		return err
	}
	start := time.Now()
	if l.docker, err = startDocker(l.host); err != nil {
		return err
	}
	t.Logf("dockerd is ready after %s", time.Since(start).Round(time.Millisecond))
	start = time.Now()
	staffKey, err := newKey()
	if err != nil {
		return err
	}
	if l.staffKey, err = saveKey(l.docker.dir, staffKey); err != nil {
		return err
	}
	var image bytes.Buffer
	if err := writeImage(&image, staffKey.public); err != nil {
		return err
	}
	size := image.Len() >> 20
	if err := l.docker.load(&image); err != nil {
		return err
	}
	t.Logf("image of %d MiB is made and loaded after %s", size, time.Since(start).Round(time.Millisecond))
	return nil
}

func (l *lab) close() {
	if l.docker != nil {
		l.docker.close()
	}
	for _, n := range []*netns{l.attacker, l.staff, l.host} {
		if n != nil {
			n.close()
		}
	}
}

// jump is a running jump host container.
type jump struct {
	container
	name string
	log  *feed // its auth.log as the host sees it; log.name is the path
	port uint16
}

// at is where a client on the other side of addr's cable dials the container.
func (j *jump) at(addr netip.Prefix) netip.AddrPort { return netip.AddrPortFrom(addr.Addr(), j.port) }

// run starts a jump host and waits for its sshd; it ends with the test.
func (l *lab) run(t *testing.T, name string, port uint16) *jump {
	t.Helper()
	j := &jump{name: name, port: port}
	j.log = follow(t, filepath.Join(testDir(t), "docker-"+name+"-auth.log"))
	var err error
	j.container, err = l.docker.runJump(name, int(port), j.log.name)
	t.Cleanup(func() {
		if j.id == "" {
			return
		}
		if err := l.docker.remove(j.container); err != nil {
			t.Errorf("remove container %s: %v", name, err)
		}
	})
	if err != nil {
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

// TestLab shows that the lab is what the other tests take it for, with a table laid by hand.
func TestLab(t *testing.T) {
	l := dockerLab(t)
	jumps, other := l.run(t, "jumps", 2222), l.run(t, "other", 2223)
	for _, j := range []*jump{jumps, other} {
		if err := l.staff.login(l.staffKey, j.at(hostToStaff)); err != nil {
			t.Fatalf("staff's login on %s: %v", j.name, err)
		}
	}

	l.attacker.attack(t, "tmp", jumps.at(hostToAttacker), 2)
	from := fmt.Sprintf(" from %s port ", attackerAddr.Addr())
	jumps.log.wait(t, "Invalid user tmp"+from, 2, 5*time.Second)
	jumps.log.wait(t, "Failed password for invalid user tmp"+from, 2, 5*time.Second)
	last := jumps.log.wait(t, fmt.Sprintf("Connection closed by invalid user tmp %s port ", attackerAddr.Addr()), 2, 5*time.Second)[1]
	if ago := time.Since(logTime(t, last)); ago < 0 || ago > time.Minute {
		t.Errorf("line %q is stamped %s ago", last, ago)
	}

	open := l.attacker.open(t, jumps.at(hostToAttacker))
	if control := l.attacker.open(t, jumps.at(hostToAttacker)); !control.alive(5 * time.Second) {
		t.Error("an open connection does not answer although nobody is banned")
	}
	attacker := startProbe(t, l.attacker, attackerAddr.Addr(), jumps.at(hostToAttacker))
	attackerOther := startProbe(t, l.attacker, attackerAddr.Addr(), other.at(hostToAttacker))
	staff := startProbe(t, l.staff, staffAddr.Addr(), jumps.at(hostToStaff))
	began := attacker.waitOpen(t, 5*time.Second)
	attackerOther.waitOpen(t, 5*time.Second)
	staff.waitOpen(t, 5*time.Second)

	// As in reference 7.1: before DNAT, so that the port is the one that the client dials.
	banned := time.Now()
	if _, err := l.host.run(`nft -f - <<'END'
table inet byhand {
	set ban4 { type ipv4_addr; flags timeout; elements = { 203.0.113.66 } }
	chain pre { type filter hook prerouting priority raw; policy accept;
		ip saddr @ban4 fib daddr type local tcp dport 2222 counter drop
	}
}
END`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = l.host.run("nft delete table inet byhand 2>/dev/null || :") })
	shut := attacker.waitShut(t, 5*time.Second)
	t.Logf("first dropped SYN %s after nft was started", shut.Sub(banned).Round(100*time.Microsecond))

	if open.alive(2 * time.Second) {
		t.Error("the attacker's open connection still answers")
	}
	if err := l.attacker.guess("tmp", jumps.at(hostToAttacker)); err == nil || errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh got %v, want no connection", err)
	}
	if err := l.attacker.guess("tmp", other.at(hostToAttacker)); !errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh to %s got %v, want %v", other.name, err, errDenied)
	}
	if err := l.staff.login(l.staffKey, jumps.at(hostToStaff)); err != nil {
		t.Errorf("staff's login during the ban: %v", err)
	}
	for _, p := range []*probe{attackerOther, staff} {
		if _, dropped := p.between(t, began, time.Now()); len(dropped) > 0 {
			t.Errorf("%s: %d SYNs dropped, the first at %s", p, len(dropped), dropped[0])
		}
	}
	if _, err := l.host.run("nft delete table inet byhand"); err != nil {
		t.Fatal(err)
	}
	attacker.waitOpen(t, 5*time.Second)
}
