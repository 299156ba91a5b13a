package date

import "time"

// calendar is what the time of a stamp depends on: now, and the zone of stamps that name none. It
// remembers what it worked out last, since the lines of a log are of the same minute mostly.
type calendar struct {
	now              time.Time
	year, month, day int // of now, in its own location
	zone             *time.Location

	minute int64 // civil minute that seconds is for
	east   int   // offset from UTC in seconds
	known  bool
}

// set takes a new now. zone nil is now's location.
func (c *calendar) set(now time.Time, zone *time.Location) {
	if zone == nil {
		zone = now.Location()
	}
	if c.zone == zone && c.now == now {
		return // the lines of one batch
	}
	if c.zone == zone && c.now.Location() == now.Location() && c.now.Unix() == now.Unix() {
		c.now = now
		return
	}
	year, month, day := now.Date()
	c.now, c.year, c.month, c.day = now, year, int(month), day
	c.known = c.known && c.zone == zone
	c.zone = zone
}

// offset is the zone's offset (seconds east of UTC) for a civil time given as if it were UTC.
func (c *calendar) offset(civil int64) int {
	if minute := civil / 60; !c.known || c.minute != minute {
		c.minute, c.east, c.known = minute, offset(c.zone, civil), true
	}
	return c.east
}

// offset: where the clock is set back the time occurs twice, where it is set forward not at all;
// then the smaller offset counts (standard time), as in a first call of mktime(3).
func offset(zone *time.Location, civil int64) int {
	_, before := time.Unix(civil-86400, 0).In(zone).Zone()
	_, after := time.Unix(civil+86400, 0).In(zone).Zone()
	if before == after {
		return before
	}
	low, high := min(before, after), max(before, after)
	_, atHigh := time.Unix(civil-int64(high), 0).In(zone).Zone()
	_, atLow := time.Unix(civil-int64(low), 0).In(zone).Zone()
	if atHigh == high && atLow != low {
		return high
	}
	return low
}
