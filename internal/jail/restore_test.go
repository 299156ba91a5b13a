package jail

import (
	"testing"
	"time"

	"gaol/internal/event"
)

// §4.5 and §9.9. Each case is a ban as stored, the bantime of today and when gaol comes back.
func TestRestore(t *testing.T) {
	never := time.Time{}
	ban := func(end time.Time) event.Ban { return event.Ban{ID: "a", Start: at(0), End: end} }
	renewed := event.Ban{ID: "a", Start: at(0), End: at(900), Renewed: at(300)}
	manual := event.Ban{ID: "a", Start: at(0), End: at(90000), Manual: true}
	for _, c := range []struct {
		name    string
		ban     event.Ban
		banTime float64
		now     float64
		back    bool
		end     time.Time
	}{
		{"unchanged", ban(at(600)), 600, 599.75, true, at(600)},
		{"ended", ban(at(600)), 600, 600, false, never},
		{"lowered, still on", ban(at(600)), 60, 30, true, at(60)},
		{"lowered, over", ban(at(600)), 60, 61, false, never},
		{"raised, still on", ban(at(600)), 3600, 300, true, at(600)},
		{"raised, over", ban(at(600)), 3600, 601, false, never},
		{"for ever today", ban(at(600)), -1, 300, true, at(600)},
		{"for ever then, not today", ban(never), 600, 300, true, at(600)},
		{"for ever then, over today", ban(never), 600, 600, false, never},
		{"for ever both", ban(never), -1, 1e9, true, never},
		{"renewed", renewed, 600, 700, true, at(900)},
		{"by hand", manual, 600, 80000, true, at(90000)},
		{"by hand, ended", manual, 600, 90000, false, never},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(5)
			o.BanTime = seconds(c.banTime)
			j := New(o)
			ds := j.Restore([]event.Ban{c.ban}, nil, at(c.now))
			if len(ds) != 1 || !ds[0].Restored {
				t.Fatalf("%+v, want one restored decision", ds)
			}
			got, banned := j.Find("a")
			if banned != c.back || (ds[0].Kind == event.Impose) != c.back {
				t.Fatalf("banned %v, %+v; want %v", banned, ds[0], c.back)
			}
			if c.back && got.End != c.end {
				t.Errorf("ends %v, want %v", since(got.End), since(c.end))
			}
			if !c.back && ds[0].Reason == "" {
				t.Error("lifted without a reason")
			}
		})
	}
}

func TestRestoreAsksWhoIsExempt(t *testing.T) {
	o := options(2)
	o.Spared, o.Protected = named("ignored"), named("own")
	j := New(o)
	ban := func(id string, manual bool) event.Ban {
		return event.Ban{ID: id, Start: at(0), End: at(600), Manual: manual}
	}
	ds := j.Restore([]event.Ban{ban("ignored", false), ban("ignored", true), ban("own", true)},
		[]event.Tally{{ID: "ignored", Count: 1}, {ID: "a", First: at(0), Last: at(0), Count: 1}}, at(1))
	want := []event.Kind{event.Lift, event.Impose, event.Lift}
	for i, d := range ds {
		if d.Kind != want[i] {
			t.Errorf("%s (manual %v): kind %v, want %v", d.Ban.ID, d.Ban.Manual, d.Kind, want[i])
		}
	}
	tallies, gone := j.Dirty()
	if len(tallies) != 1 || tallies[0].ID != "a" || len(gone) != 1 || gone[0] != "ignored" {
		t.Errorf("tallies %+v, gone %v", tallies, gone)
	}
	if banned := failAt(j, "a", 1); len(banned) != 1 {
		t.Error("a failure counted before the restart is lost")
	}
}
