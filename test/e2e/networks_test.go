package e2e

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestSecondNetwork: a container that is connected to a second network while it runs stays closed
// to who is banned, there too; of several containers that one label means, those that stay are
// closed when one is removed.
func TestSecondNetwork(t *testing.T) {
	l := newLab(t)
	sshd := []string{"/usr/sbin/sshd", "-D"}
	role := map[string]string{"role": "bastion"}
	l.docker.make(t, "jumps", nil, sshd, publish("", 2222))
	l.docker.make(t, "first", role, sshd, publish("", 2231))
	l.docker.make(t, "second", role, sshd, publish("", 2232))
	g := containerGaol(t, l, "byname=jumps/ssh", "bylabel=label=role=bastion/22")
	g.start(t)
	probes := map[uint16]*probe{}
	for port, jail := range map[uint16]string{2222: "byname", 2231: "bylabel", 2232: "bylabel"} {
		probes[port] = startProbe(t, l.attacker, netip.AddrPortFrom(hostOfAttacker, port))
		if jail == "byname" {
			probes[port].waitOpen(t, 20*time.Second)
		}
	}
	g.cli(t, "ban", "byname", attackerIP)
	g.cli(t, "ban", "bylabel", attackerIP)
	for _, p := range probes {
		p.waitShut(t, 10*time.Second)
	}
	banned := time.Now()

	if err := l.docker.call("POST", "/networks/create", object{"Name": "more"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.docker.call("POST", "/networks/more/connect", object{"Container": "jumps"}, nil); err != nil {
		t.Fatal(err)
	}
	inMore := "tcp " + l.docker.address(t, "jumps", "more") + " 22"
	g.daemon.out.wait(t, inMore, 1, 20*time.Second)
	if closes := g.closes(t, "byname"); !slices.Contains(closes, inMore) || !slices.Contains(closes, "tcp 2222") {
		t.Errorf("closes %q, want also %q", closes, inMore)
	}
	l.docker.do(t, "DELETE", "first?force=1")
	g.daemon.out.wait(t, "container label=role=bastion: bans close tcp 2232", 1, 20*time.Second)
	if closes := g.closes(t, "bylabel"); slices.Contains(closes, "tcp 2231") || !slices.Contains(closes, "tcp 2232") {
		t.Errorf("one of two is removed: closes %q", closes)
	}
	for _, port := range []uint16{2222, 2232} {
		probes[port].mustStayShut(t, banned, time.Now())
		if err := login(l.staff, l.staffKey, netip.AddrPortFrom(hostOfStaff, port)); err != nil {
			t.Errorf("staff's login at %d: %v", port, err)
		}
	}
	g.stop(t, "--unban")
}
