package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
)

// running is an engine on a configuration of its own, with the firewall's twin in memory.
type running struct {
	t       *testing.T
	dir     string
	log     string // followed by the jail sshd
	fw      *firewall.Memory
	said    chan string // every line of the engine's log
	stop    context.CancelFunc
	ended   chan error
	e       *engine
	seen    []string
	entries int              // of the journal
	own     string           // file that gets the engine's log too; empty: none
	now     func() time.Time // nil: time.Now
}

// saying is a log that a test can wait on.
type saying struct{ to chan string }

func (s saying) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		s.to <- line
	}
	return len(p), nil
}

const sshdJail = `
[sshd]
enabled = true
filter = sshd
backend = auto
logpath = %s
maxretry = 3
findtime = 10m
bantime = 1h
ignoreip = 198.51.100.200
`

func newRunning(t *testing.T) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{t: t, dir: dir, log: filepath.Join(dir, "auth.log"), fw: firewall.NewMemory()}
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log))
	r.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n") // not this machine's
	r.write("auth.log", "")
	return r
}

func (r *running) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// start runs the engine and returns when every jail watches.
func (r *running) start() {
	r.t.Helper()
	r.said, r.ended = make(chan string, 10000), make(chan error, 1)
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop = cancel
	e, closeAll, err := start(ctx, Options{
		Load: func() (*config.Config, []config.Problem) {
			return config.Load(config.LoadOptions{Dir: filepath.Join(r.dir, "conf")})
		},
		StateDir: filepath.Join(r.dir, "state"), Firewall: r.fw, Alone: true, Now: r.now,
		Log: slog.New(NewLogHandler(r.logTo(), slog.LevelDebug)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.e = e
	go func() {
		r.ended <- errors.Join(e.serve(), closeAll())
	}()
	r.t.Cleanup(r.end)
	r.wait("watches " + r.log)
}

// end stops the engine in order.
func (r *running) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

// wait blocks until the log says text.
func (r *running) wait(text string) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line := <-r.said:
			r.seen = append(r.seen, line)
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			r.t.Fatalf("the log never said %q; it said:\n%s", text, strings.Join(r.seen, ""))
		}
	}
}

// fail appends n failed logins of addr to the log.
func (r *running) fail(addr string, n int) {
	r.t.Helper()
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for i := range n {
		fmt.Fprintf(f, "%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n",
			time.Now().Format("2006-01-02T15:04:05-07:00"), 1000+i, addr)
	}
}

func (r *running) banned(jail string) []string {
	r.t.Helper()
	all, err := r.fw.List()
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, el := range all[jail] {
		id, _ := idOf(el.Prefix)
		out = append(out, id)
	}
	return out
}

func (r *running) do(c control.Command) control.Reply {
	r.t.Helper()
	reply, err := r.e.Do(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply
}

func TestFailuresBecomeABanInTheFirewall(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.fail("203.0.113.7", 2)
	r.wait("Found 203.0.113.7")
	r.wait("Found 203.0.113.7")
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("banned before maxretry: %v", got)
	}
	r.fail("203.0.113.7", 1)
	r.wait("Ban 203.0.113.7")
	if got := r.banned("sshd"); !slices.Equal(got, []string{"203.0.113.7"}) {
		t.Errorf("firewall holds %v", got)
	}
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if s.TotalFailed != 3 || s.CurrentlyBanned != 1 || s.Bans[0].Count != 3 || s.Lines != 3 {
		t.Errorf("status %+v", s)
	}
}

func TestIgnoredAndOwnAddressesAreSpared(t *testing.T) {
	r := newRunning(t)
	r.start()
	for _, addr := range []string{"198.51.100.200", "127.0.0.1"} {
		r.fail(addr, 3)
		r.wait("Ignore " + addr)
	}
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("firewall holds %v", got)
	}
	_, err := r.e.Do(t.Context(), control.Ban{Jail: "sshd", ID: "127.0.0.1"})
	var e *control.Error
	if !errors.As(err, &e) || e.Fault != control.Refused {
		t.Errorf("banning loopback by hand: %v", err)
	}
}

// A restart must know the bans and half counts, and read on where it stopped.
func TestRestartKeepsBansAndCounts(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.fail("203.0.113.7", 3)
	r.wait("Ban 203.0.113.7")
	r.fail("203.0.113.8", 2)
	r.wait("Found 203.0.113.8")
	r.wait("Found 203.0.113.8")
	r.end()
	if got := r.banned("sshd"); !slices.Equal(got, []string{"203.0.113.7"}) {
		t.Fatalf("after a stop the firewall holds %v", got)
	}
	r.start()
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if s.CurrentlyBanned != 1 || s.CurrentlyFailed != 1 || s.Lines != 0 {
		t.Errorf("after the restart: %+v", s)
	}
	r.fail("203.0.113.8", 1)
	r.wait("Ban 203.0.113.8")
}

// What the kernel alone knows is adopted, what was lifted is deleted, a jail that is gone is
// forgotten.
func TestStartComparesStoreAndKernel(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.1"})
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.2"})
	r.end()
	must(t, r.fw.Ensure([]firewall.Target{{Jail: "sshd"}, {Jail: "gone"}}))
	must(t, r.fw.Apply([]firewall.Change{
		{Jail: "sshd", Remove: []netip.Prefix{netip.MustParsePrefix("203.0.113.2/32")},
			Add: []firewall.Element{{Prefix: netip.MustParsePrefix("203.0.113.3/32"), Timeout: time.Minute}}},
		{Jail: "gone", Add: []firewall.Element{{Prefix: netip.MustParsePrefix("203.0.113.9/32")}}},
	}))
	r.start()
	if got, want := r.banned("sshd"), []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}; !slices.Equal(got, want) {
		t.Errorf("firewall holds %v, want %v", got, want)
	}
	if all, _ := r.fw.List(); all["gone"] != nil {
		t.Errorf("the jail that is gone still has %v", all["gone"])
	}
	for _, b := range r.do(control.Banned{ID: "203.0.113.3"}).Bans {
		if left := time.Until(b.End); left > time.Minute || left < 30*time.Second {
			t.Errorf("the adopted ban ends in %s", left)
		}
	}
}

func TestUnbanIsCarriedOutAndConfirmed(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.0/24"})
	if got := r.banned("sshd"); !slices.Equal(got, []string{"203.0.113.0/24"}) {
		t.Fatalf("firewall holds %v", got)
	}
	if hit := r.do(control.Banned{ID: "203.0.113.77"}).Bans; len(hit) != 1 {
		t.Errorf("who bans 203.0.113.77: %v", hit)
	}
	if got := r.do(control.Unban{ID: "203.0.113.0/24"}).Bans; len(got) != 1 {
		t.Errorf("unban lifted %v", got)
	}
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("firewall holds %v", got)
	}
	state, err := r.e.store.Load(t.Context(), "sshd")
	must(t, err)
	if len(state.Unbanned) != 0 || len(state.Bans) != 0 {
		t.Errorf("store holds %+v", state)
	}
}

// Somebody deletes our table: the next ban finds it gone, and all bans come back.
func TestBansComeBackAfterTheTableWasDeleted(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.1"})
	must(t, r.fw.Drop())
	if _, err := r.e.Do(t.Context(), control.Ban{Jail: "sshd", ID: "203.0.113.2"}); err == nil {
		t.Error("a ban that is not in force was reported as one")
	}
	r.wait("the firewall took all bans again")
	if got, want := r.banned("sshd"), []string{"203.0.113.1", "203.0.113.2"}; !slices.Equal(got, want) {
		t.Errorf("firewall holds %v, want %v", got, want)
	}
}

func TestReloadKeepsWhatIsSound(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.1"})
	sound := fmt.Sprintf(sshdJail, r.log)

	r.write("conf/jail.local", sound+"failregex = ^(\n")
	reply, err := r.e.Do(t.Context(), control.Reload{})
	if err == nil || len(reply.Problems) != 1 || !strings.Contains(reply.Problems[0], "jail.local:11: ") {
		t.Errorf("reload of a broken jail: error %v, problems %q", err, reply.Problems)
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; !s.Running || s.Problem == "" {
		t.Errorf("broken jail after reload: running %v, problem %q, problems %q", s.Running, s.Problem, reply.Problems)
	}

	r.write("conf/jail.local", strings.Replace(sound, "maxretry = 3", "maxretry = 2", 1))
	r.do(control.Reload{})
	r.wait("watches " + r.log)
	if got := r.banned("sshd"); !slices.Equal(got, []string{"203.0.113.1"}) {
		t.Errorf("after the change the firewall holds %v", got)
	}
	r.fail("203.0.113.5", 2)
	r.wait("Ban 203.0.113.5")

	r.write("conf/jail.local", "[sshd]\nenabled = false\n")
	r.do(control.Reload{})
	if all, _ := r.fw.List(); all["sshd"] != nil {
		t.Errorf("the jail that was removed still has %v", all["sshd"])
	}
}

func TestStopWithUnbanClearsTheKernel(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.1"})
	r.do(control.Stop{Unban: true})
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	r.stop = nil
	if all, _ := r.fw.List(); len(all) != 0 {
		t.Errorf("firewall holds %v", all)
	}
	r.start()
	if got := r.do(control.Banned{}).Bans; len(got) != 0 {
		t.Errorf("after the next start: %v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A line that would hang a backtracker costs a bounded number of steps, and the log says which
// regex gave up, by its place.
func TestRegexThatGivesUpIsNamed(t *testing.T) {
	r := newRunning(t)
	r.write("conf/filter.d/slow.conf", "[Definition]\nfailregex = ^ host (?P<a>(?:x+x+)+)y(?P=a)! from <ADDR>$\n")
	r.write("conf/jail.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "filter = sshd", "filter = slow", 1))
	r.start()
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	fmt.Fprintf(f, "%s host %sy! from 203.0.113.7\n", time.Now().Format("2006-01-02T15:04:05-07:00"), strings.Repeat("x", 3000))
	r.wait("regex gave up on a line")
	if last := r.seen[len(r.seen)-1]; !strings.Contains(last, "filter.d/slow.conf:2") {
		t.Errorf("the log does not name the regex's place: %s", last)
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.Aborted != 1 {
		t.Errorf("status counts %d aborts, want 1", s.Aborted)
	}
}

// Reading may fall behind in a burst. Lines without a timestamp are of now all the same: an
// attacker must not escape by writing a lot.
func TestUndatedBurstIsCounted(t *testing.T) {
	const lines = 6000 // more than one batch
	r := newRunning(t)
	r.write("conf/jail.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "maxretry = 3", "maxretry = 100000", 1))
	r.start()
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	line := func(addr string) string {
		return "host sshd[7]: Failed password for root from " + addr + " port 4711 ssh2\n"
	}
	_, err = f.WriteString(strings.Repeat(line("203.0.113.8"), lines) + line("203.0.113.9"))
	must(t, err)
	r.wait("Found 203.0.113.9")
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.TotalFailed != lines+1 {
		t.Errorf("%d failures counted, want %d", s.TotalFailed, lines+1)
	}

	r.end()
	_, err = f.WriteString(line("203.0.113.10"))
	must(t, err)
	r.start()
	r.wait("Found 203.0.113.10") // written while gaol was down
}

// A log that is read from its end on must not lose what comes while its jail starts anew.
func TestReloadLosesNoLineOfATailedLog(t *testing.T) {
	r := newRunning(t)
	conf := strings.Replace(fmt.Sprintf(sshdJail, r.log), r.log, r.log+" tail", 1)
	r.write("conf/jail.local", conf)
	r.fail("203.0.113.6", 3) // stood there before: not read
	r.start()
	r.fail("203.0.113.7", 1)
	r.wait("Found 203.0.113.7")
	w := r.e.find("sshd")
	w.call(func() { w.idle = true }) // nothing is read any more: these come while the jail starts anew
	r.fail("203.0.113.8", 3)
	r.write("conf/jail.local", strings.Replace(conf, "bantime = 1h", "bantime = 2h", 1))
	r.do(control.Reload{})
	r.wait("Ban 203.0.113.8")
	if got := r.banned("sshd"); !slices.Equal(got, []string{"203.0.113.8"}) {
		t.Errorf("firewall holds %v", got)
	}
}

// In a burst positions are written a little later than bans. A ban that was lifted by hand must
// not come back because its lines are read again after a kill.
func TestLiftInABurstIsWrittenWithThePosition(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.1"})
	w := r.e.find("sshd")
	w.call(func() {
		w.behind, w.saved = true, time.Now().Add(time.Millisecond)
		w.marks["/burst"] = event.Mark{Source: "/burst", Offset: 7}
	})
	r.do(control.Unban{Jail: "sshd", ID: "203.0.113.1"})
	state, err := r.e.store.Load(t.Context(), "sshd")
	must(t, err)
	if !slices.ContainsFunc(state.Marks, func(m event.Mark) bool { return m.Source == "/burst" }) {
		t.Errorf("the lift is written, the position is not: %+v", state.Marks)
	}
}
