package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

const increasing = `
[sshd]
enabled = true
filter = sshd
backend = auto
logpath = %s
maxretry = 4
findtime = 10m
bantime = 3
bantime.increment = true
bantime.formula = ban.Time * 1200 * 2 ** ban.Count
bantime.maxtime = 1d
action = told[actname=told]
`

const tolds = `[Definition]
actionban = echo "ban <ip> <bantime> <bancount>" >> %s
actionunban = echo "unban <ip>" >> %s
`

// The second ban is longer and comes after fewer failures, also when gaol was restarted in
// between; the kernel, the store and the actions have the longer time. Who is forgiven starts
// afresh.
func TestKnownOffenderIsBannedLonger(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.local", fmt.Sprintf(increasing, r.log))
	out := r.dir + "/told"
	r.write("conf/action.d/told.conf", fmt.Sprintf(tolds, out, out))
	r.start()
	r.fail("203.0.113.7", 4)
	r.wait("Ban 203.0.113.7")
	r.wait("Unban 203.0.113.7")
	r.end()
	r.start()
	r.fail("203.0.113.7", 2) // each counts for two
	r.wait("Increase Ban 203.0.113.7 (2 # 2h -> ")
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if len(s.Bans) != 1 || s.Bans[0].End.Sub(s.Bans[0].Start) != 2*time.Hour || s.Bans[0].Count != 2 {
		t.Errorf("bans %+v", s.Bans)
	}
	r.end()
	if got, want := r.read("told"), "ban 203.0.113.7 3 1\nunban 203.0.113.7\nban 203.0.113.7 7200 2\n"; !strings.HasPrefix(got, want) {
		t.Errorf("the action was told\n%swant\n%s", got, want)
	}
	r.start()
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; len(s.Bans) != 1 || time.Until(s.Bans[0].End) < time.Hour {
		t.Errorf("after a restart: %+v", s.Bans)
	}
	r.do(control.Unban{Jail: "sshd", ID: "203.0.113.7"})
	r.fail("203.0.113.7", 3)
	for range 3 {
		r.wait("Found 203.0.113.7")
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; len(s.Bans) != 0 || s.CurrentlyFailed != 1 {
		t.Errorf("after it was forgiven: %+v", s)
	}
}

// Forgiving needs no ban: it is the past that is forgotten (§4.7), of one or of all.
func TestUnbanForgivesWithoutABan(t *testing.T) {
	for _, c := range []control.Unban{{Jail: "sshd", ID: "203.0.113.7"}, {All: true}} {
		r := newRunning(t)
		text := strings.Replace(fmt.Sprintf(increasing, r.log), "action = told[actname=told]\n", "", 1)
		r.write("conf/jail.local", text)
		r.start()
		r.fail("203.0.113.7", 4)
		r.wait("Ban 203.0.113.7")
		r.wait("Unban 203.0.113.7")
		r.do(c)
		r.fail("203.0.113.7", 4) // each counts for one
		r.wait("Ban 203.0.113.7")
		if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; len(s.Bans) != 1 || s.Bans[0].Times != 1 || s.Bans[0].Count != 4 {
			t.Errorf("%+v: %+v", c, s.Bans)
		}
		r.end()
	}
}

// A formula that cannot be computed breaks its jail, with the place.
func TestBadFormulaBreaksTheJail(t *testing.T) {
	r := newRunning(t)
	good := fmt.Sprintf(sshdJail, r.log)
	bad := strings.Replace(fmt.Sprintf(increasing, r.log), "[sshd]", "[bad]", 1)
	bad = strings.Replace(bad, "2 ** ban.Count", "ban.Weight", 1)
	r.write("conf/jail.local", good+strings.Replace(bad, "action = told[actname=told]\n", "", 1))
	r.start()
	s := r.do(control.Status{Jail: "bad"}).Status.Jails[0]
	if !strings.Contains(s.Problem, "jail.local:") || !strings.Contains(s.Problem, "bantime.formula") {
		t.Errorf("problem %q", s.Problem)
	}
}

func TestLastingIsFail2bans(t *testing.T) {
	for seconds, want := range map[int]string{
		0: "0", 1: "1s", 61: "1m 1s", 1200: "20m", 3661: "1h 1m", 7199: "2h", 86399: "24h", 86459: "1d 1m", 90061: "1d 1h 1m",
		608399: "1w 1h", 1209599: "2w", 2629800: "4w 2d 10h", 31535999: "52w 1d", 31622399: "1y 1d", 34560061: "1y 5w", 629145600: "19y 49w 4d",
	} {
		if got := lasting(time.Duration(seconds) * time.Second); got != want {
			t.Errorf("%d s: %q, want %q", seconds, got, want)
		}
	}
}

func (r *running) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
