package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/event"
	"gaol/internal/netlab"
)

// gaol is the daemon under test with its folders, in a machine of the lab.
type gaol struct {
	node   *netlab.Node
	dir    string // state and socket
	conf   string
	enter  []string // command that runs the daemon elsewhere than in the test's namespaces
	daemon *daemon
}

// newGaol prepares a daemon on a copy of the configuration that Debian's fail2ban package
// installs, with jailLocal on top. Debian's own jail.d is left out: its sshd jail would read
// this machine's log.
func newGaol(t *testing.T, n *netlab.Node, jailLocal string) *gaol {
	t.Helper()
	g := &gaol{node: n, dir: testDir(t), conf: debianConfig(t)}
	if err := os.RemoveAll(filepath.Join(g.conf, "jail.d")); err != nil {
		t.Fatal(err)
	}
	g.write(t, "jail.local", jailLocal)
	// This machine's database and socket are none of ours: another test may run beside this one.
	g.write(t, "fail2ban.local", fmt.Sprintf("[Definition]\ndbfile = None\nsocket = %[1]s/f2b.sock\npidfile = %[1]s/f2b.pid\n", g.dir))
	t.Cleanup(func() {
		if g.daemon == nil {
			return
		}
		if err := g.sigkill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("gaol said:\n%s", strings.Join(g.daemon.out.lines(), "\n"))
		}
	})
	return g
}

// debianConfig is a copy of /etc/fail2ban with the article's action added.
func debianConfig(t *testing.T) string {
	t.Helper()
	const installed = "/etc/fail2ban"
	if _, err := os.Stat(installed + "/jail.conf"); err != nil {
		t.Fatalf("%v; run: %s", err, bring)
	}
	dir := filepath.Join(testDir(t), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS(installed)); err != nil {
		t.Fatalf("copy Debian's configuration: %v", err)
	}
	action, err := os.ReadFile("testdata/action.d/iptables-docker-multiport.conf")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "action.d", "iptables-docker-multiport.conf"), action, 0o600)
	}
	if err != nil {
		t.Fatalf("add the article's action: %v", err)
	}
	return dir
}

// write puts a file into the configuration.
func (g *gaol) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.conf, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the daemon and waits until it says that it is ready.
func (g *gaol) start(t *testing.T) {
	t.Helper()
	args := append(slices.Clone(g.enter), os.Getenv(builtBy), "run", "-c", g.conf, "--state", filepath.Join(g.dir, "state"), "--socket", g.socket())
	cmd := g.node.Command(args[0], args[1:]...)
	var err error
	if g.daemon, err = startReady("gaol", g.dir, cmd, 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

func (g *gaol) socket() string { return filepath.Join(g.dir, "gaol.sock") }

// kill is kill -9.
func (g *gaol) kill(t *testing.T) {
	t.Helper()
	if err := g.sigkill(); err != nil {
		t.Fatal(err)
	}
}

func (g *gaol) sigkill() error {
	if g.enter != nil { // nsenter(1) waits for its child, which ends it
		killChildren(g.daemon.cmd.Process.Pid)
		return g.daemon.wait(10 * time.Second)
	}
	return g.daemon.signal(syscall.SIGKILL, 10*time.Second)
}

// stop stops the daemon with `gaol stop` and more arguments, and waits for its end.
func (g *gaol) stop(t *testing.T, args ...string) {
	t.Helper()
	g.cli(t, append([]string{"stop"}, args...)...)
	if err := g.daemon.wait(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if g.daemon.err != nil {
		t.Errorf("gaol ended with %v", g.daemon.err)
	}
}

// cli runs a client command of gaol, which must succeed, and returns what it printed.
func (g *gaol) cli(t *testing.T, args ...string) string {
	t.Helper()
	out, status := g.try(t, append(args, "--socket", g.socket())...)
	if status != 0 {
		t.Fatalf("gaol %s: exit status %d:\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// try runs gaol and returns what it printed on both streams, and its exit status.
func (g *gaol) try(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	runtime.LockOSThread() // as in startDaemon
	defer runtime.UnlockOSThread()
	text, err := command(ctx, g.node, os.Getenv(builtBy), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run gaol %s: %v", strings.Join(args, " "), err)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return string(text), status
}

// jail is one jail as `gaol status --json` has it.
func (g *gaol) jail(t *testing.T, name string) event.JailStatus {
	t.Helper()
	var s event.Status
	out := g.cli(t, "status", "--json")
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&s); err != nil {
		t.Fatalf("read the status: %v:\n%s", err, out)
	}
	for _, j := range s.Jails {
		if j.Name == name {
			return j
		}
	}
	t.Fatalf("no jail %s in the status:\n%s", name, out)
	return event.JailStatus{}
}

// ban is the jail's ban of an id, which must be there.
func (g *gaol) ban(t *testing.T, jail, id string) event.Ban {
	t.Helper()
	j := g.jail(t, jail)
	b, ok := banned(j, id)
	if !ok {
		t.Fatalf("jail %s has not banned %s: %+v", jail, id, j)
	}
	return b
}

func banned(j event.JailStatus, id string) (event.Ban, bool) {
	i := slices.IndexFunc(j.Bans, func(b event.Ban) bool { return b.ID == id })
	if i < 0 {
		return event.Ban{}, false
	}
	return j.Bans[i], true
}

// matches is the log lines that led to a ban, one by one.
func matches(b event.Ban) []string {
	return strings.Split(strings.Join(b.Matches, "\n"), "\n")
}
