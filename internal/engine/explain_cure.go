package engine

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

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
	for _, other := range append(slices.Clone(x.s.Others), x.programs()...) {
		program, dates, decode, err := x.s.compile(other.Spec, x.o.Now)
		if err != nil {
			continue // such a mode is broken: nothing to write
		}
		f := filter.New(program)
		c := date.Cutter{Detector: date.NewDetector(dates), Lenient: true, Decode: decode}
		for i := range x.all {
			entry, _ := c.Cut(event.Line{Text: x.all[i].Line}, "", x.o.Now)
			m := f.Match(entry, entry.Time)
			e := &x.all[i]
			if !curable(e) {
				continue
			}
			if e.Modes++; m.Verdict == filter.Failed {
				e.Cures = append(e.Cures, event.Cure{What: other.What, Write: other.Write, Where: m.Where})
			}
		}
	}
	return nil
}

// The name of a program: at the start of what prefregex left, where the filter expects another,
// and behind the host name of a line that prefregex does not match.
var (
	program    = regexp.MustCompile(`^\s*([\w./-]+)(?:\[\d+\])?: `)
	word       = regexp.MustCompile(`^\w+`)
	anyProgram = regexp.MustCompile(`^\s*\S+ ([\w./-]+)(?:\[\d+\])?: `)
)

// programs are the filter for other programs, those that the lines without a match name: sshd is
// sshd-session since OpenSSH 9.8.
func (x *explainer) programs() (all []Other) {
	if x.s.With == nil {
		return nil
	}
	tried := map[string]bool{}
	for i := range x.all {
		e := &x.all[i]
		m := program.FindStringSubmatch(cmp.Or(e.Content, e.Text))
		if m == nil && e.Prefix != nil && !e.Prefix.Matched {
			m = anyProgram.FindStringSubmatch(e.Text)
		}
		if e.Outcome != event.LineMissed || m == nil || tried[m[1]] || !x.related(m[1]) {
			continue
		}
		tried[m[1]] = true
		if other, ok := x.s.With("_daemon", m[1]); ok {
			all = append(all, other)
		}
	}
	return all
}

// related says whether a program may be one of those that the filter is for: sshd-session and sshd.
func (x *explainer) related(name string) bool {
	for _, own := range []string{x.s.Spec.Name, word.FindString(x.s.Daemon)} {
		if own != "" && strings.HasPrefix(name, own) {
			return true
		}
	}
	return false
}

// curable says whether a line might count in another mode.
func curable(e *event.Explanation) bool {
	switch e.Outcome {
	case event.LineHelps, event.LineWaits, event.LineMissed:
		return true
	}
	return false
}
