package jail

import "gaol/internal/event"

// Counted is what is counted of an id that is not banned; false: nothing.
func (j *Jail) Counted(id string) (event.Tally, bool) { return j.tallies.find(j.Offender(id)) }
