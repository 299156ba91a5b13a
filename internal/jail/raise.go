package jail

import (
	"time"

	"gaol/internal/event"
)

// Raise makes the ban of id one of all ports of the machine, for the reason why; nothing where it is
// one already, where there is none, and where it was made by hand, which is an admin's own word.
// Who must not be banned is not raised either, whatever has banned him.
func (j *Jail) Raise(id, why string, now time.Time) []event.Decision {
	b, ok := j.bans.find(id)
	if !ok || b.Manual || b.Scope == event.AllPorts {
		return nil
	}
	spared, exempt := j.exempt(b.ID, b.IP, b.Kind, false)
	if !exempt && widened(b) {
		spared, exempt = j.shielded(b.ID)
	}
	if exempt {
		return j.spare(b, spared, now)
	}
	b.Scope = event.AllPorts
	j.bans.put(b)
	return j.refold([]event.Decision{{Kind: event.Raise, Ban: b, Reason: why}}, now)
}

// Raised are the bans of all ports.
func (j *Jail) Raised() (all []event.Ban) {
	for _, at := range j.bans.byID {
		if j.bans.all[at].flags&allPorts != 0 {
			all = append(all, j.bans.unpack(at))
		}
	}
	sortBans(all)
	return all
}
