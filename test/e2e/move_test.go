package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/netlab"
)

const moveJail = `
[DEFAULT]
banaction = nftables-multiport

[sshd]
enabled   = true
port      = 22
filter    = sshd
backend   = polling
logpath   = %s
maxretry  = 3
findtime  = 10m
bantime   = 1h
`

// move is a machine that fail2ban and gaol take turns to guard, with one configuration.
type move struct {
	*gaol
	log    string
	lines  int     // written to it
	server *daemon // fail2ban
}

func newMove(t *testing.T) *move {
	t.Helper()
	need(t, "nft", "fail2ban-server", "fail2ban-client")
	m := &move{log: filepath.Join(testDir(t), "auth.log")}
	m.gaol = newGaol(t, netlab.New(t).Host, fmt.Sprintf(moveJail, m.log))
	m.write(t, "fail2ban.local", fmt.Sprintf("[Definition]\nsocket = %[1]s/f2b.sock\npidfile = %[1]s/f2b.pid\ndbfile = %[1]s/f2b.sqlite3\nlogtarget = STDOUT\n", m.dir))
	t.Cleanup(func() {
		if m.server != nil {
			_ = m.server.signal(syscall.SIGKILL, 10*time.Second)
		}
	})
	return m
}

func (m *move) startFail2ban(t *testing.T) {
	t.Helper()
	var err error
	if m.server, err = startDaemon("fail2ban", m.node.Command("fail2ban-server", "-c", m.conf, "-f", "start")); err != nil {
		t.Fatal(err)
	}
	m.server.out.wait(t, "Jail 'sshd' started", 1, 30*time.Second)
}

func (m *move) stopFail2ban(t *testing.T) {
	t.Helper()
	m.node.Run("fail2ban-client", "-c", m.conf, "stop")
	if err := m.server.wait(30 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// fails appends failed logins of addr at a time.
func (m *move) fails(t *testing.T, addr string, at time.Time, times int) {
	t.Helper()
	f, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range times {
		m.lines++ // each line is of a connection of its own
		fmt.Fprintf(f, "%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n", at.Format("2006-01-02T15:04:05-07:00"), m.lines, addr)
	}
}

// endsByFail2ban asks fail2ban for its bans and their ends.
func (m *move) endsByFail2ban(t *testing.T) map[string]time.Time {
	t.Helper()
	ends := map[string]time.Time{}
	out := m.node.Run("fail2ban-client", "-c", m.conf, "get", "sshd", "banip", "--with-time")
	for _, f := range regexp.MustCompile(`(?m)^(\S+) \t.* = (.*)$`).FindAllStringSubmatch(out, -1) {
		end, err := time.ParseInLocation(time.DateTime, f[2], time.Local)
		if err != nil {
			t.Fatal(err)
		}
		ends[f[1]] = end
	}
	return ends
}

// endsInKernel reads what nft itself says of gaol's table.
func (m *move) endsInKernel(t *testing.T) map[string]time.Time {
	t.Helper()
	ends := map[string]time.Time{}
	out, now := m.node.Run("nft", "list", "table", "inet", "gaol"), time.Now()
	for _, f := range regexp.MustCompile(`([0-9a-f.:]+)(?: timeout \S+)? expires (\w+)`).FindAllStringSubmatch(out, -1) {
		left, err := time.ParseDuration(f[2])
		if err != nil {
			t.Fatalf("%v in:\n%s", err, out)
		}
		ends[f[1]] = now.Add(left)
	}
	return ends
}

func sameEnds(t *testing.T, who string, got, want map[string]time.Time) {
	t.Helper()
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		t.Fatalf("%s bans %d: %q\nwant %d: %q", who, len(a), a, len(b), b)
	}
	for id, end := range want {
		if off := got[id].Sub(end); off < -time.Second || off > time.Second {
			t.Errorf("%s bans %s until %s, want %s", who, id, got[id], end)
		}
	}
}

// attackers are half of them IPv4, half IPv6.
func attackers(n int) (all []string) {
	for i := range n {
		if i%2 == 0 {
			all = append(all, fmt.Sprintf("198.51.100.%d", i/2+1))
		} else {
			all = append(all, fmt.Sprintf("2001:db8::%x", i/2+1))
		}
	}
	return all
}

// TestMove moves from fail2ban to gaol and back: two hundred bans keep their ends, and the log,
// half read and then rotated, is read on.
func TestMove(t *testing.T) {
	const half, fresh = "203.0.113.50", "203.0.113.51"
	m := newMove(t)
	start := time.Now().Truncate(time.Second)
	bans := attackers(200)
	for i, addr := range bans {
		m.fails(t, addr, start.Add(-8*time.Minute+time.Duration(i)*2*time.Second), 3)
	}
	m.fails(t, half, start, 2)
	m.startFail2ban(t)
	m.server.out.wait(t, "[sshd] Ban ", len(bans), time.Minute)
	m.server.out.wait(t, "Found "+half, 2, 10*time.Second)
	ends := m.endsByFail2ban(t)
	if len(ends) != len(bans) {
		t.Fatalf("fail2ban bans %d, want %d", len(ends), len(bans))
	}
	if out, status := m.try(t, "run", "-c", m.conf, "--state", filepath.Join(m.dir, "state"), "--socket", m.socket()); status == 0 || !strings.Contains(out, "fail2ban is running") {
		t.Errorf("gaol beside fail2ban: exit status %d:\n%s", status, out)
	}
	if out, status := m.imports(t); status == 0 || !strings.Contains(out, "fail2ban is running") {
		t.Errorf("import beside fail2ban: exit status %d:\n%s", status, out)
	}
	m.stopFail2ban(t)
	if rules := m.node.Run("nft", "list", "ruleset"); strings.Contains(rules, "198.51.100") {
		t.Errorf("fail2ban has stopped and its bans stay:\n%s", rules)
	}

	m.fails(t, half, time.Now(), 1)
	m.fails(t, fresh, time.Now(), 2)
	if err := os.Rename(m.log, m.log+".1"); err != nil {
		t.Fatal(err)
	}
	m.fails(t, fresh, time.Now(), 1)
	m.native(t)
	m.start(t)
	m.daemon.out.wait(t, "Ban "+fresh, 1, 20*time.Second)
	kernel := m.endsInKernel(t)
	delete(kernel, fresh)
	sameEnds(t, "the kernel", kernel, ends)
	m.read(t, half, fresh, fresh, fresh)
	if j := m.jail(t, "sshd"); j.CurrentlyFailed != 1 || j.CurrentlyBanned != len(bans)+1 {
		t.Errorf("gaol counts %d and bans %d, want 1 and %d", j.CurrentlyFailed, j.CurrentlyBanned, len(bans)+1)
	}
	if out, status := m.imports(t); status == 0 || !strings.Contains(out, "gaol is running") {
		t.Errorf("import beside gaol: exit status %d:\n%s", status, out)
	}
	m.stop(t)
	if out, status := m.imports(t); status != 0 || !strings.Contains(out, "has nothing that is new here") {
		t.Errorf("import of what was taken over: exit status %d:\n%s", status, out)
	}
	m.start(t)
	if again := m.daemon.out.with("taken over"); len(again) > 0 {
		t.Errorf("taken over a second time: %q", again)
	}

	m.stop(t, "--unban")
	if tables := m.node.Run("nft", "list", "tables"); strings.Contains(tables, "gaol") {
		t.Errorf("gaol has stopped and left %s", tables)
	}
	if err := os.RemoveAll(filepath.Join(m.conf, "jail.d")); err != nil {
		t.Fatal(err)
	}
	m.startFail2ban(t)
	m.server.out.wait(t, "[sshd] Restore Ban ", len(bans), time.Minute)
	sameEnds(t, "fail2ban", m.endsByFail2ban(t), ends)
	m.waitInForce(t, bans)
	m.stopFail2ban(t)
}

func (m *move) imports(t *testing.T) (out string, status int) {
	t.Helper()
	return m.try(t, "import", "-c", m.conf, "--state", filepath.Join(m.dir, "state"))
}

// native has gaol ban by itself, as docs/from-fail2ban.md says.
func (m *move) native(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(m.conf, "jail.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.write(t, "jail.d/gaol.local", "[DEFAULT]\nbanaction = gaol\nbanaction_allports = gaol[type=allports]\n")
}

// read wants the failures that gaol has found to be these.
func (m *move) read(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, l := range m.daemon.out.with("] Found ") {
		_, addr, _ := strings.Cut(l, "] Found ")
		addr, _, _ = strings.Cut(addr, " ")
		got = append(got, addr)
	}
	if !slices.Equal(got, want) {
		t.Errorf("gaol found %q, want what came after fail2ban: %q", got, want)
	}
}

// TestMoveWithActions keeps fail2ban's own action: gaol runs its commands.
func TestMoveWithActions(t *testing.T) {
	m := newMove(t)
	bans := attackers(6)
	for _, addr := range bans {
		m.fails(t, addr, time.Now(), 3)
	}
	m.startFail2ban(t)
	m.server.out.wait(t, "[sshd] Ban ", len(bans), time.Minute)
	m.waitInForce(t, bans)
	ends := m.endsByFail2ban(t)
	m.stopFail2ban(t)
	m.start(t)
	byGaol := map[string]time.Time{}
	for _, b := range m.jail(t, "sshd").Bans {
		byGaol[b.ID] = b.End
	}
	sameEnds(t, "gaol", byGaol, ends)
	m.waitInForce(t, bans)
	m.stop(t)
	if rules := m.node.Run("nft", "list", "ruleset"); strings.Contains(rules, "f2b") {
		t.Errorf("gaol has stopped and left:\n%s", rules)
	}
	m.startFail2ban(t)
	m.server.out.wait(t, "[sshd] Restore Ban ", len(bans), time.Minute)
	sameEnds(t, "fail2ban", m.endsByFail2ban(t), ends)
	m.waitInForce(t, bans)
	m.stopFail2ban(t)
}

// waitInForce waits until the set of fail2ban's action holds exactly these: commands run behind
// the log line that tells of a ban, and nft tells of them only who listened before.
func (m *move) waitInForce(t *testing.T, bans []string) {
	t.Helper()
	want := slices.Sorted(slices.Values(bans))
	tick, late := time.NewTicker(50*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for rules := ""; ; {
		got := regexp.MustCompile(`(?:198\.51\.100\.|2001:db8::)\w+`).FindAllString(rules, -1)
		if slices.Sort(got); slices.Equal(got, want) {
			return
		}
		select {
		case <-tick.C:
			out, _ := m.node.Command("nft", "list", "table", "inet", "f2b-table").Output() // there is none at first
			rules = string(out)
		case <-late:
			t.Fatalf("banned in the kernel: %q\nwant %q", got, want)
		}
	}
}
