package jail

import (
	"fmt"
	"testing"
	"time"

	"gaol/internal/event"
)

// A jail that is light keeps no evidence: the decision of a new ban has it, what comes later is
// Bare, so that the store keeps what it has.
func TestLight(t *testing.T) {
	o := options(1)
	o.Light = true
	j := New(o)
	f := event.Failure{ID: "a", Time: at(0), Matches: []string{"line"}, Fields: event.Fields{{Name: "user", Value: "u"}}, Regex: "f:1", Source: "/log"}
	whole := j.Fail(f, at(0))[0].Ban
	f.Time = at(5)
	for name, b := range map[string]event.Ban{"prolonged": j.Fail(f, at(5))[0].Ban, "held": j.Bans()[0], "lifted": j.Unban("a", at(6), "")[0].Ban} {
		if !b.Bare || len(b.Matches)+len(b.Fields)+len(b.Regex)+len(b.Source) > 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
	if whole.Bare || len(whole.Matches) != 1 || whole.Fields.Get("user") != "u" || whole.Regex != "f:1" || whole.Source != "/log" {
		t.Errorf("the new ban: %+v", whole)
	}
}

// What a burst took is given back when most of it is over, and the rest leaves in its order.
func TestTablesGiveBack(t *testing.T) {
	o := options(2)
	o.BanTime = time.Hour
	j := New(o)
	const n = 4 * sparse
	for i := range n {
		id, when := fmt.Sprint("id", i), at(float64(i)/100)
		j.Fail(event.Failure{ID: id, Time: when, Regex: fmt.Sprint("f:", i%3)}, when)
		j.Ban(event.Ban{ID: "b" + id, Start: when, End: when.Add(time.Hour)}, when)
	}
	for i := range n - sparse/2 {
		j.Unban(fmt.Sprint("id", i), at(50), "")
		j.Unban(fmt.Sprint("bid", i), at(50), "")
	}
	if len(j.bans.all) > n/2 || len(j.tallies.all) > n/2 {
		t.Errorf("%d and %d places for %d", len(j.bans.all), len(j.tallies.all), sparse/2)
	}
	if c, ok := j.Counted(fmt.Sprint("id", n-1)); !ok || c.Regex != fmt.Sprint("f:", (n-1)%3) {
		t.Errorf("counted %+v", c)
	}
	next := n - sparse/2
	for next < n {
		end := at(float64(next) / 100).Add(time.Hour)
		ds := j.Tick(end.Add(time.Millisecond))
		if len(ds) != 1 || ds[0].Ban.ID != fmt.Sprint("bid", next) {
			t.Fatalf("%d decisions, first %+v, want the end of bid%d", len(ds), ds[:min(1, len(ds))], next)
		}
		next++
	}
}
