package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/replay"
)

const replayJails = `
[DEFAULT]
findtime = 10m
bantime = 20m
ignoreip = 198.51.100.200
backend = auto

[sshd]
enabled = true
filter = sshd
logpath = %[1]s
maxretry = 3

[longer]
enabled = true
filter = sshd[mode=aggressive]
logpath = %[1]s
maxretry = 5
bantime.increment = true
prefix = 28/64
`

// step is what was written in one second. The last line of each is a failure of an address that
// fails just once, so that it can be waited for.
type step struct {
	at   time.Time
	text string
	last string
}

// history makes hours of a log: attackers that come back, late lines and lines without a stamp. The
// first line of each second has that second's stamp, which is all a replay can know of the time.
func history(seed uint64) (steps []step) {
	r := rand.New(rand.NewPCG(seed, 7))
	at := time.Date(2026, 10, 3, 22, 0, 0, 0, time.UTC)
	for n := range 150 {
		at = at.Add(time.Duration(1+r.IntN(4)*r.IntN(100)) * time.Second)
		var b strings.Builder
		for i := range 1 + r.IntN(5) {
			stamp := at
			if i > 0 && r.IntN(20) == 0 {
				stamp = at.Add(-time.Duration(r.IntN(200)) * time.Second) // late, some too late to be believed
			}
			addr := fmt.Sprintf("198.51.100.%d", 195+r.IntN(8))
			text := []string{
				"Failed password for root from %s port 4711 ssh2", "Invalid user guest from %s port 4711",
				"Connection closed by %s port 4711 [preauth]", "Accepted publickey for alice from %s port 4711 ssh2: ED25519 SHA256:x",
			}[r.IntN(4)]
			head := stamp.Format("2006-01-02T15:04:05.000000-07:00") + " "
			if i > 0 && r.IntN(30) == 0 {
				head = ""
			}
			fmt.Fprintf(&b, head+"host sshd[%d]: "+text+"\n", 1000+n*10+r.IntN(3), addr)
		}
		last := fmt.Sprintf("203.0.%d.%d", 113+n/250, 1+n%250)
		fmt.Fprintf(&b, "%s host sshd[9]: Failed password for root from %s port 4711 ssh2\n", at.Format("2006-01-02T15:04:05.000000-07:00"), last)
		steps = append(steps, step{at.Truncate(time.Second), b.String(), last})
	}
	return steps
}

// asDaemon are the bans of a daemon that reads the steps as they are written, on their clock.
func asDaemon(t *testing.T, r *running, steps []step) []replay.Ban {
	t.Helper()
	var clock atomic.Pointer[time.Time]
	clock.Store(&steps[0].at)
	r.now = func() time.Time { return *clock.Load() }
	r.start()
	told := r.e.Subscribe(t.Context(), 10_000)
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, s := range steps {
		clock.Store(&s.at)
		for _, w := range r.e.running() { // what its timer would do, had the time passed
			w.call(func() { w.tick(t.Context()) })
		}
		if _, err := f.WriteString(s.text); err != nil {
			t.Fatal(err)
		}
		r.wait("Found " + s.last)
		r.wait("Found " + s.last)
		for _, w := range r.e.running() {
			w.call(func() {}) // the batch is settled
		}
	}
	r.end()
	var bans []replay.Ban
	at := map[string]int{}
	for h := range told {
		if h.Ban == nil {
			continue
		}
		key := h.Jail + " " + h.Ban.ID
		switch h.What {
		case event.Banned:
			at[key] = len(bans)
			bans = append(bans, replay.Ban{Jail: h.Jail, ID: h.Ban.ID, At: h.Time, Start: h.Ban.Start, End: h.Ban.End,
				Failures: h.Ban.Count, Regex: h.Ban.Regex, Times: h.Ban.Times})
		case event.Prolonged:
			bans[at[key]].End = h.Ban.End
		case event.Unbanned:
			bans[at[key]].Lifted = h.Time
		}
	}
	return bans
}

func byJail(all []replay.Ban) map[string][]replay.Ban {
	m := map[string][]replay.Ban{}
	for _, b := range all {
		m[b.Jail] = append(m[b.Jail], b)
	}
	return m
}

// A replay comes to the bans that the daemon came to when the log was written.
func TestReplayBansAsTheDaemon(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRunning(t)
			r.write("conf/jail.local", fmt.Sprintf(replayJails, r.log))
			steps := history(seed)
			want := asDaemon(t, r, steps)

			conf, problems := config.Load(config.LoadOptions{Dir: filepath.Join(r.dir, "conf")})
			lanes, broken, err := Lanes(t.Context(), conf.Jails, time.Now())
			if err != nil || len(broken) > 0 || len(lanes) != 2 {
				t.Fatal(lanes, broken, err, problems)
			}
			report, err := replay.Run(t.Context(), replay.Options{Lanes: lanes, Now: time.Now(), Files: []replay.File{{
				Path: r.log, Lanes: []int{0, 1}, Read: func(do func(string)) error {
					for _, s := range steps {
						for line := range strings.Lines(s.text) {
							do(strings.TrimSuffix(line, "\n"))
						}
					}
					return nil
				}}}})
			if err != nil {
				t.Fatal(err)
			}
			for i := range report.Bans {
				report.Bans[i].Accepted = 0 // the daemon does not count them
			}
			if len(want) < 20 {
				t.Errorf("only %d bans: the history tries too little", len(want))
			}
			if diff := cmp.Diff(byJail(want), byJail(report.Bans)); diff != "" {
				t.Errorf("the daemon's bans and the replay's (-daemon +replay):\n%s", diff)
			}
		})
	}
}
