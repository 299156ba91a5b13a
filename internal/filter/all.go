package filter

import (
	"time"

	"gaol/internal/event"
)

// Tested is a line tried against every failregex, as fail2ban-regex does by default.
type Tested struct {
	Prefix  Fields  // of prefregex, where there is one and it matched; valid until the next call
	Matched bool    // prefregex matched
	Ignore  int     // index of the ignoreregex that matched; -1: none
	Matches []Match // one for each failregex that matched; their Fields are valid until the next call
}

// Try tries every failregex on the entry; where not all, up to the first that matches, as Match
// does. Connections expire by the time at.
func (f *Filter) Try(e event.Entry, at time.Time, all bool) Tested {
	p := f.program
	f.aborts = nil
	f.memory.nextLine()
	t := Tested{Ignore: -1}
	text := f.fill(&e)
	p.sieve.sift(text, f.hit)
	if p.early {
		if t.Ignore = f.ignores(text); t.Ignore >= 0 {
			return t
		}
	}
	text, t.Matched = f.prefix(text)
	if !t.Matched {
		return t
	}
	t.Prefix = append(f.whole[:0], f.data...)
	f.whole = t.Prefix
	f.data.drop(keyContent)
	f.base = append(f.base[:0], f.data...)
	base := len(f.base)
	for i, r := range p.fail {
		if !f.hit[i] {
			continue
		}
		spans := f.search(r, text)
		if spans == nil {
			continue
		}
		f.data = append(f.data[:0], f.base...)
		f.overlay(r, base, text, spans)
		lines := f.take(r, text, spans)
		if len(t.Matches) == 0 {
			if t.Ignore = f.ignores(lines.text); t.Ignore >= 0 {
				return t
			}
		}
		t.Matches = append(t.Matches, f.conclude(i, lines.originals, at))
		if !all || p.MaxLines > 1 {
			return t
		}
	}
	return t
}

// Verdict is what the line counts as in fail2ban-regex: ignored where any match is one without
// failure, matched where any is left.
func (t *Tested) Verdict() Verdict {
	if t.Ignore >= 0 {
		return Ignored
	}
	v := Missed
	for i := range t.Matches {
		switch m := &t.Matches[i]; {
		case m.Verdict == Quiet, m.Alone:
			return Ignored
		case m.Verdict == Failed, m.Verdict == Pending:
			v = Failed
		}
	}
	return v
}
