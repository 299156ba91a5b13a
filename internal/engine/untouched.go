package engine

import "time"

// countsOthers is a firewall that can say whether anybody but us has changed anything.
type countsOthers interface{ Foreign() (uint32, error) }

// untouched says whether nobody has changed anything since all was found in place, so that the
// regular look, which lists all bans, would find the same.
func (r *repairs) untouched() bool {
	foreign, known := r.others()
	return known && r.sound && foreign == r.foreign
}

func (r *repairs) others() (foreign uint32, known bool) {
	c, ok := r.e.fw.(countsOthers)
	if !ok {
		return 0, false
	}
	foreign, err := c.Foreign()
	return foreign, err == nil
}

// unlooked is 1 where the jail has bans to look at in the kernel and was not looked at since.
func (w *worker) unlooked(since time.Time) int {
	if w.target != nil && w.looked.Before(since) {
		return 1
	}
	return 0
}
