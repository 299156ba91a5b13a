package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asked records what a client asks of an engine.
type asked struct {
	mu  sync.Mutex
	all map[string]int // "GET /containers/json"
}

func (a *asked) methods() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for one := range a.all {
		method, _, _ := strings.Cut(one, " ")
		all = append(all, method)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// record serves an engine's socket on another path, and records what is asked there.
func record(t *testing.T, engine, path string) *asked {
	t.Helper()
	a := &asked{all: map[string]int{}}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.FlushInterval = -1 // logs and events are streams
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", engine)
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.all[r.Method+" "+r.URL.Path]++
		a.mu.Unlock()
		defer func() { _ = recover() }() // ErrAbortHandler, where a stream's reader has gone
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return a
}

// composed are the commands of the guide's blocks ```console compose.
func composed(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	const mark = "compose"
	for i, block := range strings.Split(string(text), "\n```") {
		if body, is := strings.CutPrefix(block, "console "+mark+"\n"); is && i > 0 {
			for line := range strings.Lines(body) {
				if cmd, is := strings.CutPrefix(line, "$ "); is {
					all = append(all, strings.TrimSpace(cmd))
				}
			}
		}
	}
	if len(all) != 5 {
		t.Fatalf("docs/install.md has the commands %q", all)
	}
	return all
}

// guard is gaol in a container of its own, as the guide sets it up.
type guard struct {
	*lab
	overlay string // a further compose file
}

// run runs a command of the guide in the tree. Debian has compose as a program of its own name.
func (g *guard) run(t *testing.T, line string) string {
	t.Helper()
	line = strings.ReplaceAll(line, "docker compose -f packaging/compose.yaml", "docker-compose -p guard -f packaging/compose.yaml"+g.overlay)
	line = strings.ReplaceAll(line, " exec gaol", " exec -T gaol")
	line = strings.ReplaceAll(line, " run --rm", " run -T --rm")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", line)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "DOCKER_HOST=unix://"+g.docker.socket(), "DOCKER_BUILDKIT=0")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// inside runs a line where the engine's processes see files.
func (g *guard) inside(t *testing.T, line string) {
	t.Helper()
	args := append(g.docker.enter(t)[1:], "sh", "-ec", line)
	if out, err := exec.CommandContext(t.Context(), "nsenter", args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// TestComposed: gaol from its image, run by the guide's compose file, protects its neighbours: by
// the log that the engine keeps of one, and by a file inside of another. It asks the engine for
// nothing but to be told.
func TestComposed(t *testing.T) {
	need(t, "docker-compose", "docker", "make")
	l := newLab(t)
	g := &guard{lab: l}
	dir := testDir(t)
	sshd := []string{"/usr/sbin/sshd", "-D", "-e"}
	l.docker.make(t, "jumps", nil, sshd, publish("", 2222))
	l.docker.make(t, "other", nil, sshd, publish("", 2223))
	l.docker.make(t, "files", nil, []string{"/bin/sh", "-c", "rsyslogd -iNONE && exec /usr/sbin/sshd -D"}, publish("", 2224))

	// The host as the engine shows it to the container.
	conf := debianConfig(t)
	if err := os.RemoveAll(filepath.Join(conf, "jail.d")); err != nil {
		t.Fatal(err)
	}
	jails := fmt.Sprintf(sixJail, "jumps") + fmt.Sprintf(sixJail, "files") + "logpath = container:/var/log/auth.log\n"
	jails = strings.Replace(jails, "container = files\nport = 22\nfilter =\nfailregex = ^Failed", "container = files\nport = 22\nfilter =\nfailregex = Failed", 1)
	for name, text := range map[string]string{"jail.local": jails, "gaol.local": "[Definition]\ncontainer_socket = /run/docker.sock\n"} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := record(t, l.docker.socket(), filepath.Join(dir, "proxy.sock"))
	g.inside(t, fmt.Sprintf("touch /run/docker.sock && mount --bind %[1]s/proxy.sock /run/docker.sock && mkdir %[1]s/log && mount --bind %[1]s/log /var/log && mount --bind %[2]s /etc/fail2ban", dir, conf))
	g.overlay = " -f " + filepath.Join(dir, "more.yaml")
	if err := os.WriteFile(filepath.Join(dir, "more.yaml"), []byte("services:\n  gaol:\n    pid: host\n    cap_add: [NET_ADMIN, DAC_READ_SEARCH, SYS_PTRACE]\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	steps := composed(t)
	for _, line := range steps[:2] {
		g.run(t, line)
	}
	defer func() { // not a clean-up: the engine is gone by then
		if t.Failed() {
			t.Logf("gaol said:\n%s", g.run(t, "docker compose -f packaging/compose.yaml logs"))
		}
	}()
	g.until(t, steps[2], "docker:jumps json-file (API)")
	shut := map[uint16]*probe{}
	for _, port := range []uint16{2222, 2224} {
		shut[port] = startProbe(t, l.attacker, netip.AddrPortFrom(hostOfAttacker, port))
		shut[port].waitOpen(t, 20*time.Second)
	}
	free := []*probe{startProbe(t, l.attacker, netip.AddrPortFrom(hostOfAttacker, 2223)), startProbe(t, l.staff, netip.AddrPortFrom(hostOfStaff, 2222))}
	for _, p := range free {
		p.waitOpen(t, 20*time.Second)
	}
	for port, p := range shut {
		attack(t, l.attacker, "root", netip.AddrPortFrom(hostOfAttacker, port), 2)
		p.waitShut(t, 20*time.Second)
	}
	if err := login(l.staff, l.staffKey, netip.AddrPortFrom(hostOfStaff, 2222)); err != nil {
		t.Errorf("staff's login: %v", err)
	}

	if out := g.run(t, strings.ReplaceAll(steps[2], "gaol status", "fail2ban-client status jumps")); !strings.Contains(out, attackerIP) {
		t.Errorf("fail2ban-client in the image says:\n%s", out)
	}

	// The container goes and comes back; the kernel holds the bans, the volume what is known of them.
	began := time.Now()
	g.run(t, "docker compose -f packaging/compose.yaml down")
	g.run(t, steps[1])
	g.until(t, strings.ReplaceAll(steps[2], "status", "banned"), attackerIP)
	for _, p := range shut {
		p.mustStayShut(t, began, time.Now())
	}
	for _, p := range free {
		p.waitOpen(t, 10*time.Second)
	}
	if got := asked.methods(); !slices.Equal(got, []string{"GET", "HEAD"}) {
		t.Errorf("gaol asked the engine with %q:\n%v", got, asked.all)
	}
	g.run(t, steps[3])
	if out := g.run(t, steps[4]); !strings.Contains(out, "keep nobody out any more") {
		t.Errorf("panic said:\n%s", out)
	}
	for _, p := range shut {
		p.waitOpen(t, 20*time.Second)
	}
}

// until runs a command of the guide until it prints the word; each try takes its second.
func (g *guard) until(t *testing.T, line, word string) {
	t.Helper()
	said := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if said = g.run(t, line+" || :"); strings.Contains(said, word) {
			return
		}
	}
	t.Fatalf("%s never says %q:\n%s", line, word, said)
}
