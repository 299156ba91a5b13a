package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Report is what a replay came to.
type Report struct {
	Lines     int          `json:"lines"`
	Undated   int          `json:"undated"` // lines without a stamp: they count at the time of the line before
	From      time.Time    `json:"from,omitzero"`
	To        time.Time    `json:"to,omitzero"`
	Jails     []JailReport `json:"jails"`
	Bans      []Ban        `json:"bans"`      // in the order in which they came
	Offenders []Offender   `json:"offenders"` // those with most failures first
	Spared    []Spared     `json:"spared"`    // who would have been banned, but for a rule
	Sweep     []Outcome    `json:"sweep,omitempty"`
}

// JailReport is one jail under the rules as they stand.
type JailReport struct {
	Jail     string        `json:"jail"`
	MaxRetry int           `json:"maxretry"`
	FindTime time.Duration `json:"findtime"` // nanoseconds
	BanTime  time.Duration `json:"bantime"`  // nanoseconds; negative: for ever
	Outcome
	Names   int    `json:"names,omitempty"`   // failures that name a host: names of the past are not looked up
	Aborted int    `json:"aborted,omitempty"` // searches that took too many steps
	Held    string `json:"held,omitempty"`    // why bans were held back
}

// Outcome is what a set of rules leads to.
type Outcome struct {
	Change    *Change `json:"change,omitempty"`
	Bans      int     `json:"bans"`
	Banned    int     `json:"banned"`    // different ids
	Failures  int     `json:"failures"`  // all
	Prevented int     `json:"prevented"` // failures that came while their id was banned
	Accepted  int     `json:"accepted"`  // banned ids that also logged in: mistaken bans, maybe
}

// Ban is one ban that would have been.
type Ban struct {
	Jail     string    `json:"jail"`
	ID       string    `json:"id"`
	At       time.Time `json:"at"`              // when it was decided
	Start    time.Time `json:"start"`           // its last failure
	End      time.Time `json:"end,omitzero"`    // zero: never
	Lifted   time.Time `json:"lifted,omitzero"` // zero: it holds at the logs' end
	Failures int       `json:"failures"`
	Regex    string    `json:"regex,omitempty"`
	Times    int       `json:"times,omitempty"` // how often the id was banned, with this one
	Accepted int       `json:"accepted"`        // logins of the id in these logs
}

// Offender is an id that failed.
type Offender struct {
	Jail      string    `json:"jail"`
	ID        string    `json:"id"`
	Failures  int       `json:"failures"`
	Prevented int       `json:"prevented"`
	Bans      int       `json:"bans"`
	Accepted  int       `json:"accepted"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// Spared is an id that a rule kept from being banned.
type Spared struct {
	Jail string `json:"jail"`
	ID   string `json:"id"`
	Why  string `json:"why"`
}

func (r *run) report() *Report {
	base := r.rules[0]
	out := &Report{Lines: r.lines, Undated: r.undated, From: r.from, To: r.clock.now, Bans: base.bans,
		Offenders: []Offender{}, Spared: []Spared{}}
	if out.Bans == nil {
		out.Bans = []Ban{}
	}
	for i, l := range r.lanes {
		c := base.courts[i]
		logins := r.logins(c)
		out.Jails = append(out.Jails, JailReport{Jail: l.Jail, MaxRetry: c.o.MaxRetry, FindTime: c.o.FindTime, BanTime: c.o.BanTime,
			Outcome: c.outcome(logins), Names: l.names, Aborted: l.aborted, Held: c.held})
		for _, of := range c.offenders {
			of.Accepted = logins[of.ID]
			out.Offenders = append(out.Offenders, *of)
		}
		for id, why := range c.spared {
			out.Spared = append(out.Spared, Spared{l.Jail, id, why})
		}
		for j := range out.Bans {
			if out.Bans[j].Jail == l.Jail {
				out.Bans[j].Accepted = logins[out.Bans[j].ID]
			}
		}
	}
	slices.SortFunc(out.Offenders, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.Failures, a.Failures), a.First.Compare(b.First), strings.Compare(a.ID, b.ID), strings.Compare(a.Jail, b.Jail))
	})
	slices.SortFunc(out.Spared, func(a, b Spared) int {
		return cmp.Or(strings.Compare(a.Jail, b.Jail), strings.Compare(a.ID, b.ID))
	})
	if len(r.rules) > 1 {
		for _, rs := range r.rules {
			out.Sweep = append(out.Sweep, r.sum(rs))
		}
	}
	return out
}

// logins are the logins of the ids of a court: of a prefix, those of all its addresses.
func (r *run) logins(c *court) map[string]int {
	all := make(map[string]int, len(r.accepted))
	for id, n := range r.accepted {
		all[c.jail.Offender(id)] += n
	}
	return all
}

func (c *court) outcome(logins map[string]int) Outcome {
	out := Outcome{Failures: c.failures, Prevented: c.prevented}
	for id, of := range c.offenders {
		out.Bans += of.Bans
		if of.Bans == 0 {
			continue
		}
		out.Banned++
		if logins[id] > 0 {
			out.Accepted++
		}
	}
	return out
}

// sum is what a set of rules leads to in all jails together.
func (r *run) sum(rs *rules) Outcome {
	total := Outcome{Change: &rs.change}
	for _, c := range rs.courts {
		o := c.outcome(r.logins(c))
		total.Bans += o.Bans
		total.Banned += o.Banned
		total.Failures += o.Failures
		total.Prevented += o.Prevented
		total.Accepted += o.Accepted
	}
	return total
}
