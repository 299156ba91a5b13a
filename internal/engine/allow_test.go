package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

func TestAllowLiftsAndSparesAndOutlivesARestart(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.fail("203.0.113.66", 3)
	r.wait("Ban 203.0.113.66")
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.0/25"})
	hour := time.Hour
	reply := r.do(control.Allow{ID: "203.0.113.77/26", For: &hour, Reason: "auditors"})
	if len(reply.Bans) != 2 || len(reply.Allowed) != 1 || reply.Allowed[0].ID != "203.0.113.64/26" {
		t.Errorf("allow replied %+v; want both bans lifted", reply)
	}
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("in the kernel: %v", got)
	}
	r.end()
	r.start()
	r.fail("203.0.113.67", 3)
	r.wait("Ignore 203.0.113.67: the allow-list has 203.0.113.64/26 until ")
	if _, err := r.e.Do(t.Context(), control.Ban{Jail: "sshd", ID: "203.0.113.64"}); err == nil || !strings.Contains(err.Error(), "(auditors)") {
		t.Errorf("a ban by hand: %v; want it refused with the reason", err)
	}
	r.do(control.Disallow{ID: "203.0.113.64/26"})
	if got := r.do(control.Allowed{}).Allowed; len(got) != 0 {
		t.Errorf("still allowed: %v", got)
	}
	r.fail("203.0.113.68", 3)
	r.wait("Ban 203.0.113.68")
	if _, err := r.e.Do(t.Context(), control.Disallow{ID: "203.0.113.64/26"}); err == nil {
		t.Error("taking back what is not there was no error")
	}
}

func TestTrustedProxiesAreNeverBanned(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/z.local", "[sshd]\ntrusted_proxies = 203.0.113.1, 2001:db8::/64\nignoreself = false\n")
	r.start()
	r.fail("203.0.113.1", 3)
	r.wait("Ignore 203.0.113.1: trusted_proxies has 203.0.113.1. The log shows the proxy")
	for _, id := range []string{"203.0.113.0/24", "2001:db8::7"} {
		if _, err := r.e.Do(t.Context(), control.Ban{Jail: "sshd", ID: id}); err == nil {
			t.Errorf("%s was banned", id)
		}
	}
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("in the kernel: %v", got)
	}
}

func TestBadTrustedProxiesAreNamed(t *testing.T) {
	if _, err := readProxies("203.0.113.1 proxy.example"); err == nil || !strings.Contains(err.Error(), `"proxy.example"`) {
		t.Errorf("error %v", err)
	}
}

// The ban comes over the socket from a process of a shell that sshd opened (its variable is all
// that tells so), as `sudo gaol ban` does.
func TestNobodyBansHisOwnShell(t *testing.T) {
	r := newRunning(t)
	r.start()
	socket := filepath.Join(r.dir, "gaol.sock")
	srv, err := control.Listen(control.ServerOptions{Path: socket, Daemon: r.e})
	must(t, err)
	defer srv.Close()
	ban := func(id string) string {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `env -i "$0" -test.run='^TestBanFromAShell$' -test.v >&2; exit 0`, os.Args[0])
		cmd.Env = []string{"SSH_CONNECTION=203.0.113.5 40022 198.51.100.1 22", "PATH=" + os.Getenv("PATH")}
		cmd.Args[2] = strings.Replace(cmd.Args[2], "env -i", "env -i GAOL_TEST_SOCKET="+socket+" GAOL_TEST_BAN="+id, 1)
		out, err := cmd.CombinedOutput()
		must(t, err)
		return string(out)
	}
	for _, id := range []string{"203.0.113.5", "203.0.113.0/24"} {
		if out := ban(id); !strings.Contains(out, "your own shell is logged in from it") {
			t.Errorf("ban %s:\n%s", id, out)
		}
	}
	if out := ban("203.0.113.6"); !strings.Contains(out, "banned [203.0.113.6]") {
		t.Errorf("another address:\n%s", out)
	}
}

// TestBanFromAShell is the process that TestNobodyBansHisOwnShell starts.
func TestBanFromAShell(t *testing.T) {
	socket := os.Getenv("GAOL_TEST_SOCKET")
	if socket == "" {
		return // not that process
	}
	reply, err := control.NewClient(socket).Do(t.Context(), control.Ban{Jail: "sshd", ID: os.Getenv("GAOL_TEST_BAN")})
	if err != nil {
		t.Log(err)
		return
	}
	t.Logf("banned [%s]", reply.Bans[0].ID)
}

// ignoreself is fail2ban's, and can be switched off; the floor cannot. One line an address, however
// often it fails.
func TestOwnAddressIsNeverBannedWithoutIgnoreself(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/z.local", "[sshd]\nignoreself = false\n")
	r.start()
	r.fail("127.0.0.1", 9)
	r.fail("203.0.113.9", 3)
	r.wait("Ban 203.0.113.9")
	lines := 0
	for _, l := range r.seen {
		if strings.Contains(l, "Ignore 127.0.0.1: it is a loopback address") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d lines, want 1:\n%s", lines, strings.Join(r.seen, ""))
	}
	if _, err := r.e.Do(t.Context(), control.Ban{Jail: "sshd", ID: "127.0.0.0/8"}); err == nil {
		t.Error("loopback was banned by hand")
	}
	if got := r.banned("sshd"); len(got) != 1 || got[0] != "203.0.113.9" {
		t.Errorf("in the kernel: %v", got)
	}
}
