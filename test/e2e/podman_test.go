package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// startPodman starts the machine's podman, with netavark, as the service of its API inside n.
// Containers belong to conmon and not to the service, and end with the service's namespaces.
func startPodman(n *netlab.Node) (*docker, error) {
	d, err := newDocker("podman")
	if err != nil {
		return nil, err
	}
	// The machine's own containers.conf must not reach in. There is no journald for the logs.
	config := filepath.Join(d.dir, "containers.conf")
	err = os.WriteFile(config, []byte(`[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[containers]
log_driver = "k8s-file"
[network]
network_backend = "netavark"
`), 0o600)
	if err != nil {
		return nil, err
	}
	// Whatever --root says, networks are kept in /etc/containers and a cache in /var/lib. The
	// shell stays: it is the parent of every conmon, and of what ends below it.
	const run = `mount -t tmpfs tmpfs /run && mkdir /run/lock && mount -t tmpfs tmpfs /var/lib && cp -r /etc/containers "$2/etc" &&
		mount --bind "$2/etc" /etc/containers && export CONTAINERS_CONF="$1" && shift 2 && podman "$@"; exit`
	return d, d.start(n, []string{run, "podman", config, d.dir,
		"--root", filepath.Join(d.dir, "root"), "system", "service", "--time", "0", "unix://" + d.socket()})
}

// TestPodman bans on a real Podman with netavark, by packets of both families: by the log of
// Podman's own driver and by a file inside, over a restart with a new address and over Podman
// laying its rules anew.
func TestPodman(t *testing.T) {
	t.Parallel() // with the other tests of engines: they mostly wait
	need(t, "podman", "conmon", "runc")
	l := newLabOf(t, startPodman)
	l.network(t, "both", "10.89.0.0/24", "fd00:89::/64")
	in := func(port int) object {
		more := publish("", port)
		more["NetworkMode"], more["CgroupParent"], more["CapAdd"] = "both", "/"+l.docker.group, []string{"AUDIT_WRITE"}
		return more
	}
	sshd := []string{"/usr/sbin/sshd", "-D", "-e"}
	l.docker.make(t, "jumps", nil, sshd, in(2222))
	// netavark gives its bridge no address of its own, so the bridge's changes with the containers
	// on it, and the others' way out over IPv6 is dead until they ask for it again, half a minute
	// later. That is not what this test is about.
	l.host.Run("ip", "link", "set", "podman1", "address", "02:00:00:00:89:01")
	l.docker.make(t, "other", nil, sshd, in(2223))
	l.docker.make(t, "inside", nil, imageRun, in(2224))

	const jail = "\n[%[1]s]\nenabled = true\nbackend = auto\nusedns = no\nbanaction = gaol\ncontainer = %[1]s\nport = %[2]s\nmaxretry = 2\nbantime = 10m\nfindtime = 10m\n%[3]s"
	g := newGaol(t, l.host, fmt.Sprintf(jail, "jumps", "22", "filter =\nfailregex = ^Failed password for \\S+ from <HOST> port\n")+
		fmt.Sprintf(jail, "inside", "2224", "filter = sshd\nlogpath = container:/var/log/auth.log\n"))
	g.enter = l.docker.enter(t)
	g.write(t, "gaol.conf", "[Definition]\ncontainer_socket = "+l.docker.socket()+"\n")
	g.start(t)
	g.daemon.out.wait(t, "follows podman 4.", 1, 10*time.Second)

	var free, shut []*probe
	for _, port := range []uint16{2222, 2224} {
		free = append(free, l.probes(t, l.staff, port)...)
		shut = append(shut, l.probes(t, l.attacker, port)...)
	}
	others := l.probes(t, l.attacker, 2223)
	for _, p := range slices.Concat(free, shut, others) {
		p.waitOpen(t, 20*time.Second)
	}
	began := time.Now()
	for i, host := range []netip.Addr{hostOfAttacker, hostOfAttacker6} { // shut has both families of each port
		for j, port := range []uint16{2222, 2224} {
			attack(t, l.attacker, "root", netip.AddrPortFrom(host, port), 2)
			shut[2*j+i].waitShut(t, 20*time.Second)
		}
	}
	banned := time.Now()
	for jail, source := range map[string]string{"jumps": "podman:jumps k8s-file", "inside": "podman:inside:/var/log/auth.log"} {
		for _, who := range []string{attackerIP, attackerIP6} {
			if b := g.ban(t, jail, who); b.Source != source {
				t.Errorf("%s: the ban of %s names the log %q, want %q", jail, who, b.Source, source)
			}
		}
	}
	for _, p := range slices.Concat(free, others) {
		p.mustStayOpen(t, began)
	}
	for _, host := range []netip.Addr{hostOfStaff, hostOfStaff6} {
		if err := login(l.staff, l.staffKey, netip.AddrPortFrom(host, 2222)); err != nil {
			t.Errorf("staff's login at %s: %v", host, err)
		}
	}

	before := g.closes(t, "jumps")
	l.docker.do(t, "POST", "jumps/stop?t=0")
	g.daemon.out.wait(t, "container jumps is not running", 1, 10*time.Second)
	l.docker.make(t, "filler", nil, sshd, in(2225)) // takes the address if it is free
	l.docker.do(t, "POST", "jumps/start")
	g.closesAnew(t, "jumps", before, 3)
	for _, p := range free {
		p.waitOpen(t, 20*time.Second)
	}

	rules := g.rules(t)
	l.docker.podman(t, "network", "reload", "--all")
	for _, p := range slices.Concat(free, others) {
		p.waitOpen(t, 20*time.Second)
	}
	if after := g.rules(t); after != rules {
		t.Errorf("podman network reload touched gaol's table:\n%s\nbefore:\n%s", after, rules)
	}
	end := time.Now()
	for _, p := range shut {
		p.mustStayShut(t, banned, end)
	}
	// Nobody bans a gateway or a container.
	for who, why := range map[string]string{"10.89.0.1": "gateway of podman network both", "fd00:89::1": "gateway of podman network both",
		l.docker.address(t, "other", "both"): "podman container other"} {
		if out, status := g.try(t, "ban", "jumps", who, "--socket", g.socket()); status == 0 || !strings.Contains(out, why) {
			t.Errorf("gaol ban jumps %s: status %d:\n%s\nwant it refused, with %q", who, status, out, why)
		}
	}
	g.stop(t, "--unban")
}

// probes probes a port of the host from n over both families, IPv4 first.
func (l *lab) probes(t *testing.T, n *netlab.Node, port uint16) []*probe {
	t.Helper()
	at, at6 := hostOfAttacker, hostOfAttacker6
	if n == l.staff {
		at, at6 = hostOfStaff, hostOfStaff6
	}
	return []*probe{startProbe(t, n, netip.AddrPortFrom(at, port)), startProbe(t, n, netip.AddrPortFrom(at6, port))}
}

// closesAnew waits until a jail's container is reached by so many endpoints, others than before.
func (g *gaol) closesAnew(t *testing.T, jail string, before []string, n int) {
	t.Helper()
	word := "container " + jail + ": bans close"
	for lines := 0; ; {
		lines = len(g.daemon.out.with(word))
		if now := g.closes(t, jail); len(now) == n && !slices.Equal(now, before) {
			return
		}
		g.daemon.out.wait(t, word, lines+1, 20*time.Second)
	}
}

// rules is gaol's table without what time changes.
func (g *gaol) rules(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(` expires \S+`).ReplaceAllString(g.node.Run("nft", "-s", "list", "table", "inet", "gaol"), "")
}

// podman runs Podman's command line beside its service.
func (d *docker) podman(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pid := d.enter(t)[2]
	all := []string{"--target", pid, "--pid", "--mount", "--net", "--", "env", "CONTAINERS_CONF=" + filepath.Join(d.dir, "containers.conf"),
		"podman", "--root", filepath.Join(d.dir, "root")}
	if out, err := exec.CommandContext(ctx, "nsenter", append(all, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("podman %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// network makes a network with a subnet of each family.
func (l *lab) network(t *testing.T, name, v4, v6 string) {
	t.Helper()
	config := object{"Name": name, "EnableIPv6": true, "IPAM": object{"Config": []object{{"Subnet": v4}, {"Subnet": v6}}}}
	if err := l.docker.call("POST", "/networks/create", config, nil); err != nil {
		t.Fatalf("make network %s: %v", name, err)
	}
}
