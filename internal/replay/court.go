package replay

import (
	"time"

	"gaol/internal/event"
	"gaol/internal/jail"
)

// rules are one set of rules over all jails, with the bans they came to.
type rules struct {
	change Change
	bans   []Ban
	past   map[pastKey]jail.Record
	courts []*court
}

// pastKey is an id in a jail; an empty jail: in all together.
type pastKey struct{ jail, id string }

func newRules(c Change) *rules { return &rules{change: c, past: map[pastKey]jail.Record{}} }

// court is one jail under one set of rules.
type court struct {
	name      string
	rules     *rules
	o         jail.Options
	jail      *jail.Jail
	due       time.Time      // when Tick has something to do; zero: never
	banned    map[string]int // id → index of its ban
	offenders map[string]*Offender
	failures  int
	prevented int
	spared    map[string]string // id → why
	held      string            // why bans were held back (maxbans, maxbanrate)
}

// court opens the court of a jail.
func (rs *rules) court(l Lane) *court {
	o := l.Rules(func(id string, overall bool) jail.Record {
		if overall {
			return rs.past[pastKey{id: id}]
		}
		return rs.past[pastKey{l.Jail, id}]
	})
	o.MaxMatches = 0 // nothing asks for lines
	if rs.change.MaxRetry > 0 {
		o.MaxRetry = rs.change.MaxRetry
	}
	if rs.change.FindTime > 0 {
		o.FindTime = rs.change.FindTime
	}
	if rs.change.BanTime != 0 {
		o.BanTime = rs.change.BanTime
	}
	c := &court{name: l.Jail, rules: rs, o: o, jail: jail.New(o), banned: map[string]int{}, offenders: map[string]*Offender{}, spared: map[string]string{}}
	rs.courts = append(rs.courts, c)
	return c
}

// fail counts a failure and carries out what follows.
func (c *court) fail(f event.Failure, now time.Time) {
	id := c.jail.Offender(f.ID)
	c.failures++
	of := c.offender(id, f)
	if of != nil {
		of.Failures++
		of.Last = f.Time
	}
	if _, banned := c.banned[id]; banned {
		c.prevented++
		if of != nil {
			of.Prevented++
		}
	}
	c.apply(c.jail.Fail(f, now), now)
	c.settle()
	if c.failures%forgetEvery == 0 {
		c.jail.Dirty()
	}
}

// forgetEvery is how often a jail is asked what the store would have to write, which nobody does
// write: it would gather.
const forgetEvery = 1 << 16

func (c *court) offender(id string, f event.Failure) *Offender {
	of := c.offenders[id]
	switch {
	case of != nil:
	case len(c.offenders) < mostNames:
		of = &Offender{Jail: c.name, ID: id, First: f.Time}
		c.offenders[id] = of
	}
	return of
}

// tick lifts what is over.
func (c *court) tick(now time.Time) {
	if c.due.IsZero() || c.due.After(now) {
		return
	}
	c.apply(c.jail.Tick(now), now)
	c.settle()
}

func (c *court) settle() {
	due, some := c.jail.Next()
	if !some {
		due = time.Time{}
	}
	c.due = due
}

// apply notes decisions. Folds are not shown: they stand for bans that are.
func (c *court) apply(ds []event.Decision, now time.Time) {
	for _, d := range ds {
		id := d.Ban.ID
		switch d.Kind {
		case event.Impose:
			c.banned[id] = len(c.rules.bans)
			c.rules.bans = append(c.rules.bans, Ban{Jail: c.name, ID: id, At: now, Start: d.Ban.Start, End: d.Ban.End,
				Failures: d.Ban.Count, Regex: d.Ban.Regex, Times: d.Ban.Times})
			c.remember(id, d.Ban.Start)
			if of := c.offenders[id]; of != nil {
				of.Bans++
			}
		case event.Prolong:
			if i, known := c.banned[id]; known {
				c.rules.bans[i].End = d.Ban.End
			}
		case event.Lift:
			if i, known := c.banned[id]; known {
				c.rules.bans[i].Lifted = now
				delete(c.banned, id)
			}
		case event.Spare:
			if len(c.spared) < mostNames {
				c.spared[id] = d.Reason
			}
		case event.Hold:
			if d.Reason != "" {
				c.held = d.Reason
			}
		}
	}
}

// remember keeps the past that bantime.increment and escalate ask for.
func (c *court) remember(id string, start time.Time) {
	for _, key := range []pastKey{{c.name, id}, {id: id}} {
		r := c.rules.past[key]
		r.Count++
		if start.After(r.Last) {
			r.Last = start
		}
		c.rules.past[key] = r
	}
}
