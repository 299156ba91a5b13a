package jail

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ints(words string) (all []int) {
	for _, w := range strings.Fields(words) {
		n, err := strconv.Atoi(w)
		if err != nil {
			panic(err)
		}
		all = append(all, n)
	}
	return all
}

// past is a store's history, in memory: per jail and id the newest ban.
type past map[string]map[string]event.Ban

func (p past) before(jail string) func(string, bool) Record {
	return func(id string, all bool) (r Record) {
		for name, bans := range p {
			if b, ok := bans[id]; ok && (all || name == jail) {
				r.Count += b.Times
				if b.Start.After(r.Last) {
					r.Last = b.Start
				}
			}
		}
		return r
	}
}

func (p past) note(ds []event.Decision) {
	for _, d := range ds {
		switch {
		case d.Kind == event.Impose:
			p[d.Ban.Jail][d.Ban.ID] = d.Ban
		case d.Forgiven:
			delete(p[d.Ban.Jail], d.Ban.ID)
		}
	}
}

type incrementQuestion struct {
	MaxRetry     int           `json:"maxretry"`
	FindTime     int           `json:"findtime"`
	BanTime      int           `json:"bantime"`
	Factor       string        `json:"factor"`
	Multipliers  string        `json:"multipliers"`
	MaxTime      string        `json:"maxtime"`
	OverallJails bool          `json:"overalljails"`
	Ops          []incrementOp `json:"ops"`
}

type incrementOp struct {
	Jail string `json:"jail"`
	ID   string `json:"id"`
	Time int    `json:"time"`
}

type incrementAnswer struct {
	Ban   []float64 `json:"ban"` // start, end, how often
	Count int       `json:"count"`
}

// TestIncrementIsFail2bans feeds random failures to two jails and to the installed fail2ban's
// observer: who is banned, from when to when, for which time, and what stands on the count.
func TestIncrementIsFail2bans(t *testing.T) {
	m := startModel(t, "testdata/increment.py", fail2banLib)
	rapid.Check(t, func(t *rapid.T) {
		q := drawIncrement(t)
		var want []incrementAnswer
		m.ask(t, q, &want)
		history := past{"j": {}, "k": {}}
		jails := map[string]*Jail{}
		for name := range history {
			jails[name] = New(q.options(t, name, history))
		}
		for i, o := range q.Ops {
			j, now := jails[o.Jail], at(float64(o.Time))
			j.purged = now // those classes purge when they are told to
			j.Tick(now)
			ds := j.Fail(event.Failure{ID: o.ID, Time: now}, now)
			history.note(ds)
			got := incrementAnswer{Ban: []float64{}}
			for _, d := range ds {
				if d.Kind == event.Impose {
					got.Ban = []float64{since(d.Ban.Start), since(d.Ban.End), float64(d.Ban.Times)}
				}
			}
			if tally, ok := j.tallies.find(o.ID); ok {
				got.Count = tally.Count
			}
			if diff := cmp.Diff(want[i], got, cmp.Comparer(nearly)); diff != "" {
				t.Fatalf("after failure %d %+v of %+v (-fail2ban +jail):\n%s", i, o, trimmed(q, i), diff)
			}
		}
	})
}

// nearly: fail2ban keeps whole seconds of a time in its database, and floats elsewhere.
func nearly(a, b float64) bool { return a-b < 1e-3 && b-a < 1e-3 }

func drawIncrement(t *rapid.T) incrementQuestion {
	q := incrementQuestion{
		MaxRetry: rapid.IntRange(1, 8).Draw(t, "maxretry"), FindTime: 600,
		BanTime:      rapid.SampledFrom([]int{60, 600}).Draw(t, "bantime"),
		Factor:       rapid.SampledFrom([]string{"", "2", "1.5"}).Draw(t, "factor"),
		Multipliers:  rapid.SampledFrom([]string{"", "1 3 9", "1 1 2 1"}).Draw(t, "multipliers"),
		MaxTime:      rapid.SampledFrom([]string{"", "30", "1000"}).Draw(t, "maxtime"),
		OverallJails: rapid.Bool().Draw(t, "overalljails"),
	}
	clock := 1000
	for range rapid.IntRange(1, 80).Draw(t, "length") {
		// A ban of the same second as the newest in another jail fail2ban does not write down.
		clock += rapid.SampledFrom([]int{1, 2, 30, 200, 700, 3000}).Draw(t, "pause")
		q.Ops = append(q.Ops, incrementOp{Time: clock,
			Jail: rapid.SampledFrom([]string{"j", "j", "k"}).Draw(t, "jail"),
			ID:   rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.1", "2001:db8::1"}).Draw(t, "id")})
	}
	return q
}

func (q incrementQuestion) options(t fatal, name string, history past) Options {
	f, err := NewFormula(q.Factor, "", ints(q.Multipliers), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	maxTime, _ := strconv.Atoi(q.MaxTime) // "" is none
	return Options{
		Name: name, MaxRetry: q.MaxRetry, FindTime: time.Duration(q.FindTime) * time.Second,
		BanTime: time.Duration(q.BanTime) * time.Second,
		Increment: &Increment{
			Formula: f, MaxTime: time.Duration(maxTime) * time.Second, OverallJails: q.OverallJails, Before: history.before(name),
		},
	}
}

type fatal interface{ Fatalf(string, ...any) }

// rndtime comes on top of maxtime; a ban by hand with a time of its own keeps it and is a first
// one again, as is a ban for ever; one whose formula fails lasts bantime.
func TestIncrementBounds(t *testing.T) {
	history := past{"j": {"a": {Times: 3, Start: at(0)}}}
	q := incrementQuestion{MaxRetry: 2, FindTime: 600, BanTime: 600, MaxTime: "1000"}
	o := q.options(t, "j", history)
	o.Increment.RndTime, o.Increment.Random = 100*time.Second, func() float64 { return 0.5 }
	own := event.Ban{ID: "a", End: at(5000)}
	cases := []struct {
		name     string
		change   func(*Options)
		ban      event.Ban
		end      time.Time
		howOften int
	}{
		{"random on top", func(*Options) {}, event.Ban{ID: "a"}, at(100 + 1050), 4},
		{"first ban", func(*Options) {}, event.Ban{ID: "b"}, at(700), 1},
		{"own time", func(*Options) {}, own, at(5000), 1},
		{"for ever", func(o *Options) { o.BanTime = -1 }, event.Ban{ID: "a"}, time.Time{}, 1},
		{"no formula", func(o *Options) {
			o.Increment.Formula = &Formula{text: "1/(ban.Count-3)"}
			o.Increment.RndTime, o.Increment.Failed = 0, func(error) {}
		}, event.Ban{ID: "a"}, at(700), 4},
		{"beyond all time", func(o *Options) {
			o.Increment.Formula, o.Increment.RndTime, o.Increment.MaxTime = &Formula{text: "1e300"}, 0, 0
		}, event.Ban{ID: "a"}, at(100).Add(100 * 365 * 24 * time.Hour), 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			one := o
			inc := *o.Increment
			one.Increment = &inc
			c.change(&one)
			j := New(one)
			b := c.ban
			if b.End.IsZero() {
				b.End = j.End(at(100))
			}
			ds := j.Ban(b, at(100))
			if len(ds) != 1 || !ds[0].Ban.End.Equal(c.end) || ds[0].Ban.Times != c.howOften {
				t.Errorf("%+v, want the end %v and %d times", ds, c.end, c.howOften)
			}
		})
	}
}

// With increment a restored ban keeps an end behind bantime, up to the longest that is allowed.
func TestRestoreOfIncreasedBan(t *testing.T) {
	stored := event.Ban{ID: "a", Start: at(0), End: at(4800), Times: 4}
	for _, c := range []struct {
		maxTime string
		now     float64
		end     time.Time
		back    bool
	}{{"", 4000, at(4800), true}, {"1000", 900, at(1000), true}, {"1000", 1001, time.Time{}, false}} {
		j := New(incrementQuestion{MaxRetry: 2, FindTime: 600, BanTime: 600, MaxTime: c.maxTime}.options(t, "j", past{}))
		j.Restore([]event.Ban{stored}, nil, at(c.now))
		b, back := j.Find("a")
		if back != c.back || back && (!b.End.Equal(c.end) || b.Times != 4) {
			t.Errorf("maxtime %q: %v %+v", c.maxTime, back, b)
		}
	}
}

// trimmed is a question up to its failure i.
func trimmed(q incrementQuestion, i int) incrementQuestion {
	q.Ops = q.Ops[:i+1]
	return q
}
