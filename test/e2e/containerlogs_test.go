package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// containerLog is one way in which a container keeps its log.
type containerLog struct {
	name   string
	port   uint16
	cmd    []string
	log    map[string]any // LogConfig
	jail   string         // lines of its jail
	source string         // as status names it
}

// containerLogs are the ways that the engine of this machine has.
func containerLogs() []containerLog {
	stderr := []string{"/usr/sbin/sshd", "-D", "-e"} // no stamps, no program name
	// fail2ban's filter takes the first word for a host's name, and needs the process id to count
	// the lines of one connection once.
	const bare = "filter =\nfailregex = ^Failed password for \\S+ from <HOST> port\n"
	return []containerLog{
		{"json", 2222, stderr, map[string]any{"Type": "json-file", "Config": map[string]string{"max-size": "2k", "max-file": "3"}},
			bare, "docker:json json-file"},
		{"local", 2223, stderr, map[string]any{"Type": "local", "Config": map[string]string{}},
			bare, "docker:local local (API)"},
		{"inside", 2224, []string{"/bin/sh", "-c", "rsyslogd -iNONE && exec /usr/sbin/sshd -D"}, map[string]any{"Type": "none", "Config": map[string]string{}},
			"filter = sshd\nlogpath = container:/var/log/auth.log\n", "docker:inside:/var/log/auth.log"},
	}
}

// runLogger starts a container of the image with a log of its kind.
func (d *docker) runLogger(c containerLog) error {
	type object = map[string]any
	var made struct{ ID string }
	if err := d.call("POST", "/containers/create?name="+c.name, object{
		"Image": "jump", "Hostname": c.name, "Cmd": c.cmd, "ExposedPorts": object{"22/tcp": object{}},
		"HostConfig": object{"LogConfig": c.log, "PortBindings": object{"22/tcp": []object{{"HostPort": fmt.Sprint(c.port)}}}},
	}, &made); err != nil {
		return err
	}
	return d.call("POST", "/containers/"+made.ID+"/start", nil, nil)
}

// enter is the command line that runs a program where the engine's processes are what /proc
// shows: gaol reads files inside containers through it.
func (d *docker) enter(t *testing.T) []string {
	t.Helper()
	pid := d.daemon.cmd.Process.Pid
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	children := strings.Fields(string(list))
	if err != nil || len(children) != 1 {
		t.Fatalf("find the engine's namespaces: %v, children %q", err, children)
	}
	return []string{"nsenter", "--target", children[0], "--pid", "--mount", "--"}
}

// TestContainerLogs: gaol reads the log of a container through json-file with the engine's own
// rotation, through the engine's API, and as a file inside the container. In the middle of the
// attack gaol is killed and each container is restarted. The failure that makes it maxretry
// brings the ban, so none was lost and none counted twice.
func TestContainerLogs(t *testing.T) {
	const maxretry = 8
	l := newLab(t)
	all := containerLogs()
	conf := ""
	for _, c := range all {
		if err := l.docker.runLogger(c); err != nil {
			t.Fatalf("run container %s: %v", c.name, err)
		}
		conf += fmt.Sprintf("\n[%s]\nenabled = true\nbackend = auto\nusedns = no\nbanaction = gaol\nport = %d\ncontainer = %s\n%smaxretry = %d\nmaxmatches = 100\nbantime = 10m\nfindtime = 10m\n",
			c.name, c.port, c.name, c.jail, maxretry)
	}
	g := newGaol(t, l.host, conf)
	g.enter = l.docker.enter(t)
	g.write(t, "gaol.conf", "[Definition]\ncontainer_socket = "+filepath.Join(l.docker.dir, "docker.sock")+"\n")
	g.start(t)
	for _, c := range all {
		startProbe(t, l.staff, c.at(hostOfStaff)).waitOpen(t, 20*time.Second)
	}
	guessAll := func(times int) {
		t.Helper()
		for _, c := range all {
			attack(t, l.attacker, "root", c.at(hostOfAttacker), times)
		}
	}
	guessAll(2)
	g.kill(t)
	guessAll(1)
	g.start(t)
	guessAll(2)
	for _, c := range all {
		if err := l.docker.call("POST", "/containers/"+c.name+"/restart?t=1", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		guessOnceUp(t, l, c)
	}
	g.kill(t)
	guessAll(1)
	g.start(t)
	probes := map[string]*probe{}
	for _, c := range all {
		if j := g.jail(t, c.name); j.CurrentlyBanned != 0 {
			t.Fatalf("%s: banned after %d of %d failures: %+v", c.name, maxretry-1, maxretry, j.Bans)
		}
		probes[c.name] = startProbe(t, l.attacker, c.at(hostOfAttacker))
		probes[c.name].waitOpen(t, 5*time.Second)
	}
	for _, c := range all {
		if err := guess(l.attacker, "root", c.at(hostOfAttacker)); err != nil && !errors.Is(err, errDenied) {
			t.Logf("%s: the last guess was cut off: %v", c.name, err)
		}
		probes[c.name].waitShut(t, 20*time.Second)
		seen := map[string]bool{}
		for _, line := range matches(g.ban(t, c.name, attackerIP)) {
			if strings.Contains(line, "Failed password for root from "+attackerIP) {
				seen[line] = true
			}
		}
		if len(seen) != maxretry { // each line has its client's port
			t.Errorf("%s: %d different failures led to the ban, want %d: %v", c.name, len(seen), maxretry, seen)
		}
		if b := g.ban(t, c.name, attackerIP); b.Source != c.source {
			t.Errorf("%s: the ban names the log %q, want %q", c.name, b.Source, c.source)
		}
		if err := login(l.staff, l.staffKey, c.at(hostOfStaff)); err != nil {
			t.Errorf("staff's login on %s during the ban: %v", c.name, err)
		}
	}
	if rotated, _ := filepath.Glob(filepath.Join(l.docker.dir, "data/containers/*/*-json.log.1")); len(rotated) == 0 {
		t.Error("the engine has not rotated the json-file: the test shows nothing of it")
	}
	g.stop(t, "--unban")
}

// at is the container as a client dials it on one of the host's addresses.
func (c containerLog) at(host netip.Addr) netip.AddrPort { return netip.AddrPortFrom(host, c.port) }

// guessOnceUp makes one guess that is answered; those that a container which is just starting
// refuses leave nothing in its log.
func guessOnceUp(t *testing.T, l *lab, c containerLog) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		err := guess(l.attacker, "root", c.at(hostOfAttacker))
		if errors.Is(err, errDenied) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not answer after its restart: %v", c.name, err)
		}
	}
}
