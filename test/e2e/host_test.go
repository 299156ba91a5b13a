package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// host is a machine with a service on port 22 that logs as sshd does, and one client with an
// address of each family. No Docker.
type host struct {
	*gaol
	client *netlab.Node
	log    string
	pid    int      // of the last connection that was logged
	probes []*probe // of both families, from the client to port 22
}

var hostClient = []string{"203.0.113.66", "2001:db8:1::66"}

const hostJail = `
[sshd]
enabled   = true
filter    = sshd
port      = ssh
banaction = gaol
logpath   = %s
backend   = auto
maxretry  = 3
bantime   = %s
findtime  = 2m
`

func newHost(t *testing.T, bantime string) *host {
	t.Helper()
	need(t, "nft", "nsenter")
	net := netlab.New(t)
	h := &host{client: net.NewClient("client", hostClient[0]+"/24", hostClient[1]+"/64"), log: filepath.Join(testDir(t), "auth.log")}
	if err := os.WriteFile(h.log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	net.Host.Serve("tcp", ":22")
	h.gaol = newGaol(t, net.Host, fmt.Sprintf(hostJail, h.log, bantime))
	for _, to := range []string{"203.0.113.1:22", "[2001:db8:1::1]:22"} {
		p := startProbe(t, h.client, netip.MustParseAddrPort(to))
		p.waitOpen(t, 5*time.Second)
		h.probes = append(h.probes, p)
	}
	return h
}

// fail logs so many wrong passwords of an address, each of a connection of its own.
func (h *host) fail(t *testing.T, addr string, times int) {
	t.Helper()
	f, err := os.OpenFile(h.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for range times {
		h.pid++
		stamp := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
		if _, err := fmt.Fprintf(f, "%s host sshd[%d]: Failed password for root from %s port %d ssh2\n", stamp, h.pid, addr, 40000+h.pid); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHost bans on both families from a plain log, and ends the bans.
func TestHost(t *testing.T) {
	h := newHost(t, "4s")
	h.start(t)
	for i, addr := range hostClient {
		h.fail(t, addr, 2)
		last := time.Now()
		h.fail(t, addr, 1)
		shut := h.probes[i].waitShut(t, 10*time.Second)
		ban := h.ban(t, "sshd", addr)
		if ban.Count != 3 || len(matches(ban)) != 3 {
			t.Errorf("ban of %s: %d failures and %d lines, want 3 and 3", addr, ban.Count, len(matches(ban)))
		}
		if late := h.probes[i].waitOpen(t, 20*time.Second).Sub(ban.End); late < -time.Second || late > 4*time.Second {
			t.Errorf("%s got through again %s after the ban's end", addr, late)
		}
		t.Logf("%s: from the log line to the first dropped SYN: %s", addr, shut.Sub(last).Round(100*time.Microsecond))
	}
	h.stop(t)
}

// TestHostCommands goes through what an admin types.
func TestHostCommands(t *testing.T) {
	h := newHost(t, "1h")
	h.start(t)
	v4 := h.probes[0]
	h.cli(t, "ban", "sshd", hostClient[0], "--for", "1h", "--reason", "port scan")
	v4.waitShut(t, 5*time.Second)
	if b := h.ban(t, "sshd", hostClient[0]); b.Reason != "port scan" || !b.Manual || b.End.Sub(b.Start) != time.Hour {
		t.Errorf("ban by hand: %+v", b)
	}
	if out := h.cli(t, "banned"); !strings.Contains(out, hostClient[0]) || !strings.Contains(out, "sshd") {
		t.Errorf("gaol banned does not name jail and address:\n%s", out)
	}
	if out := h.cli(t, "status", "sshd"); !strings.Contains(out, hostClient[0]) || !strings.Contains(out, h.log) {
		t.Errorf("gaol status sshd does not name the ban and the log:\n%s", out)
	}
	h.cli(t, "unban", "sshd", hostClient[0])
	v4.waitOpen(t, 5*time.Second)

	out, status := h.try(t, "ban", "sshd", "203.0.113.0/26", "--socket", h.socket()) // covers the host's own address
	if _, ok := banned(h.jail(t, "sshd"), "203.0.113.0/26"); ok || status == 0 || !strings.Contains(out, "never banned") {
		t.Errorf("ban of a prefix with the host's own address: exit status %d:\n%s", status, out)
	}
	h.cli(t, "ban", "sshd", "203.0.113.64/26")
	v4.waitShut(t, 5*time.Second)

	h.write(t, "jail.local", strings.Replace(fmt.Sprintf(hostJail, h.log, "1h"), "maxretry  = 3", "maxretry  = 4", 1))
	h.cli(t, "reload")
	if j := h.jail(t, "sshd"); j.MaxRetry != 4 || j.CurrentlyBanned != 1 {
		t.Errorf("after reload: maxretry %d, %d banned, want 4 and the ban kept", j.MaxRetry, j.CurrentlyBanned)
	}
	h.stop(t) // native bans stay in the kernel
	from := time.Now()
	v4.mustStayShut(t, from, from.Add(time.Second))
	h.start(t)
	if _, ok := banned(h.jail(t, "sshd"), "203.0.113.64/26"); !ok {
		t.Error("the ban did not come back with the daemon")
	}
	v4.mustStayShut(t, from, time.Now())

	if err := h.daemon.signal(syscall.SIGTERM, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if out, status = h.try(t, "panic"); status != 0 {
		t.Errorf("gaol panic without the daemon: exit status %d:\n%s", status, out)
	}
	v4.waitOpen(t, 5*time.Second)
}

// TestRunningFail2ban starts a real fail2ban on the same jail and then gaol, which has to name it.
func TestRunningFail2ban(t *testing.T) {
	h := newHost(t, "1h")
	dir := testDir(t)
	socket := filepath.Join(dir, "fail2ban.sock")
	h.write(t, "fail2ban.local", fmt.Sprintf("[Definition]\nsocket = %s\npidfile = %s\ndbfile = None\nlogtarget = STDOUT\n", socket, filepath.Join(dir, "pid")))
	// The server itself: no ban of ours is to be seen, so the jail acts on nothing.
	jail := strings.Replace(fmt.Sprintf(hostJail, h.log, "1h"), "banaction = gaol", "banaction = iptables-multiport", 1)
	h.write(t, "jail.local", jail)
	server, err := startDaemon("fail2ban", h.node.Command("fail2ban-server", "-c", h.conf, "-f", "start"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.signal(syscall.SIGKILL, 10*time.Second) })
	server.out.wait(t, "Jail 'sshd' started", 1, 30*time.Second)

	out, status := h.try(t, "run", "-c", h.conf, "--state", filepath.Join(h.dir, "state"), "--socket", h.socket())
	if pid := fmt.Sprintf("pid %d", server.cmd.Process.Pid); status == 0 || !strings.Contains(out, "fail2ban") || !strings.Contains(out, pid) {
		t.Errorf("gaol run beside a running fail2ban: exit status %d, want another, its name and %s:\n%s", status, pid, out)
	}
}
