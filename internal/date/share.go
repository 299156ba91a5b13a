package date

import (
	"slices"

	"gaol/internal/pattern"
)

// Clone is a cutter that goes on as this one does, and that another goroutine may use.
func (c *Cutter) Clone() *Cutter {
	n := *c
	if c.Detector != nil {
		d := *c.Detector
		d.list, d.mem, d.spans = slices.Clone(d.list), pattern.Memory{}, nil
		d.searched.at = -1
		n.Detector = &d
	}
	return &n
}

// Fresh says that no timestamp was found yet.
func (c *Cutter) Fresh() bool { return c.Detector == nil || c.Detector.last < 0 }

// Agrees says whether two cutters that stand at the same place of a log go on alike: their
// detectors use the same template at the same place of the line, have met the same templates and
// try them in the same order. How often each was met may differ, as it does between a jail that
// was started anew and one that was not. One that has met none agrees with any.
func (c *Cutter) Agrees(o *Cutter) bool {
	if c.InOperation != o.InOperation || c.Behind != o.Behind || (c.Detector == nil) != (o.Detector == nil) {
		return false
	}
	if c.Fresh() || o.Fresh() {
		return true
	}
	a, b := c.Detector, o.Detector
	same := func(x, y entry) bool { return x.template == y.template && (x.hits > 0) == (y.hits > 0) }
	return a.last == b.last && a.start == b.start && a.end == b.end && a.before == b.before && a.after == b.after &&
		slices.EqualFunc(a.list, b.list, same)
}
