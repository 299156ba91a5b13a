package jail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
)

func options(maxRetry int) Options {
	return Options{Name: "j", MaxRetry: maxRetry, FindTime: 600 * time.Second, BanTime: 600 * time.Second, MaxMatches: 5}
}

// failAt lets id fail at times (seconds), each judged when it happens or at the latest time
// before it, and returns the times at which a ban was imposed.
func failAt(j *Jail, id string, times ...float64) (banned []float64) {
	now := 0.0
	for _, s := range times {
		now = max(now, s)
		for _, d := range j.Fail(event.Failure{ID: id, Time: at(s)}, at(now)) {
			if d.Kind == event.Impose {
				banned = append(banned, s)
			}
		}
	}
	return banned
}

// every is n times, step apart.
func every(step float64, n int) (times []float64) {
	for i := range n {
		times = append(times, step*float64(i))
	}
	return times
}

// The examples of §4.1 and §9.7, maxretry 5, findtime 600.
func TestCount(t *testing.T) {
	for _, c := range []struct {
		name   string
		times  []float64
		banned []float64
	}{
		{"burst", []float64{0, 1, 2, 3, 4}, []float64{4}},
		{"a rate, not a window", []float64{0, 0, 0, 595, 601}, []float64{601}},
		{"every 160 s", every(160, 5), []float64{640}},
		{"every 200 s", every(200, 40), nil},
		{"backwards", []float64{100, 50, 10, 0, 0}, []float64{0}},
		{"starts anew behind a ban", []float64{0, 0, 0, 0, 0, 0, 0, 0, 0}, []float64{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.banned, failAt(New(options(5)), "a", c.times...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// 3/720·600 is 2.5, which Python rounds to the even 2; half up would give 3 and a count of 4.
func TestCountRoundsHalfToEven(t *testing.T) {
	c := tally{first: instantOf(at(0)), last: instantOf(at(0)), count: 3}
	c.addFailure(at(720), 600*time.Second)
	if c.count != 3 {
		t.Errorf("count %d, want 3", c.count)
	}
	if first, last := c.first.time(), c.last.time(); first != at(120) || last != at(720) {
		t.Errorf("first %v last %v, want 120 and 720", since(first), since(last))
	}
}

// §9.8: the end counts from the last failure, grows with new bans, and is strict.
func TestBanEnd(t *testing.T) {
	j := New(options(2))
	failAt(j, "a", -30, 0)
	wantEnd := func(s float64) {
		t.Helper()
		if b, ok := j.Find("a"); !ok || b.End != at(s) || b.Start != at(0) {
			t.Fatalf("banned %v, ban %+v; want start 0, end %v", ok, b, s)
		}
	}
	wantEnd(600)
	j.Fail(event.Failure{ID: "a", Time: at(300)}, at(300))
	wantEnd(600)
	ds := j.Fail(event.Failure{ID: "a", Time: at(300)}, at(300))
	if len(ds) != 1 || ds[0].Kind != event.Prolong || ds[0].Ban.End != at(900) || ds[0].Ban.Renewed != at(300) {
		t.Fatalf("second ban: %+v, want a Prolong to 900", ds)
	}
	wantEnd(900)
	if ds := j.Tick(at(900)); len(ds) != 0 {
		t.Fatalf("at its end: %+v, want nothing", ds)
	}
	next, ok := j.Next()
	if !ok || next != at(900).Add(1) {
		t.Fatalf("next %v %v, want just behind 900", next, ok)
	}
	if ds := j.Tick(next); len(ds) != 1 || ds[0].Kind != event.Lift {
		t.Fatalf("behind its end: %+v, want a Lift", ds)
	}
}

func TestBanThatIsOverAlready(t *testing.T) {
	o := options(1)
	o.BanTime = 10 * time.Second
	for _, c := range []struct {
		now  float64
		kind event.Kind
	}{{10, event.Impose}, {10.25, event.Spare}} {
		ds := New(o).Fail(event.Failure{ID: "a", Time: at(0)}, at(c.now))
		if len(ds) != 1 || ds[0].Kind != c.kind {
			t.Errorf("judged at %v: %+v, want kind %v", c.now, ds, c.kind)
		}
	}
}

func TestBanForEver(t *testing.T) {
	o := options(1)
	o.BanTime = -1
	j := New(o)
	failAt(j, "a", 0)
	if ds := j.Tick(at(1e9)); len(ds) != 0 {
		t.Errorf("lifted: %+v", ds)
	}
	if ds := j.Ban(event.Ban{ID: "a", End: at(2e9)}, at(1e9)); len(ds) != 0 {
		t.Errorf("a ban that ends shortened one that does not: %+v", ds)
	}
	if next, ok := j.Next(); ok {
		t.Errorf("next is %v, want none", next)
	}
}

// What led to a ban is in it: the evidence of all failures, the fields of the first (as
// fail2ban 1.0.2 has it), the regex of the last.
func TestBanHoldsItsEvidence(t *testing.T) {
	o := options(3)
	o.MaxMatches = 2
	j := New(o)
	var ds []event.Decision
	for i := range 3 {
		ds = j.Fail(event.Failure{
			ID: "192.0.2.1", IP: "192.0.2.1", Time: at(float64(i)),
			Fields:  event.Fields{{Name: "user", Value: fmt.Sprint("u", i)}},
			Matches: []string{fmt.Sprint("line ", i)}, Regex: fmt.Sprint("f:", i), Source: "log",
		}, at(5))
	}
	want := []event.Decision{{Kind: event.Impose, Ban: event.Ban{
		Jail: "j", ID: "192.0.2.1", IP: "192.0.2.1", Start: at(2), End: at(602), Count: 3,
		Matches: []string{"line 1", "line 2"}, Fields: event.Fields{{Name: "user", Value: "u0"}},
		Regex: "f:2", Source: "log", Times: 1,
	}}}
	if diff := cmp.Diff(want, ds); diff != "" {
		t.Error(diff)
	}
}

func named(names ...string) func(string, event.IDKind) (string, bool) {
	return func(id string, _ event.IDKind) (string, bool) {
		for _, n := range names {
			if n == id {
				return "named " + n, true
			}
		}
		return "", false
	}
}

func TestSpare(t *testing.T) {
	o := options(2)
	o.Spared, o.Protected = named("ignored"), named("own")
	j := New(o)
	var kinds []event.Kind
	for s := range 602 {
		for _, d := range j.Fail(event.Failure{ID: "ignored", Time: at(float64(s))}, at(float64(s))) {
			kinds = append(kinds, d.Kind)
		}
	}
	if diff := cmp.Diff([]event.Kind{event.Spare, event.Spare}, kinds); diff != "" {
		t.Errorf("a failure a second for 602 s (-want +got):\n%s", diff)
	}
	if failed, total, _, _ := j.Counts(); failed != 0 || total != 0 {
		t.Errorf("spared failures are counted: %d, %d", failed, total)
	}
	if ds := j.Ban(event.Ban{ID: "ignored"}, at(0)); len(ds) != 1 || ds[0].Kind != event.Impose {
		t.Errorf("by hand, ignored: %+v, want a ban", ds)
	}
	for range 2 {
		ds := j.Ban(event.Ban{ID: "own"}, at(0))
		if len(ds) != 1 || ds[0].Kind != event.Spare || ds[0].Reason != "named own" {
			t.Errorf("by hand, protected: %+v, want a Spare each time", ds)
		}
	}
}

// An action may ban by <ip> where the id is a user name, so the floor holds for both.
func TestSpareAddressBehindID(t *testing.T) {
	o := options(1)
	o.Protected = named("127.0.0.1")
	ds := New(o).Fail(event.Failure{ID: "root", Kind: event.Raw, IP: "127.0.0.1", Time: at(0)}, at(0))
	if len(ds) != 1 || ds[0].Kind != event.Spare {
		t.Errorf("%+v, want a Spare", ds)
	}
}

func TestReview(t *testing.T) {
	j := New(options(1))
	failAt(j, "a", 0)
	failAt(j, "b", 0)
	o := options(1)
	o.Protected = named("b")
	j.Reconfigure(o)
	ds := j.Review()
	if len(ds) != 1 || ds[0].Kind != event.Lift || ds[0].Ban.ID != "b" || ds[0].Reason != "named b" {
		t.Errorf("%+v, want b lifted", ds)
	}
}

func TestUnban(t *testing.T) {
	j := New(options(2))
	failAt(j, "a", 0, 0, 0)
	if ds := j.Unban("b", at(1), "asked"); ds != nil {
		t.Errorf("not banned: %+v", ds)
	}
	ds := j.Unban("a", at(1), "asked")
	if len(ds) != 1 || ds[0].Kind != event.Lift || ds[0].Reason != "asked" {
		t.Errorf("%+v, want a Lift", ds)
	}
	if banned := failAt(j, "a", 1); banned != nil {
		t.Error("what was counted before the unban led to a ban")
	}
}

func TestPurge(t *testing.T) {
	j := New(options(5))
	failAt(j, "a", 0)
	failAt(j, "b", 1)
	j.Tick(at(599.75))
	if failed, _, _, _ := j.Counts(); failed != 2 {
		t.Errorf("%d on the count before findtime, want 2", failed)
	}
	next, ok := j.Next()
	if !ok || next != at(604.75) {
		t.Errorf("next %v, want 5 s behind the last purge", since(next))
	}
	j.Tick(at(604.5))
	if failed, _, _, _ := j.Counts(); failed != 2 {
		t.Errorf("purged twice within 5 s")
	}
	j.Tick(next)
	if failed, _, _, _ := j.Counts(); failed != 0 {
		t.Errorf("%d on the count, want 0", failed)
	}
	j.Tick(at(0)) // the clock is set back
	failAt(j, "c", 0)
	if next, _ := j.Next(); next != at(600) {
		t.Errorf("next %v behind a clock that was set back, want 600", since(next))
	}
}

func TestBounds(t *testing.T) {
	o := options(2)
	o.MaxMatches = 100
	j := New(o)
	long := strings.Repeat("x", MaxMatches/2)
	for i := range MaxOffenders + 10 {
		j.Fail(event.Failure{ID: fmt.Sprint(i), Time: at(float64(i) / 1000), Matches: []string{long, long, long}}, at(60))
	}
	if failed, _, _, _ := j.Counts(); failed != MaxOffenders || j.Dropped() != 10 {
		t.Errorf("%d on the count, %d dropped", failed, j.Dropped())
	}
	if j.tallies.bytes > MaxEvidence+MaxMatches {
		t.Errorf("%d bytes of evidence", j.tallies.bytes)
	}
	if _, ok := j.tallies.find("9"); ok {
		t.Error("the oldest stayed")
	}
	_, gone := j.Dirty()
	if len(gone) != 10 {
		t.Errorf("the store is told of %d that are gone, want 10", len(gone))
	}
	ds := j.Fail(event.Failure{ID: strings.Repeat("i", MaxID+1), Time: at(60)}, at(60))
	if len(ds) != 1 || ds[0].Kind != event.Spare || len(ds[0].Ban.ID) != MaxID {
		t.Errorf("a long id: %d decisions", len(ds))
	}
}

func TestBansBound(t *testing.T) {
	j := New(options(1))
	for i := range MaxBans {
		j.Ban(event.Ban{ID: fmt.Sprint(i), End: at(float64(1000 + i)), Matches: []string{strings.Repeat("x", 600)}}, at(0))
	}
	if j.bans.bytes > MaxEvidence+MaxMatches {
		t.Errorf("%d bytes of evidence", j.bans.bytes)
	}
	ds := j.Fail(event.Failure{ID: "new", Time: at(0)}, at(0))
	if len(ds) != 2 || ds[0].Kind != event.Lift || ds[0].Ban.ID != "0" || ds[1].Kind != event.Impose {
		t.Errorf("a full jail: %+v, want the first to end lifted and the new one banned", ds)
	}
}

func TestSparesAreBounded(t *testing.T) {
	o := options(1)
	o.Spared = func(string, event.IDKind) (string, bool) { return "all", true }
	j := New(o)
	told := 0
	for i := range 3 * maxSpared {
		told += len(j.Fail(event.Failure{ID: fmt.Sprint(i), Time: at(0)}, at(0)))
	}
	if told != maxSpared {
		t.Errorf("%d told, want %d", told, maxSpared)
	}
}
