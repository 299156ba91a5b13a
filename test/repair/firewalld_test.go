package repair

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gaol/internal/engine"
	"gaol/internal/firewall"
)

// bus is a system bus of our own, on which everybody may do everything.
const bus = `<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// firewalld starts the real firewalld in the host's namespace, with a bus and a configuration of
// its own, and returns its firewall-cmd.
func (l *lab) firewalld() func(args ...string) {
	l.t.Helper()
	if _, err := exec.LookPath("firewalld"); err != nil {
		if os.Getenv("CI") == "true" {
			l.t.Fatal("firewalld is not installed; run: scripts/packages test")
		}
		l.t.Skip("firewalld is not installed; run: scripts/packages test")
	}
	dir, err := os.MkdirTemp("", "gaol-firewalld-") // a socket's path must be short
	l.must(err)
	l.t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "bus")
	l.must(os.WriteFile(filepath.Join(dir, "bus.conf"), fmt.Appendf(nil, bus, socket), 0o600))
	l.must(os.Mkdir(filepath.Join(dir, "etc"), 0o700))
	env := append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+socket)
	begin := func(name string, args ...string) {
		cmd := l.net.Host.Command(name, args...) // killed when the test ends
		cmd.Env = env
		l.must(cmd.Start())
		l.t.Cleanup(func() { _ = cmd.Wait() })
	}
	begin("dbus-daemon", "--nofork", "--config-file="+filepath.Join(dir, "bus.conf"))
	l.eventually("the bus is there", func() bool { _, err := os.Stat(socket); return err == nil })
	begin("firewalld", "--nofork", "--nopid", "--system-config", filepath.Join(dir, "etc"), "--log-file", filepath.Join(dir, "log"))
	try := func(args ...string) ([]byte, error) {
		cmd := l.net.Host.Command("firewall-cmd", args...)
		cmd.Env = env
		return cmd.CombinedOutput()
	}
	l.eventually("firewalld runs", func() bool { _, err := try("--state"); return err == nil })
	return func(args ...string) {
		l.t.Helper()
		if out, err := try(args...); err != nil {
			l.t.Fatalf("firewall-cmd %v: %v: %s", args, err, out)
		}
	}
}

// Beside firewalld bans bite. Its reload leaves the table of nft alone; up to version 2.0 it
// flushes all that iptables has, later only where direct rules are in use: what is lost is put
// back.
func TestBansOutliveFirewalldsReload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *lab
		loses bool // by the reload
	}{
		{"nft", func(t *testing.T) *lab { return start(t, engine.Options{}, nil) }, false},
		{"iptables", func(t *testing.T) *lab {
			return withIPTables(t, engine.Options{}, firewall.IPTablesOptions{Variant: "nft"})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := c.start(t)
			command := l.firewalld()
			l.ban(attackerAddr)
			l.attacker.Dead("tcp", service)
			l.staff.Alive("tcp", service) // firewalld's zone public has ssh
			if tables := l.net.Host.Run("nft", "list", "tables"); !strings.Contains(tables, "inet firewalld") {
				t.Errorf("firewalld has laid nothing: %s", tables)
			}
			command("--permanent", "--direct", "--add-rule", "ipv4", "filter", "INPUT", "0", "-s", "192.0.2.1", "-j", "ACCEPT")
			for range 2 { // the first lays the direct rule, the second flushes in any version
				command("--reload")
			}
			if c.loses {
				l.wait("the jump from raw PREROUTING to gaol")
				l.eventually("the rules are back", func() bool {
					rules := l.net.Host.Run("iptables-nft-save", "-t", "raw")
					return strings.Contains(rules, "-A PREROUTING -j gaol\n") && strings.Contains(rules, "-A gaol_sshd -p tcp")
				})
			}
			l.attacker.Dead("tcp", service)
			l.staff.Alive("tcp", service)
			if s := l.status(); (s.Repairs > 0) != c.loses || s.FirewallProblem != "" {
				t.Errorf("%d repairs, problem %q", s.Repairs, s.FirewallProblem)
			}
		})
	}
}
