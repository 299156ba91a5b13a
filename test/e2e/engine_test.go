package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sixJail is a jail that reads the log of a container of its name, and closes its port.
const sixJail = "\n[%[1]s]\nenabled = true\nbackend = auto\nusedns = no\nbanaction = gaol\ncontainer = %[1]s\nport = 22\n" +
	"filter =\nfailregex = ^Failed password for \\S+ from <HOST> port\nmaxretry = 2\nbantime = 10m\nfindtime = 10m\n"

// TestEngine bans on a Docker with IPv6, and over two restarts of it: containers that go on
// without their engine, and containers that end and start with it. By packets the banned get
// through at no time.
//
// A second container is in a network without IPv6, so that docker-proxy carries it and the log
// shows the gateway for everybody: nobody is banned, and gaol says why.
func TestEngine(t *testing.T) {
	t.Parallel() // with the other tests of engines: they mostly wait
	l := newLab(t, "--experimental", "--ip6tables")
	l.network(t, "six", "172.30.0.0/24", "fd00:30::/64")
	always := func(port int, network string) object {
		more := publish("", port)
		more["NetworkMode"], more["RestartPolicy"] = network, object{"Name": "always"}
		return more
	}
	sshd := []string{"/usr/sbin/sshd", "-D", "-e"}
	l.docker.make(t, "jumps", nil, sshd, always(2222, "six"))
	l.docker.make(t, "other", nil, sshd, always(2223, "six"))
	l.docker.make(t, "proxied", nil, sshd, always(2224, "bridge"))

	g := newGaol(t, l.host, fmt.Sprintf(sixJail, "jumps")+fmt.Sprintf(sixJail, "proxied"))
	g.enter = l.docker.enter(t)
	g.write(t, "gaol.conf", "[Definition]\ncontainer_socket = "+l.docker.socket()+"\n")
	g.start(t)
	shut, staff, others := l.probes(t, l.attacker, 2222), l.probes(t, l.staff, 2222), l.probes(t, l.attacker, 2223)
	for _, p := range slices.Concat(shut, staff, others) {
		p.waitOpen(t, 20*time.Second)
	}
	for i, host := range []netip.Addr{hostOfAttacker, hostOfAttacker6} {
		attack(t, l.attacker, "root", netip.AddrPortFrom(host, 2222), 2)
		shut[i].waitShut(t, 20*time.Second)
	}
	banned := time.Now()
	g.ban(t, "jumps", attackerIP)
	g.ban(t, "jumps", attackerIP6)
	l.attackThroughProxy(t, g)

	rules := g.rules(t)
	for _, word := range []string{"that keeps its containers", "with its containers"} {
		down, answers, sees := l.restartEngine(t, g, word == "that keeps its containers")
		t.Logf("restart of an engine %s: down for %s; gaol follows it again %s after it answers", word,
			answers.Sub(down).Round(time.Millisecond), sees.Sub(answers).Round(time.Millisecond))
		for _, p := range slices.Concat(staff, others) {
			p.waitOpen(t, 30*time.Second)
		}
		if word == "that keeps its containers" && g.rules(t) != rules {
			t.Errorf("the restart touched gaol's table:\n%s\nbefore:\n%s", g.rules(t), rules)
		}
	}
	end := time.Now()
	for _, p := range shut {
		p.mustStayShut(t, banned, end)
	}
	if at := g.closes(t, "jumps"); len(at) != 3 || !slices.Contains(at, "tcp 2222") {
		t.Errorf("after both restarts bans close %q", at)
	}
	for _, host := range []netip.Addr{hostOfStaff, hostOfStaff6} {
		if err := login(l.staff, l.staffKey, netip.AddrPortFrom(host, 2222)); err != nil {
			t.Errorf("staff's login at %s: %v", host, err)
		}
	}
	// The log is read on behind the restarts.
	attack(t, l.slow, "root", netip.AddrPortFrom(hostOfSlow, 2222), 2)
	g.daemon.out.wait(t, "[jumps] Ban "+slowIP, 1, 20*time.Second)
	if lost := g.daemon.out.with("had lost"); len(lost) > 0 {
		t.Errorf("rules were lost to the engine: %q", lost)
	}
	g.stop(t, "--unban")
}

// attackThroughProxy shows the jail proxied attackers that docker-proxy hides.
func (l *lab) attackThroughProxy(t *testing.T, g *gaol) {
	t.Helper()
	const gateway = "172.17.0.1"
	attack(t, l.attacker, "root", netip.AddrPortFrom(hostOfAttacker6, 2224), 5)
	g.daemon.out.wait(t, "[proxied] Found "+gateway, 5, 20*time.Second)
	const word = "the gateway of docker network bridge: a log shows it for every client that docker-proxy carries"
	if said := g.daemon.out.wait(t, word, 1, 20*time.Second); len(said) != 1 || !strings.Contains(said[0], gateway) {
		t.Errorf("of the gateway's failures gaol says %q", said)
	}
	if j := g.jail(t, "proxied"); j.CurrentlyBanned != 0 {
		t.Errorf("behind docker-proxy somebody is banned: %+v", j.Bans)
	}
	if err := login(l.staff, l.staffKey, netip.AddrPortFrom(hostOfStaff6, 2224)); err != nil {
		t.Errorf("staff's login through docker-proxy: %v", err)
	}
	attack(t, l.attacker, "root", netip.AddrPortFrom(hostOfAttacker, 2224), 2) // IPv4 shows who it is
	g.daemon.out.wait(t, "[proxied] Ban "+attackerIP, 1, 20*time.Second)
}

// restartEngine stops dockerd and starts it again; keep leaves its containers running meanwhile.
// It returns when dockerd was gone, when it answered again and when gaol had seen that.
func (l *lab) restartEngine(t *testing.T, g *gaol, keep bool) (down, answers, sees time.Time) {
	t.Helper()
	const over, ready, lost, found = "Daemon shutdown complete", "API listen on", "what is known of containers may be old", "follows docker"
	d := l.docker
	overs, readies := len(d.daemon.out.with(over)), len(d.daemon.out.with(ready))
	losts, founds := len(g.daemon.out.with(lost)), len(g.daemon.out.with(found))
	if err := os.WriteFile(filepath.Join(d.dir, "daemon.json"), fmt.Appendf(nil, `{"live-restore": %v}`, keep), 0o600); err != nil {
		t.Fatal(err)
	}
	reloads := len(d.daemon.out.with("Reloaded configuration"))
	d.kill(t, "HUP")
	d.daemon.out.wait(t, "Reloaded configuration", reloads+1, 20*time.Second)
	d.kill(t, "TERM")
	d.daemon.out.wait(t, over, overs+1, 60*time.Second)
	down = time.Now()
	g.daemon.out.wait(t, lost, losts+1, 20*time.Second)
	if err := os.WriteFile(d.again(), []byte("again\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.daemon.out.wait(t, ready, readies+1, 60*time.Second)
	answers = time.Now()
	g.daemon.out.wait(t, found, founds+1, 60*time.Second)
	return down, answers, time.Now()
}

// kill sends dockerd, and not what is around it, a signal.
func (d *docker) kill(t *testing.T, signal string) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(d.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	args := append(d.enter(t)[1:], "kill", "-"+signal, strings.TrimSpace(string(pid)))
	if out, err := exec.CommandContext(t.Context(), "nsenter", args...).CombinedOutput(); err != nil {
		t.Fatalf("signal %s: %v: %s", signal, err, out)
	}
}
