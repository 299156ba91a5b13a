package date

import "time"

// day is the date of the last line that a scanner read: as it was written, and what it means.
// Nearly every line of a log begins with the date of the line before, so that comparing a dozen
// bytes takes the place of reading a date and of counting days since 1970.
type day struct {
	scanner *scanner // nil: none yet
	head    [16]byte // the text in front of the clock
	size    int      // of head
	date    civil    // what it says; without clock and zone

	year   int   // that midnight is of: the named one, or that of the calendar; 0: not worked out
	exists bool  // there is such a day in that year
	start  int64 // midnight, seconds since 1970 as if it were UTC
}

// read takes the date of t from memory, if it is the same.
func (d *day) read(s *scanner, t string, c *civil) (clock int, ok bool) {
	if d.scanner != s || len(t) < d.size || t[:d.size] != string(d.head[:d.size]) {
		return 0, false
	}
	*c = d.date
	return d.size, true
}

func (d *day) remember(s *scanner, head string, c *civil) {
	d.scanner, d.size, d.date, d.year = s, copy(d.head[:], head), *c, 0
	if len(head) > len(d.head) {
		d.scanner = nil // longer than any of scannerFor's
	}
}

// midnight is the start of the date of c in a year.
func (d *day) midnight(c *civil, year int) (start int64, exists bool) {
	if d.year != year {
		d.year, d.exists = year, c.day <= daysIn(year, c.month)
		d.start = days(year, c.month, c.day) * 86400
	}
	return d.start, d.exists
}

// time works out what a scanner read. It is fields.time for the common case, and leaves the other
// ones to it: sure is false for a date that does not exist, or that must be last year's.
func (c *civil) time(d *day, calendar *calendar) (t time.Time, sure bool) {
	year := c.year
	if year < 0 {
		year = calendar.year
	}
	start, exists := d.midnight(c, year)
	if !exists {
		return time.Time{}, false
	}
	at := start + int64(c.clock)
	if c.zoned {
		at -= int64(c.zone)
	} else {
		at -= int64(calendar.offset(at))
	}
	if c.year < 0 && at > calendar.tomorrow {
		return time.Time{}, false
	}
	return time.Unix(at, 0), true
}
