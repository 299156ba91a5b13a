package jail

import (
	"time"

	"gaol/internal/event"
)

// Restore takes back what the store held, judged by the rules of today (§4.5, §9.9). Every ban
// of bans returns exactly one decision: an Impose with Restored set, or, where it is over or
// must not be, a Lift with Restored and the Reason, so that the kernel and the actions let go
// of it. Tallies go on counting unless their id is exempt by now.
//
// The rules: a ban comes back if it has not ended; unless it began (or was last renewed)
// longer ago than the bantime of today; its end is moved forward to what that bantime gives; a
// ban for ever gets that bantime too, unless it is for ever itself, which does not lengthen
// bans that have an end. Manual bans keep the end they were given. With bantime.increment the
// longest ban it allows stands for the bantime.
func (j *Jail) Restore(bans []event.Ban, tallies []event.Tally, now time.Time) []event.Decision {
	ds := make([]event.Decision, 0, len(bans))
	for _, b := range bans {
		ds = append(ds, j.restoreBan(b, now)...)
	}
	for _, t := range tallies {
		if _, exempt := j.exempt(t.ID, t.IP, t.Kind, false); exempt || len(t.ID) > MaxID {
			j.tallies.mark(t.ID) // for the store to forget it
			continue
		}
		j.tallies.insert(t, j.o.MaxMatches)
	}
	return j.refold(ds, now)
}

func (j *Jail) restoreBan(b event.Ban, now time.Time) []event.Decision {
	b.Jail, b.Times = j.o.Name, max(b.Times, 1)
	end, why := j.restoredEnd(b, now)
	if why == "" {
		if reason, exempt := j.exempt(b.ID, b.IP, b.Kind, b.Manual); exempt {
			why = reason
		} else if widened(b) {
			why, _ = j.shielded(b.ID)
		}
	}
	if why != "" {
		return []event.Decision{{Kind: event.Lift, Ban: b, Restored: true, Reason: why}}
	}
	b.End = end
	ds, ok := j.room(b)
	if !ok {
		return []event.Decision{{Kind: event.Lift, Ban: b, Restored: true, Reason: "the jail is full"}}
	}
	j.bans.put(b)
	j.totalBanned++
	return append(ds, event.Decision{Kind: event.Impose, Ban: b, Restored: true, Reason: b.Reason})
}

// restoredEnd is when a stored ban ends under the bantime of today; why says that it is over.
func (j *Jail) restoredEnd(b event.Ban, now time.Time) (end time.Time, why string) {
	over := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if over(b.End) {
		return b.End, "it ended while gaol was down"
	}
	if b.Manual {
		return b.End, ""
	}
	start := b.Start
	if b.Renewed.After(start) {
		start = b.Renewed
	}
	limit := j.o.ceiling()
	if limit < 0 {
		return b.End, ""
	}
	today := endOf(start, limit)
	if over(today) {
		return today, "it is over under the bantime that is configured now"
	}
	if later(b.End, today) {
		return today, ""
	}
	return b.End, ""
}
