package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/store"
)

const foldJail = "[sshd]\nmaxretry = 1\naggregate = on\nignoreip = 198.51.100.200\n"

func ban(id string) event.Ban { return event.Ban{ID: id} }

// Many offenders of a prefix are one element; queries, lifts, restarts and other settings know
// those that it stands for.
func TestOffendersOfAPrefixAreFolded(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/fold.local", foldJail)
	r.start()
	for i := range 64 {
		r.fail(fmt.Sprintf("203.0.113.%d", i), 1)
		r.fail(fmt.Sprintf("198.51.100.%d", 192+i), 1) // ignoreip has one of them
	}
	r.wait("Fold 203.0.113.0/26: ")
	r.wait("Ban 198.51.100.255")
	if got := r.banned("sshd"); !slices.Contains(got, "203.0.113.0/26") || slices.ContainsFunc(got, func(id string) bool {
		p, _ := prefixOf(ban(id))
		return p.Contains(netip.MustParseAddr("198.51.100.200"))
	}) || len(got) > 11 {
		t.Errorf("firewall holds %v", got)
	}
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if s.CurrentlyBanned != 127 || len(s.Bans) != 127 || len(s.Folds) < 2 {
		t.Errorf("%d banned, %d listed, folds %+v", s.CurrentlyBanned, len(s.Bans), s.Folds)
	}
	if got := r.do(control.Banned{ID: "203.0.113.5"}).Bans; len(got) != 2 || got[0].ID != "203.0.113.5" || !got[1].Fold {
		t.Errorf("who bans 203.0.113.5: %+v", got)
	}

	r.end()
	r.start() // nothing is adopted, nothing is added
	if got := r.banned("sshd"); !slices.Contains(got, "203.0.113.0/26") || len(got) > 11 {
		t.Errorf("after a restart the firewall holds %v", got)
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.CurrentlyBanned != 127 {
		t.Errorf("after a restart %d are banned", s.CurrentlyBanned)
	}

	if got := r.do(control.Unban{Jail: "sshd", ID: "203.0.113.5"}); len(got.Bans) != 1 || len(got.Covering) != 0 {
		t.Errorf("unban: %+v", got)
	}
	r.wait("Unfold 203.0.113.0/26: ")
	if who := holding(r, "203.0.113.5"); who != "" || holding(r, "203.0.113.6") == "" {
		t.Errorf("after an unban %s keeps it out: %v", who, r.banned("sshd"))
	}

	r.write("conf/jail.d/fold.local", "[sshd]\nmaxretry = 1\n")
	r.do(control.Reload{})
	r.wait("configuration read again")
	if got := r.banned("sshd"); len(got) != 126 || slices.Contains(got, "203.0.113.0/29") {
		t.Errorf("without aggregate the firewall holds %d: %.200v", len(got), got)
	}
	state, err := r.e.store.Load(t.Context(), "sshd")
	must(t, err)
	if len(state.Folds) != 0 || len(state.Bans) != 126 {
		t.Errorf("the store holds the folds %v and %d bans", state.Folds, len(state.Bans))
	}
}

// holding is the element that keeps addr out.
func holding(r *running, addr string) string {
	for _, id := range r.banned("sshd") {
		if hits(ban(id), addr) {
			return id
		}
	}
	return ""
}

// A fold that covers an innocent neighbour is undone for him by command.
func TestAnInnocentNeighbourIsLetOut(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/fold.local", foldJail)
	r.start()
	for i := range 11 {
		r.fail(fmt.Sprintf("203.0.113.%d", i), 1)
	}
	r.wait("Fold 203.0.113.0/28: ")
	if got := r.do(control.Banned{ID: "203.0.113.14"}).Bans; len(got) != 1 || !got[0].Fold {
		t.Errorf("who bans 203.0.113.14: %+v", got)
	}
	if got := r.do(control.Unban{Jail: "sshd", ID: "203.0.113.14"}); len(got.Bans) != 1 || got.Bans[0].ID != "203.0.113.14" {
		t.Errorf("unban: %+v", got)
	}
	if who := holding(r, "203.0.113.14"); who != "" || holding(r, "203.0.113.10") == "" {
		t.Errorf("%s keeps 203.0.113.14 out: %v", who, r.banned("sshd"))
	}
}

// A kill can come at any step: between the store, the new prefix and the bans that it stands
// for. The next start finds each of these and makes it whole.
func TestAKillWhileFolding(t *testing.T) {
	for name, kernel := range map[string][]string{
		"written, nothing done":  {"all"},
		"prefix added":           {"all", "203.0.113.0/27"},
		"half of them removed":   {"half", "203.0.113.0/27"},
		"an older fold is there": {"half", "203.0.113.0/28", "203.0.113.0/27", "198.51.100.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunning(t)
			r.write("conf/jail.d/fold.local", foldJail)
			r.start()
			var all []string
			for i := range 32 {
				all = append(all, fmt.Sprintf("203.0.113.%d", i))
				r.fail(all[i], 1)
			}
			r.wait("Fold 203.0.113.0/27: ")
			r.end()
			must(t, r.fw.Drop())
			must(t, r.fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
			if kernel[0] == "half" {
				all = all[16:]
			}
			var els []firewall.Element
			for _, id := range append(all, kernel[1:]...) {
				p, _ := prefixOf(ban(id))
				els = append(els, firewall.Element{Prefix: p, Timeout: time.Hour})
			}
			must(t, r.fw.Apply([]firewall.Change{{Jail: "sshd", Add: els}}))
			writeFolds(t, r, "203.0.113.0/28", "203.0.113.0/27", "198.51.100.0/24")
			r.start()
			if who := holding(r, "198.51.100.7"); who != "" {
				t.Errorf("%s, a fold of nobody, stays", who)
			}
			got := r.banned("sshd")
			for i := range 32 {
				if holding(r, fmt.Sprintf("203.0.113.%d", i)) == "" {
					t.Errorf("203.0.113.%d gets through: %v", i, got)
				}
			}
			if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.CurrentlyBanned != 32 || len(s.Folds) != 1 {
				t.Errorf("%d banned, folds %+v", s.CurrentlyBanned, s.Folds)
			}
			if !slices.Contains(got, "203.0.113.0/27") || slices.Contains(got, "203.0.113.0/28") {
				t.Errorf("firewall holds %v", got)
			}
		})
	}
}

func writeFolds(t *testing.T, r *running, prefixes ...string) {
	t.Helper()
	s, err := store.Open(r.dir + "/state/gaol.db")
	must(t, err)
	must(t, s.Commit(t.Context(), []store.Change{{Jail: "sshd", Folds: prefixes}}))
	must(t, s.Close())
}
