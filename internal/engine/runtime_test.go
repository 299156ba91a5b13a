package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"

	"github.com/google/go-cmp/cmp"
)

func (r *running) set(key string, args ...string) any {
	r.t.Helper()
	return r.do(control.Set{Jail: "sshd", Key: key, Args: args}).Value
}

func (r *running) refused(c control.Command) *control.Error {
	r.t.Helper()
	_, err := r.e.Do(r.t.Context(), c)
	var e *control.Error
	if !errors.As(err, &e) {
		r.t.Fatalf("%#v: error %v", c, err)
	}
	return e
}

func (r *running) append(path, line string) {
	r.t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(time.Now().Format("2006-01-02T15:04:05-07:00") + " " + line + "\n"); err != nil {
		r.t.Fatal(err)
	}
}

func TestSettingsCountAtOnce(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.fail("203.0.113.7", 1)
	r.wait("Found 203.0.113.7")
	if got := r.set("maxretry", "2"); got != 2 {
		t.Errorf("maxretry is %v", got)
	}
	r.fail("203.0.113.7", 1)
	r.wait("Ban 203.0.113.7") // the count before the change went on
	r.set("bantime", "2h")
	before, _ := r.e.find("sshd").jail.Find("203.0.113.7")
	r.set("addfailregex", "evil <HOST>$")
	r.append(r.log, "host sshd[1]: evil 203.0.113.8")
	r.wait("Found 203.0.113.8")
	r.append(r.log, "host sshd[1]: evil 203.0.113.8")
	r.wait("Ban 203.0.113.8")
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	for _, b := range s.Bans {
		if want := map[string]time.Duration{"203.0.113.7": time.Hour, "203.0.113.8": 2 * time.Hour}[b.ID]; b.End.Sub(b.Start) != want {
			t.Errorf("%s is banned for %s, want %s", b.ID, b.End.Sub(b.Start), want)
		}
	}
	if s.TotalFailed != 4 || before.ID == "" {
		t.Errorf("total failed %d, first ban %+v", s.TotalFailed, before)
	}
	r.set("addignoreip", "203.0.113.0/24")
	if got := r.do(control.Attempt{Jail: "sshd", ID: "203.0.113.9"}).Value; got != 0 {
		t.Errorf("an ignored id was counted: %v", got)
	}
	if got := r.do(control.Attempt{Jail: "sshd", ID: "198.51.100.1", Lines: []string{"a", "b"}}).Value; got != 1 {
		t.Errorf("an attempt was not counted: %v", got)
	}
	r.wait("Ban 198.51.100.1")
}

func TestWrongSettingsChangeNothing(t *testing.T) {
	r := newRunning(t)
	r.start()
	before := r.do(control.Get{Jail: "sshd", Key: "failregex"}).Value
	for _, c := range []struct {
		key, arg, class, says string
	}{
		{"addfailregex", "^evil (<HOST>$", "fail2ban.server.failregex.RegexException", "missing ), unterminated subpattern at position 6"},
		{"bantime", "xx", "NameError", "name 'xx' is not defined"},
		{"maxretry", "xx", "ValueError", "invalid literal for int() with base 10: 'xx'"},
		{"logtimezone", "Mars", "ValueError", "Unknown or unsupported time zone: 'Mars'"},
		{"addlogpath", "/no/such/file", "FileNotFoundError", "/no/such/file"},
		{"idle", "x", "Exception", "Invalid idle option"},
		{"nope", "x", "Exception", "Invalid command 'nope'"},
	} {
		e := r.refused(control.Set{Jail: "sshd", Key: c.key, Args: []string{c.arg}})
		if e.Class != c.class || !strings.Contains(e.Msg, c.says) {
			t.Errorf("%s %s: %s(%s)", c.key, c.arg, e.Class, e.Msg)
		}
	}
	if e := r.refused(control.Set{Jail: "nope", Key: "bantime", Args: []string{"1"}}); e.Fault != control.Unknown {
		t.Errorf("no such jail: %+v", e)
	}
	if diff := cmp.Diff(before, r.do(control.Get{Jail: "sshd", Key: "failregex"}).Value); diff != "" {
		t.Errorf("failregex changed:\n%s", diff)
	}
}

func TestLogsComeAndGoAndRest(t *testing.T) {
	r := newRunning(t)
	second := filepath.Join(r.dir, "second.log")
	r.write("second.log", "")
	r.start()
	r.fail("203.0.113.7", 1)
	r.wait("Found 203.0.113.7")
	if diff := cmp.Diff(any([]string{r.log, second}), r.set("addlogpath", second, "tail")); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	r.wait("watches " + second)
	r.append(second, "host sshd[1]: Failed password for root from 203.0.113.8 port 4711 ssh2")
	r.wait("Found 203.0.113.8")
	if diff := cmp.Diff(any([]string{second}), r.set("dellogpath", r.log)); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	r.wait("jail started")
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.TotalFailed != 2 {
		t.Errorf("total failed %d, want 2", s.TotalFailed)
	}
	r.set("idle", "on")
	r.append(second, "host sshd[2]: Failed password for root from 203.0.113.9 port 4711 ssh2")
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.TotalFailed != 2 {
		t.Errorf("an idle jail counted: %d", s.TotalFailed)
	}
	r.set("idle", "off")
	r.wait("Found 203.0.113.9")
}

func TestJailsComeAndGo(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.do(control.ControlJail{Op: "add", Jail: "third"})
	if e := r.refused(control.ControlJail{Op: "add", Jail: "third"}); e.Class != "fail2ban.exceptions.DuplicateJailException" {
		t.Errorf("twice: %+v", e)
	}
	if e := r.refused(control.ControlJail{Op: "add", Jail: "a/b"}); e.Class != "ValueError" {
		t.Errorf("a/b: %+v", e)
	}
	if got := r.do(control.Get{Jail: "third", Key: "bantime"}).Value; got != int64(600) {
		t.Errorf("bantime %v", got)
	}
	if got := r.do(control.Get{Jail: "third", Key: "logpath"}).Value; len(got.([]string)) != 0 {
		t.Errorf("logpath %v", got)
	}
	r.do(control.ControlJail{Op: "stop", Jail: "third"})
	if e := r.refused(control.ControlJail{Op: "start", Jail: "third"}); e.Fault != control.Unknown {
		t.Errorf("stopped: %+v", e)
	}
}

func TestIncrementIsTurnedOnWhileTheJailRuns(t *testing.T) {
	r := newRunning(t)
	r.start()
	r.set("maxretry", "1")
	r.fail("203.0.113.7", 1)
	r.wait("Ban 203.0.113.7")
	r.do(control.Unban{ID: "203.0.113.7"})
	r.set("bantime.multipliers", "1 5")
	r.set("bantime.increment", "true")
	if got := r.do(control.Get{Jail: "sshd", Key: "bantime.increment"}).Value; got != true {
		t.Errorf("bantime.increment is %v", got)
	}
	if e := r.refused(control.Set{Jail: "sshd", Key: "bantime.multipliers", Args: []string{"1 x"}}); e.Class != "ValueError" {
		t.Errorf("multipliers: %+v", e)
	}
	if !r.e.find("sshd").conf.Increment.On {
		t.Error("the jail does not know")
	}
}

func TestUnbanByNetworkAndAll(t *testing.T) {
	r := newRunning(t)
	r.start()
	for _, id := range []string{"203.0.113.7", "203.0.113.8", "198.51.100.0/25"} {
		r.do(control.Ban{Jail: "sshd", ID: id})
	}
	if got := r.do(control.Unban{ID: "203.0.113.0/24"}).Bans; len(got) != 0 {
		t.Errorf("lifted without Within: %v", got)
	}
	if got := r.do(control.Unban{ID: "203.0.113.0/24", Within: true}).Bans; len(got) != 2 {
		t.Errorf("lifted %v", got)
	}
	if got := r.do(control.Unban{All: true}).Bans; len(got) != 1 || got[0].ID != "198.51.100.0/25" {
		t.Errorf("lifted %v", got)
	}
}

func TestDatabaseIsNamedAnewWhereNoJailRuns(t *testing.T) {
	r := newRunning(t)
	r.start()
	other := control.Set{Key: "dbfile", Args: []string{"/var/lib/other.sqlite3"}}
	if e := r.refused(other); e.Class != "RuntimeError" {
		t.Errorf("with a jail: %+v", e)
	}
	r.do(control.ControlJail{Op: "stop", Jail: "sshd"})
	r.do(other)
	if got := r.do(control.Get{Key: "dbfile"}).Value; got != "/var/lib/other.sqlite3" {
		t.Errorf("dbfile is %v", got)
	}
	r.do(control.Set{Key: "dbfile", Args: []string{"None"}})
	if got := r.do(control.Get{Key: "dbfile"}).Value; got != nil {
		t.Errorf("dbfile is %v, want none", got)
	}
}
