package engine

import (
	"context"
	"log/slog"
	"time"

	"gaol/internal/config"
	"gaol/internal/host"
	"gaol/internal/jail"
	"gaol/internal/replay"
)

// Lanes makes the sound ones of jails ready for a replay, as the daemon would run them on this
// machine now: its own addresses and gateways are never banned, ignoreip holds. What needs the
// world outside is left out: ignorecommand is not run, `gaol allow` is not known. Each broken jail
// is a finding.
func Lanes(ctx context.Context, jails []config.Jail, now time.Time) (lanes []replay.Lane, broken []config.Problem, err error) {
	d := &deps{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler), resolver: host.NewResolver(), allows: &allows{}}
	if d.floor, err = readFloor(); err != nil {
		return nil, nil, err
	}
	for _, j := range jails {
		p, err := makePlan(j, d.resolver, now.Year())
		if err != nil {
			broken = append(broken, problemOf(j, err.Error()))
			continue
		}
		p.ignore.Refresh(ctx) // names in ignoreip
		lanes = append(lanes, replay.Lane{Jail: j.Name, Program: p.program, Dates: p.dates, Decode: p.decode, Rules: p.rulesOn(d)})
	}
	return lanes, broken, nil
}

// rulesOn are a plan's rules with a past that somebody else keeps.
func (p *plan) rulesOn(d *deps) func(func(id string, overall bool) jail.Record) jail.Options {
	return func(past func(id string, overall bool) jail.Record) jail.Options {
		w := &worker{plan: p, deps: d, log: d.log}
		o := w.options(d.floor)
		if o.Increment != nil {
			o.Increment.Before = past
		}
		if o.Known != nil {
			o.Known = func(id string) bool { return past(id, false).Count > 0 }
		}
		return o
	}
}
