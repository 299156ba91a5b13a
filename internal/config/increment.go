package config

import (
	"strconv"
	"strings"
	"time"
)

// Increment is bantime.increment and what belongs to it (§4.3), for who is banned again.
type Increment struct {
	On              bool
	Factor, Formula string // Python expressions; empty: fail2ban's
	Multipliers     []int  // in place of the formula
	MaxTime         time.Duration
	RndTime         time.Duration
	OverallJails    bool
}

func (r *jailReader) readIncrement() {
	inc := Increment{
		On: r.bool("bantime.increment", false), OverallJails: r.bool("bantime.overalljails", false),
		Factor: r.text("bantime.factor", ""), Formula: r.text("bantime.formula", ""),
	}
	if v, ok := r.value("bantime.multipliers"); ok && inc.On {
		for _, word := range strings.Fields(v.Text()) {
			n, err := strconv.Atoi(word)
			if err != nil {
				r.fail(fault(v.Pos(), "write whole numbers with blanks between, for instance 1 2 4 8",
					"bantime.multipliers: %s is not a whole number", quote(word)))
				break
			}
			inc.Multipliers = append(inc.Multipliers, n)
		}
	}
	inc.MaxTime, inc.RndTime = r.extraTime("bantime.maxtime"), r.extraTime("bantime.rndtime")
	r.jail.Increment = inc
}

// extraTime is a time that may be empty, which is none.
func (r *jailReader) extraTime(key string) time.Duration {
	if r.text(key, "") == "" {
		return 0
	}
	return max(r.time(key, 0), 0)
}
