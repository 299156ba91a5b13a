package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Width is a length of prefixes, or a number of addresses, for IPv4 and for IPv6.
type Width struct{ V4, V6 int }

func (w Width) String() string { return fmt.Sprintf("%d/%d", w.V4, w.V6) }

// Aggregate is aggregate and what belongs to it: many offenders of one prefix become one ban.
type Aggregate struct {
	On     bool
	Width  Width // no prefix is wider
	Budget Width // how many others one offender may take with him
}

// Valve bounds a jail's bans, so that a forged log cannot ban the world; 0: no bound.
type Valve struct{ Rate, Bans int }

// The widest prefixes that may stand in prefix and aggregate.width. What is wider is a
// provider, not an offender.
const widest4, widest6 = 16, 32

// readWidth reads gaol's keys of how wide and how many bans may be.
func (r *jailReader) readWidth() {
	j := &r.jail
	j.Prefix = r.lengths("prefix", Width{32, 128}, Width{32, 64})
	j.Aggregate = Aggregate{On: r.bool("aggregate", false), Width: r.lengths("aggregate.width", Width{24, 48}, Width{24, 48}),
		Budget: r.pair("aggregate.budget", Width{1, 32}, Width{1, 32}, Width{}, Width{1000, 100_000}, "%s is not two numbers of addresses, IPv4/IPv6")}
	j.Valve = Valve{Rate: r.bound("maxbanrate"), Bans: r.bound("maxbans")}
}

func (r *jailReader) lengths(key string, otherwise, example Width) Width {
	return r.pair(key, otherwise, example, Width{widest4, widest6}, Width{32, 128},
		fmt.Sprintf("%%s is not two lengths of a prefix, IPv4 (%d to 32) / IPv6 (%d to 128)", widest4, widest6))
}

// pair reads NUMBER/NUMBER within bounds; example is what a hint proposes.
func (r *jailReader) pair(key string, otherwise, example, least, most Width, want string) Width {
	v, ok := r.value(key)
	if !ok || v.Text() == "" {
		return otherwise
	}
	four, six, _ := strings.Cut(v.Text(), "/")
	var w Width
	var err4, err6 error
	w.V4, err4 = strconv.Atoi(strings.TrimSpace(four))
	w.V6, err6 = strconv.Atoi(strings.TrimSpace(six))
	if err4 != nil || err6 != nil || w.V4 < least.V4 || w.V6 < least.V6 || w.V4 > most.V4 || w.V6 > most.V6 {
		r.fail(fault(v.Pos(), "write for instance "+key+" = "+example.String(), key+": "+want, quote(v.Text())))
		return otherwise
	}
	return w
}

// bound reads a number; 0 or nothing: no bound.
func (r *jailReader) bound(key string) int {
	v, ok := r.value(key)
	if !ok || v.Text() == "" {
		return 0
	}
	n, err := strconv.Atoi(v.Text())
	if err != nil || n < 0 {
		r.fail(fault(v.Pos(), "write for instance "+key+" = 1000, or 0 for no limit", "%s: %s is not a number of bans", key, quote(v.Text())))
		return 0
	}
	return n
}

// aggregate finds a jail where it does nothing.
func (k *checker) aggregate(j *Jail) {
	if j.Aggregate.On && !slices.ContainsFunc(j.Actions, func(a Action) bool { return a.Native }) {
		k.say(Warning, j, j.Where("aggregate"), "write banaction = gaol",
			"aggregate of jail %q does nothing: actions of action.d get each ban as it is", j.Name)
	}
}
