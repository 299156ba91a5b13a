package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/host"
	"gaol/internal/jail"
	"gaol/internal/store"
)

// pastKept is how many ids' past a worker keeps in mind, so that a flood of failures of one id
// does not ask the store for each; pastFor is for how long.
const (
	pastKept = 10_000
	pastFor  = 10 * time.Minute
)

// formula is that of bantime.increment; nil: it is off.
func (p *plan) formula() (*jail.Formula, error) {
	inc := p.conf.Increment
	if !inc.On {
		return nil, nil
	}
	f, err := jail.NewFormula(inc.Factor, inc.Formula, inc.Multipliers, rand.Float64)
	if err == nil {
		return f, nil
	}
	where := p.conf.Where("bantime.formula")
	if inc.Formula == "" {
		where = p.conf.Where("bantime.factor")
	}
	return nil, fmt.Errorf("%s: %w", where, err)
}

// increment is bantime.increment on the store's history; nil: it is off.
func (w *worker) increment() *jail.Increment {
	inc := w.conf.Increment
	f, err := w.formula()
	if f == nil {
		if err != nil {
			w.log.Error(fmt.Sprintf("[%s] bantime.increment is off", w.conf.Name), "logger", "jail", "error", err)
		}
		return nil
	}
	return &jail.Increment{
		Formula: f, MaxTime: inc.MaxTime, RndTime: inc.RndTime, OverallJails: inc.OverallJails,
		Random: rand.Float64, Before: w.before,
		Failed: func(err error) {
			w.log.Error(fmt.Sprintf("[%s] a known offender is banned for bantime only", w.conf.Name), "logger", "observer", "error", err)
		},
	}
}

// before is what the store knows of an id's earlier bans. What this worker decided is written
// down by then, but for the batch it is in, where an id that is banned stays so.
func (w *worker) before(id string, all bool) jail.Record {
	now := w.deps.now()
	if len(w.pasts) >= pastKept || now.Sub(w.pastsFrom) > pastFor {
		w.pasts, w.pastsFrom = map[string]jail.Record{}, now
	}
	if r, ok := w.pasts[id]; ok && !all {
		return r
	}
	w.written()
	name := w.conf.Name
	if all {
		name = ""
	}
	times, last, err := w.deps.past(context.Background(), name, id)
	if err != nil {
		w.log.Error(fmt.Sprintf("[%s] earlier bans are not known", w.conf.Name), "logger", "observer", "error", err)
		return jail.Record{}
	}
	r := jail.Record{Count: times, Last: last}
	if !all {
		w.pasts[id] = r
	}
	return r
}

// tellIncrease says in fail2ban's words that a ban is longer for those before it.
func (w *worker) tellIncrease(d event.Decision) {
	b := d.Ban
	if d.Kind != event.Impose || d.Restored || b.Times < 2 || b.End.Equal(b.Start.Add(w.conf.BanTime)) {
		return
	}
	w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] Increase Ban %s (%d # %s -> %s)", w.conf.Name, clip(b.ID, 200),
		b.Times, lasting(b.End.Sub(b.Start)), b.End.Format(time.DateTime)), "logger", "observer")
}

// lasting is a length of time as fail2ban writes it: the units that count, at most three.
func lasting(d time.Duration) string {
	units := []struct {
		name string
		long time.Duration
		fine time.Duration // what is shorter is rounded where this unit leads
	}{
		{"y", 365 * 24 * time.Hour, 24 * time.Hour}, {"w", 7 * 24 * time.Hour, time.Hour}, {"d", 24 * time.Hour, time.Minute},
		{"h", time.Hour, time.Minute}, {"m", time.Minute, time.Second}, {"s", time.Second, time.Second},
	}
	var parts []string
	for _, u := range units {
		if len(parts) == 0 && d >= u.long {
			d = (d - 1).Round(u.fine) // a half is rounded down
		}
		if n := d / u.long; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.name))
			d -= n * u.long
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " ")
}

// forgive forgets the past of whom an Unban names, whether banned now or not (§4.7).
func (w *worker) forgive(c control.Unban) {
	id, _ := host.ParseID(c.ID)
	change := store.Change{Jail: w.conf.Name, Time: w.deps.now(), ForgiveAll: c.All}
	if c.All {
		clear(w.pasts)
	} else {
		change.Forgiven = []string{id}
		delete(w.pasts, id)
		if wide := w.jail.Offender(id); wide != id {
			change.Forgiven = append(change.Forgiven, wide)
			delete(w.pasts, wide)
		}
	}
	w.commit(change)
}
