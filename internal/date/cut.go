package date

import (
	"time"

	"gaol/internal/event"
	"gaol/internal/pattern"
)

// Limits of the time rules (§2.8).
const (
	lastDateFor = 60 * time.Second // how long a line's date stands in for one that is missing
	oddAfter    = 60 * time.Second // in operation: a stamp farther from now than this is not believed
)

// Oddity says what was wrong with a line's timestamp. fail2ban logs each once a day.
type Oddity int

// The oddities of a timestamp.
const (
	Sound    Oddity = iota
	Undated         // no template matched, or there is no such date
	Odd             // in operation: more than a minute away from now; now was taken
	Outdated        // initial scan: older than findtime; the line was dropped
)

// Cutter turns the lines of one source into entries (§2.1 step 2-3, §2.8). It is not for
// concurrent use.
type Cutter struct {
	Detector *Detector // nil: lines carry no timestamp in their text (journal)
	FindTime time.Duration
	// InOperation is set once the source's end was reached for the first time: then stamps must
	// be of this minute, and lines without one are of now. Before that, stamps may be up to
	// FindTime old and lines without one are dropped.
	InOperation bool
	// Behind says that lines are read later than they were written, in operation: a stamp that
	// is old because we are late stays as it is, and is dropped only beyond FindTime.
	Behind bool
	// Lenient are fail2ban-regex's rules: every time is taken, a line without one is of now.
	Lenient bool
	// Clock says what time it is behind a line whose stamp is given (zero: it has none), in place
	// of the now of Cut, which then only serves to find the year of stamps without one. nil: now.
	// A replay's clock is the log's own.
	Clock func(stamp time.Time) time.Time
	// Seen is what was wrong with the last line's timestamp.
	Seen Oddity

	// Decode makes text of a line's bytes (logencoding); nil: UTF-8 as Python reads it, with one
	// U+FFFD for each run of bytes that is none.
	Decode func(string) string
	// Zoned says that the last stamp named its zone.
	Zoned bool

	last time.Time // of the last line with a sound date
}

// Cut finds the line's time and cuts the timestamp out. It returns false for a line that is
// dropped: one older than FindTime, or one without a date in the initial scan.
func (c *Cutter) Cut(l event.Line, source string, now time.Time) (e event.Entry, kept bool) {
	e.Line, e.Source = l, source
	kept = c.CutInto(&e, now)
	return e, kept
}

// CutInto is Cut of e.Line into the rest of e (e.Source stays as it is): for an entry that is
// used again for each line, as moving one about cost a tenth of the time of a line that matches
// nothing. What the rest of e held before does not matter.
func (c *Cutter) CutInto(e *event.Entry, now time.Time) (kept bool) {
	c.Seen = Sound
	if c.Decode != nil {
		e.Line.Text = c.Decode(e.Line.Text)
	} else {
		e.Line.Text = pattern.DecodeUTF8(e.Line.Text)
	}
	e.Before, e.Stamp, e.After = "", "", e.Line.Text
	if !e.Line.Time.IsZero() {
		e.Time = e.Line.Time
		return c.judge(e, now)
	}
	if c.Detector == nil {
		return c.undated(e, now)
	}
	var s Stamp
	found := c.Detector.find(e.Line.Text, now, &s)
	if c.Clock != nil {
		now = c.clock(&s)
	}
	if !e.Line.Taken.IsZero() {
		return c.taken(e, &s, found, now)
	}
	switch {
	case found && s.Start == s.End: // datepattern {NONE}
		split(e, &s)
		e.Time = now
		return true
	case found && s.OK:
		split(e, &s)
		e.Time = s.Time
		ok := c.judge(e, now)
		c.last, c.Zoned = e.Time, s.Zoned
		return ok
	case !c.last.IsZero() && now.Sub(c.last) < lastDateFor:
		// The line is searched uncut here, also where a template matched.
		e.Time = c.last
		return true
	case found:
		split(e, &s)
	}
	return c.undated(e, now)
}

// split cuts the timestamp out of the entry's text.
func split(e *event.Entry, s *Stamp) {
	text := e.Line.Text
	e.Before, e.Stamp, e.After = text[:s.Start], text[s.Start:s.End], text[s.End:]
}

func (c *Cutter) clock(s *Stamp) time.Time {
	if !s.OK || s.Start == s.End {
		return c.Clock(time.Time{})
	}
	return c.Clock(s.Time)
}

// taken is the rule for a line of a container's log. Its driver's time stands in for a stamp
// that the text lacks (sshd -e), and for one more than a minute away from it: a container has
// its own time zone. That is fail2ban's rule for a log in operation, at the time when the line
// was written instead of when it is read, so it holds for the first scan too.
func (c *Cutter) taken(e *event.Entry, s *Stamp, found bool, now time.Time) bool {
	e.Time = e.Line.Taken
	switch {
	case !found:
		c.Seen = Undated
	default:
		split(e, s)
		off := e.Time.Sub(s.Time)
		if !s.OK || s.Start == s.End {
			c.Seen = Undated
		} else if off > oddAfter || off < -oddAfter {
			c.Seen = Odd
		} else {
			e.Time = s.Time
		}
	}
	if now.Before(e.Time) {
		e.Time = now
	}
	if !c.Lenient && now.Sub(e.Time) > c.FindTime {
		c.Seen = Outdated
		return false
	}
	return true
}

// undated gives a line without a date the time now, where that may be.
func (c *Cutter) undated(e *event.Entry, now time.Time) bool {
	c.Seen = Undated
	e.Time = now
	return c.Lenient || c.InOperation
}

// judge holds a line's time against now.
func (c *Cutter) judge(e *event.Entry, now time.Time) bool {
	if c.Lenient {
		return true
	}
	switch off := now.Sub(e.Time); {
	case c.InOperation && !c.Behind && (off > oddAfter || off < -oddAfter):
		c.Seen = Odd
		e.Time = now
	case (!c.InOperation || c.Behind) && off > c.FindTime:
		c.Seen = Outdated
		return false
	}
	return true
}
