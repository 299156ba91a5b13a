package jail

import (
	"math"
	"time"

	"gaol/internal/event"
)

// Increment is bantime.increment (§4.3): who was banned before is banned for longer, and sooner.
type Increment struct {
	Formula      *Formula
	MaxTime      time.Duration // bantime.maxtime; 0: no limit
	RndTime      time.Duration // bantime.rndtime: up to this is added, also beyond MaxTime
	OverallJails bool          // bans of other jails count too, for the time
	// Before is what is known of earlier bans of an id: in this jail, or in all jails together.
	Before func(id string, allJails bool) Record
	Random func() float64 // in [0,1)
	// Failed is told where the formula cannot be computed; the ban time stays as it is then.
	Failed func(error)
}

// Record is an id's past: how often it was banned, and the start of its newest ban.
type Record struct {
	Count int
	Last  time.Time
}

// most is where doubling ends, in the formula and in the weight.
const most = 20

// extra is how many failures more than one a failure at time at counts for (§4.3): a known
// offender needs fewer of them. Failures before the newest ban led to that one.
func (inc *Increment) extra(id string, at time.Time, maxRetry int) int {
	if inc == nil {
		return 0
	}
	r := inc.Before(id, false)
	if r.Count <= 0 || !at.After(r.Last) {
		return 0
	}
	return max(0, min(1<<min(r.Count, most)/2+1, maxRetry)-1)
}

// lengthen makes the ban of a known offender longer and counts it. A ban for ever and one with
// a time of its own stay as they are, and count as a first one (as fail2ban's do).
func (inc *Increment) lengthen(b event.Ban, banTime time.Duration) event.Ban {
	b.Times = 1
	if inc == nil || b.Manual && b.End != endOf(b.Start, banTime) || banTime <= 0 {
		return b
	}
	n := inc.Before(b.ID, inc.OverallJails).Count
	if n <= 0 {
		return b
	}
	seconds, err := inc.Formula.Longer(banTime.Seconds(), n)
	if err != nil {
		inc.Failed(err)
		seconds = banTime.Seconds()
	}
	b.Times = n + 1
	b.End = b.Start.Add(inc.bound(seconds))
	return b
}

// bound is seconds within maxtime, and rndtime on top.
func (inc *Increment) bound(seconds float64) time.Duration {
	const century = 100 * 365 * 24 * time.Hour // behind that a time.Duration overflows
	d := century
	if seconds < century.Seconds() {
		d = time.Duration(math.Round(max(seconds, 0) * float64(time.Second)))
	}
	if inc.MaxTime > 0 {
		d = min(d, inc.MaxTime)
	}
	if inc.RndTime > 0 {
		d += time.Duration(inc.Random() * float64(inc.RndTime))
	}
	return d
}

// ceiling is the longest ban that may come back after a restart; negative: any.
func (o *Options) ceiling() time.Duration {
	switch {
	case o.Increment == nil:
		return o.BanTime
	case o.Increment.MaxTime > 0 && o.BanTime >= 0:
		return o.Increment.MaxTime + o.Increment.RndTime
	}
	return -1
}
