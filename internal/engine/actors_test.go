package engine

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

// newActing is a jail whose one action is text, and the file that its commands write to.
func newActing(t *testing.T, text string) (r *running, out string) {
	t.Helper()
	r = newRunning(t)
	out = filepath.Join(r.dir, "out")
	r.write("conf/action.d/note.conf", "[Definition]\n"+strings.ReplaceAll(text, "OUT", out))
	r.write("conf/jail.local", strings.Replace(sshdJail, "%s", r.log, 1)+"action = note\n")
	return r, out
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFactsOfTheEngine reads the tags that only the engine knows, in the commands of a second
// ban: the store has the first one.
func TestFactsOfTheEngine(t *testing.T) {
	r, out := newActing(t, `actionban = echo "<ip-host>|<ipfailures>|<ipjailfailures>|<jail.banned>|<jail.banned_total>|<jail.found_total>" > OUT
            printf '%%s' "<ipmatches>" | grep -c . >> OUT
            printf '%%s' "<ipjailmatches>" | grep -c . >> OUT
actionreload = echo reloaded >> OUT
actionunban =
`)
	r.start()
	r.e.deps.resolver.LookupAddr = func(_ context.Context, addr string) ([]string, error) {
		if addr != "192.0.2.7" {
			return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
		}
		return []string{"bad.example.org."}, nil
	}
	earlier := ""
	for range 3 {
		earlier += time.Now().Add(-time.Minute).Format("2006-01-02T15:04:05-07:00") + " host sshd[9]: Failed password for root from 192.0.2.7 port 4711 ssh2\n"
	}
	r.write("auth.log", earlier)
	r.wait("actionban of note")
	if _, err := r.e.Do(t.Context(), control.Unban{ID: "192.0.2.7"}); err != nil {
		t.Fatal(err)
	}
	r.fail("192.0.2.7", 3)
	r.wait("actionban of note")
	if got, want := text(t, out), "bad.example.org|6|6|1|2|6\n6\n6\n"; got != want {
		t.Errorf("facts are %q, want %q", got, want)
	}
	if _, err := r.e.Do(t.Context(), control.Reload{}); err != nil {
		t.Fatal(err)
	}
	r.wait("actionreload of note")
	if got := text(t, out); !strings.HasSuffix(got, "reloaded\n") {
		t.Errorf("after a reload the file says %q", got)
	}
}

// TestFailingActionIsSeen has an action fail until its reason is taken away.
func TestFailingActionIsSeen(t *testing.T) {
	r, out := newActing(t, "actionban = cat OUT || { echo 'no $(file)'; exit 3; }\nactionunban = true\n")
	r.start()
	r.fail("192.0.2.7", 3)
	r.wait("action note failed")
	status := func() (problem string, failures uint64, said string) {
		reply, err := r.e.Do(t.Context(), control.Status{Jail: "sshd"})
		if err != nil {
			t.Fatal(err)
		}
		j := reply.Status.Jails[0]
		if len(j.ActionStates) != 1 || j.ActionStates[0].Name != "note" {
			t.Fatalf("states of actions: %+v", j.ActionStates)
		}
		return j.Problem, j.ActionStates[0].Failures, j.ActionStates[0].Error
	}
	problem, failures, said := status()
	if !strings.Contains(problem, "action note fails: run actionban") || failures != 1 || !strings.Contains(said, "exit status 3") {
		t.Errorf("a failing action is shown as %q, %d failures, last %q", problem, failures, said)
	}
	r.write(filepath.Base(out), "there")
	r.fail("192.0.2.8", 3)
	r.wait("actionban of note")
	if _, err := r.e.Do(t.Context(), control.Unban{ID: "192.0.2.8"}); err != nil {
		t.Fatal(err)
	}
	r.wait("actionunban of note") // what the ban led to has been noted by now
	if problem, failures, said = status(); problem != "" || failures != 1 || said == "" {
		t.Errorf("later the action is shown as %q, %d failures, last %q", problem, failures, said)
	}
}

func TestAllowsIPv6(t *testing.T) {
	r := newRunning(t)
	r.start()
	for _, tt := range []struct {
		text string
		want bool
	}{{"no", false}, {"yes", true}, {" False ", false}} {
		r.e.conf.Global.AllowIPv6 = tt.text
		if got := r.e.actionOptions().NoIPv6; got == tt.want {
			t.Errorf("allowipv6 = %s: NoIPv6 is %v", tt.text, got)
		}
	}
}

// TestMailActionRuns has smtp.py of a jail's configuration send to a port where nobody listens.
func TestMailActionRuns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRunning(t)
	r.write("conf/jail.local", strings.Replace(sshdJail, "%s", r.log, 1)+"action = smtp.py[host="+addr+", ssl=no, dest=root@example.org]\n")
	r.start()
	r.fail("192.0.2.7", 3)
	r.wait("action smtp failed: ban 192.0.2.7")
	reply, err := r.e.Do(t.Context(), control.Status{Jail: "sshd"})
	if err != nil {
		t.Fatal(err)
	}
	if j := reply.Status.Jails[0]; !strings.Contains(j.Problem, "action smtp fails: send mail of action smtp in jail sshd by "+addr) {
		t.Errorf("problem is %q", j.Problem)
	}
}
