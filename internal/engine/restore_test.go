package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/store"
)

// What led to a ban is on disk alone, but there for whoever asks: a status, an answer, and the
// command that undoes the ban; before a restart and behind it, also where the ban was changed.
func TestWhatLedToABanIsThereWhenAsked(t *testing.T) {
	r, out := newActing(t, "actionban = true\nactionunban = echo \"<F-USER>|$(printf '%%s' \"<matches>\" | grep -c .)\" >> OUT\n")
	r.start()
	ask := func(when string) {
		t.Helper()
		w := r.e.find("sshd")
		w.call(func() {
			if b, _ := w.jail.Find("192.0.2.7"); !b.Bare || b.Matches != nil || b.Fields != nil {
				t.Errorf("%s: the jail keeps %+v", when, b)
			}
		})
		all := slices.Concat(r.do(control.Status{}).Status.Jails[0].Bans, r.do(control.Banned{ID: "192.0.2.7"}).Bans,
			r.do(control.Why{ID: "192.0.2.7"}).Account.Jails[0].Bans)
		for _, b := range all {
			if len(b.Matches) != 3 || b.Fields.Get("user") != "root" || !strings.Contains(b.Regex, "sshd") || b.Source != r.log {
				t.Errorf("%s: %+v", when, b)
			}
		}
		if len(all) != 3 {
			t.Errorf("%s: %d bans", when, len(all))
		}
	}
	r.fail("192.0.2.7", 3)
	r.wait("actionban of note")
	ask("at once")
	long := 100 * time.Hour
	r.do(control.Ban{Jail: "sshd", ID: "192.0.2.7", For: &long})
	ask("made longer")
	r.end()
	r.start()
	ask("behind a restart")
	if got := r.do(control.Unban{ID: "192.0.2.7"}).Bans; len(got) != 1 || len(got[0].Matches) != 3 {
		t.Errorf("lifted: %+v", got)
	}
	r.wait("actionunban of note")
	if got, want := text(t, out), strings.Repeat("root|3\n", 2); got != want { // at the stop, and now
		t.Errorf("the commands were told %q, want %q", got, want)
	}
}

// withheld is a firewall that lists one jail's bans only when it may.
type withheld struct {
	*firewall.Memory
	jail string
	may  chan struct{}
}

func (h withheld) List(jails ...string) (map[string][]firewall.Element, error) {
	if slices.Contains(jails, h.jail) {
		<-h.may
	}
	return h.Memory.List(jails...)
}

// A jail that gets many bans back holds up no other: while it waits for the kernel, the other
// bans. The log has one line for many bans, and in the end the kernel has those that it lacked too.
func TestBansComeBackBesideReading(t *testing.T) {
	r := newRunning(t)
	r.write("many.log", "")
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+strings.Replace(fmt.Sprintf(sshdJail, filepath.Join(r.dir, "many.log")), "[sshd]", "[many]\n", 1))
	const n = 2 * restoreTold
	now := time.Now()
	change := store.Change{Jail: "many", Time: now}
	var half []firewall.Element
	for i := range n {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		change.Bans = append(change.Bans, event.Ban{ID: a.String(), IP: a.String(), Start: now, End: now.Add(time.Hour), Times: 1})
		if i%2 == 0 {
			half = append(half, firewall.Element{Prefix: netip.PrefixFrom(a, 32), Timeout: time.Hour})
		}
	}
	s, err := store.Open(filepath.Join(r.dir, "state", "gaol.db"))
	must(t, err)
	must(t, s.Commit(t.Context(), []store.Change{change}))
	must(t, s.Close())
	must(t, r.fw.Ensure([]firewall.Target{{Jail: "many"}}))
	must(t, r.fw.Apply([]firewall.Change{{Jail: "many", Add: half}}))

	may, ready := make(chan struct{}), make(chan error, 1)
	r.said = make(chan string, 10000)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, closeAll, err := start(ctx, Options{
			Load: func() (*config.Config, []config.Problem) {
				return config.Load(config.LoadOptions{Dir: filepath.Join(r.dir, "conf")})
			},
			StateDir: filepath.Join(r.dir, "state"), Firewall: withheld{r.fw, "many", may}, Alone: true,
			Log: slog.New(NewLogHandler(r.logTo(), slog.LevelDebug)),
		})
		ready <- err
		<-ctx.Done()
		ready <- closeAll()
	}()
	r.fail("203.0.113.7", 3)
	r.wait("[sshd] Ban 203.0.113.7")
	select {
	case err := <-ready:
		t.Fatalf("the start did not wait for all bans: %v", err)
	default:
	}
	close(may)
	r.wait(fmt.Sprintf("[many] Restored %d bans", n))
	must(t, <-ready)
	if got := len(r.banned("many")); got != n {
		t.Errorf("the kernel holds %d bans, want %d", got, n)
	}
	if slices.ContainsFunc(r.seen, func(line string) bool { return strings.Contains(line, "Restore Ban") }) {
		t.Error("each ban has a line of its own")
	}
	cancel()
	must(t, <-ready)
}
