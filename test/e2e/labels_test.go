package e2e

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestJailsByLabel: a container joins the jail that its label names. Who attacks it is dead on its
// port and alive on the host's and on another container's, over a restart of gaol too.
func TestJailsByLabel(t *testing.T) {
	l := newLab(t)
	sshd := func(more ...string) []string { return append([]string{"/usr/sbin/sshd", "-D"}, more...) }
	l.docker.make(t, "jumps", map[string]string{"gaol.jail": "sshd", "gaol.port": "22"}, sshd("-e"), publish("", 2222))
	l.docker.make(t, "other", nil, sshd("-e"), publish("", 2223))
	l.docker.make(t, "twin", map[string]string{"gaol.jail": "sshd"}, sshd("-e"), publish("", 2224))
	l.docker.make(t, "hostnet", nil, sshd("-p", "2240"), object{"NetworkMode": "host"}) // the host's own sshd
	l.docker.make(t, "lost", map[string]string{"gaol.jail": "nosuch"}, sshd(), publish("", 2225))

	log := follow(t, filepath.Join(testDir(t), "auth.log"))
	g := newGaol(t, l.host, "[sshd]\nenabled = true\nbackend = auto\nusedns = no\nbanaction = gaol\nport = 2240\nbantime = 10m\nfindtime = 10m\nmaxretry = 3\n"+
		"filter =\nfailregex = ^Failed password for \\S+ from <HOST> port\nlogpath = "+log.name+"\n")
	g.write(t, "gaol.conf", "[Definition]\nlabels = on\ncontainer_socket = "+filepath.Join(l.docker.dir, "docker.sock")+"\n")
	g.start(t)
	at := func(host netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(host, port) }
	jumps, staff := startProbe(t, l.attacker, at(hostOfAttacker, 2222)), startProbe(t, l.staff, at(hostOfStaff, 2222))
	jumps.waitOpen(t, 20*time.Second)
	staff.waitOpen(t, 20*time.Second)
	var free []*probe
	for _, port := range []uint16{2223, 2224, 2240} {
		free = append(free, startProbe(t, l.attacker, at(hostOfAttacker, port)))
		free[len(free)-1].waitOpen(t, 20*time.Second)
	}
	attack(t, l.attacker, "root", at(hostOfAttacker, 2222), 3)
	g.daemon.out.wait(t, "[sshd@jumps] Ban "+attackerIP+" on container jumps", 1, 20*time.Second)
	jumps.waitShut(t, 10*time.Second)
	if j := g.jail(t, "sshd"); j.CurrentlyBanned != 0 {
		t.Errorf("the jail itself banned: %+v", j.Bans)
	}
	if out := g.cli(t, "status"); !strings.Contains(out, "container lost does not join a jail") {
		t.Errorf("gaol status says nothing of the unknown jail:\n%s", out)
	}
	g.kill(t)
	g.start(t)
	if _, ok := banned(g.jail(t, "sshd@jumps"), attackerIP); !ok {
		t.Error("the ban did not outlive gaol's restart")
	}
	again := time.Now()
	jumps.mustStayShut(t, again, again.Add(500*time.Millisecond))
	for _, p := range free {
		p.waitOpen(t, 10*time.Second)
	}
	if err := login(l.staff, l.staffKey, at(hostOfStaff, 2222)); err != nil {
		t.Errorf("staff's login: %v", err)
	}
	g.stop(t, "--unban")
}
