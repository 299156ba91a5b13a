package engine

import (
	"fmt"
	"slices"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
)

// beside says of a line that is no failure by itself which line of the same connection is: a later
// one takes it along as evidence, an earlier one has counted already.
func (x *explainer) beside(i int) {
	e := &x.all[i]
	if e.Connection == "" || e.Outcome != event.LineHelps && e.Outcome != event.LineWaits {
		return
	}
	for k := range x.all {
		o := &x.all[k]
		if k == i || o.Connection != e.Connection || o.Outcome != event.LineCounts && o.Outcome != event.LineSpared {
			continue
		}
		c := event.Cure{What: fmt.Sprintf("line %d", o.Number), Where: o.Rule.Where}
		switch {
		case k > i && slices.Contains(o.Evidence, e.Line):
			c.Why = "of the same connection counts, and takes this one along"
		case k < i:
			c.Why = "of the same connection counted: the attempt is on the account"
		default:
			continue
		}
		e.Cures = append(e.Cures, c)
		return
	}
}

// cure tries the lines that are no failures under the filter's other modes. Each mode sees all
// lines, as a jail in that mode would.
func (x *explainer) cure() error {
	wanted := slices.ContainsFunc(x.all, func(e event.Explanation) bool { return curable(&e) })
	if !wanted {
		return nil
	}
	for _, other := range x.s.Others {
		program, dates, decode, err := x.s.compile(other.Spec, x.o.Now)
		if err != nil {
			continue // such a mode is broken: nothing to write
		}
		f := filter.New(program)
		c := date.Cutter{Detector: date.NewDetector(dates), Lenient: true, Decode: decode}
		for i := range x.all {
			entry, _ := c.Cut(event.Line{Text: x.all[i].Line}, "", x.o.Now)
			m := f.Match(entry, entry.Time)
			if e := &x.all[i]; m.Verdict == filter.Failed && curable(e) {
				e.Cures = append(e.Cures, event.Cure{What: other.What, Write: other.Write, Where: m.Where})
			}
		}
	}
	return nil
}

// curable says whether a line might count in another mode.
func curable(e *event.Explanation) bool {
	switch e.Outcome {
	case event.LineHelps, event.LineWaits, event.LineMissed:
		return true
	}
	return false
}
