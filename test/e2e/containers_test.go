package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// make creates and starts a container of the image; more goes into its HostConfig.
func (d *docker) make(t *testing.T, name string, labels map[string]string, cmd []string, more object) {
	t.Helper()
	config := object{"Image": "jump", "Cmd": cmd, "Labels": labels, "ExposedPorts": object{"22/tcp": object{}}, "HostConfig": more}
	if err := d.call("POST", "/containers/create?name="+name, config, nil); err != nil {
		t.Fatal(err)
	}
	d.do(t, "POST", name+"/start")
}

// do is one request about a container.
func (d *docker) do(t *testing.T, method, path string) {
	t.Helper()
	if err := d.call(method, "/containers/"+path, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// publish is a HostConfig that publishes port 22; host is an address, empty for all.
func publish(host string, port int) object {
	return object{"PortBindings": object{"22/tcp": []object{{"HostIp": host, "HostPort": fmt.Sprint(port)}}}}
}

// TestContainers bans by container: by name, label and compose service, in the host's network
// and on one of two host addresses, and over everything that moves a container.
func TestContainers(t *testing.T) {
	l := newLab(t)
	const two = 2250
	sshd := func(port string) []string { return []string{"/usr/sbin/sshd", "-D", "-p", port} }
	l.docker.make(t, "jumps", nil, sshd("22"), publish("", 2222))
	l.docker.make(t, "other", nil, sshd("22"), publish("", 2223))
	l.docker.make(t, "labelled", map[string]string{"role": "bastion"}, sshd("22"), publish("", 2230))
	l.docker.make(t, "composed", map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "ssh"}, sshd("22"), publish("", 2231))
	l.docker.make(t, "hostnet", nil, sshd("2240"), object{"NetworkMode": "host"})
	l.docker.make(t, "two-a", nil, sshd("22"), publish(hostOfAttacker.String(), two))
	l.docker.make(t, "two-b", nil, sshd("22"), publish(hostOfStaff.String(), two))

	g := containerGaol(t, l, "byname=jumps/ssh", "bylabel=label=role=bastion/22", "bycompose=compose=shop/ssh/2231", "hostnet=hostnet/2240", "two=two-a/all")
	if out, status := g.try(t, "check", "-c", g.conf); status != 0 || !strings.Contains(out, "jail byname: port 22 is container jumps's own; clients dial 2222") {
		t.Errorf("gaol check: status %d:\n%s", status, out)
	}
	g.start(t)
	at := func(host netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(host, port) }
	staff := startProbe(t, l.staff, at(hostOfStaff, 2230))
	free := []*probe{staff, startProbe(t, l.attacker, at(hostOfAttacker, 2223)), startProbe(t, l.staff, at(hostOfStaff, two))}
	began := staff.waitOpen(t, 20*time.Second)
	for _, p := range free {
		p.waitOpen(t, 20*time.Second)
	}
	jumps := startProbe(t, l.attacker, at(hostOfAttacker, 2222))
	shut := map[string]*probe{"byname": jumps}
	for jail, port := range map[string]uint16{"bylabel": 2230, "bycompose": 2231, "hostnet": 2240, "two": two} {
		shut[jail] = startProbe(t, l.attacker, at(hostOfAttacker, port))
	}
	for jail, p := range shut {
		p.waitOpen(t, 20*time.Second)
		g.cli(t, "ban", jail, attackerIP)
		p.waitShut(t, 10*time.Second)
	}
	g.daemon.out.wait(t, "port 22 is container jumps's own; clients dial 2222, which is closed", 1, 10*time.Second)

	// Another container takes the address that the stopped one had.
	before := g.closes(t, "byname")
	l.docker.do(t, "POST", "jumps/stop?t=0")
	g.daemon.out.wait(t, "container jumps is not running", 1, 10*time.Second)
	l.docker.make(t, "filler", nil, sshd("22"), nil)
	l.docker.do(t, "POST", "jumps/start")
	g.daemon.out.wait(t, "container jumps: bans close", 3, 10*time.Second)
	if after := g.closes(t, "byname"); slices.Equal(after, before) || !slices.Contains(after, "tcp 2222") {
		t.Errorf("restarted with a new address: closes %q, before %q", after, before)
	}
	alive := startProbe(t, l.staff, at(hostOfStaff, 2222))
	alive.waitOpen(t, 20*time.Second)
	jumps.waitShut(t, 10*time.Second)
	again := time.Now()
	jumps.mustStayShut(t, again, again.Add(200*time.Millisecond))

	// Removed, and created anew on another port; its old port is somebody else's now.
	l.docker.do(t, "DELETE", "jumps?force=1")
	l.docker.make(t, "heir", nil, sshd("22"), publish("", 2222))
	l.docker.make(t, "jumps", nil, sshd("22"), publish("", 2299))
	moved := startProbe(t, l.attacker, at(hostOfAttacker, 2299))
	startProbe(t, l.staff, at(hostOfStaff, 2299)).waitOpen(t, 20*time.Second)
	moved.waitShut(t, 10*time.Second)
	jumps.waitOpen(t, 10*time.Second)
	g.daemon.out.wait(t, "clients dial 2299, which is closed", 1, 10*time.Second)
	if _, ok := banned(g.jail(t, "byname"), attackerIP); !ok {
		t.Error("the ban did not outlive the container")
	}
	again = time.Now()
	moved.mustStayShut(t, again, again.Add(200*time.Millisecond))
	if err := login(l.staff, l.staffKey, at(hostOfStaff, 2299)); err != nil {
		t.Errorf("staff's login: %v", err)
	}
	for _, p := range free { // the engine itself loses a SYN now and then while it starts containers
		answered, dropped := p.between(t, began, time.Now())
		if len(dropped)*100 > len(answered) {
			t.Errorf("%s: %d SYNs dropped, %d answered", p, len(dropped), len(answered))
		}
	}

	// Nobody bans a gateway or a container.
	for who, why := range map[string]string{"172.17.0.1": "gateway of docker network bridge", l.docker.address(t, "heir", "bridge"): "docker container heir"} {
		if out, status := g.try(t, "ban", "byname", who, "--socket", g.socket()); status == 0 || !strings.Contains(out, why) {
			t.Errorf("gaol ban byname %s: status %d:\n%s\nwant it refused, with %q", who, status, out, why)
		}
	}
	if out := g.cli(t, "status", "byname"); !strings.Contains(out, "tcp 2299") {
		t.Errorf("gaol status does not name the endpoint:\n%s", out)
	}
	g.stop(t, "--unban")
}

// containerGaol is a daemon that follows the lab's engine, with a jail for each NAME=CONTAINER/PORT.
func containerGaol(t *testing.T, l *lab, jails ...string) *gaol {
	t.Helper()
	log := follow(t, filepath.Join(testDir(t), "auth.log"))
	var text strings.Builder
	for _, j := range jails {
		name, rest, _ := strings.Cut(j, "=")
		slash := strings.LastIndex(rest, "/")
		fmt.Fprintf(&text, "[%s]\nenabled = true\nfilter = sshd\nbanaction = gaol\nlogpath = %s\nbantime = 1h\ncontainer = %s\nport = %s\n",
			name, log.name, rest[:slash], rest[slash+1:])
	}
	g := newGaol(t, l.host, text.String())
	g.write(t, "gaol.local", "[Definition]\ncontainer_socket = "+filepath.Join(l.docker.dir, "docker.sock")+"\n")
	return g
}

// closes is what a jail's container is reached by, as its status says.
func (g *gaol) closes(t *testing.T, jail string) []string {
	t.Helper()
	return g.jail(t, jail).Closes
}

// address is a container's IPv4 address in a network.
func (d *docker) address(t *testing.T, name, network string) string {
	t.Helper()
	var seen struct {
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := d.call("GET", "/containers/"+name+"/json", nil, &seen); err != nil {
		t.Fatal(err)
	}
	return seen.NetworkSettings.Networks[network].IPAddress
}
