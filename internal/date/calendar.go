package date

import (
	"math"
	"time"
)

// calendar is what the time of a stamp depends on: now, and the zone of stamps that name none. It
// remembers what it worked out last, since the lines of a log are of the same minute mostly.
type calendar struct {
	now              time.Time
	year, month, day int   // of now, in its own location
	tomorrow         int64 // now and a day, seconds since 1970
	zone             *time.Location

	from, until int64 // civil times that east is for
	east        int   // offset from UTC in seconds
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
	c.now, c.year, c.month, c.day, c.tomorrow = now, year, int(month), day, now.Unix()+86400
	if c.zone != zone {
		c.zone, c.from, c.until = zone, 0, 0
	}
}

// offset is the zone's offset (seconds east of UTC) for a civil time given as if it were UTC.
func (c *calendar) offset(civil int64) int {
	if civil < c.from || civil >= c.until {
		c.from = civil - civil%60
		c.until = c.from + 60
		c.east = offset(c.zone, civil)
		if from, until, ok := steady(c.zone, civil); ok {
			c.from, c.until = from, until
		}
	}
	return c.east
}

// steady is how long the zone has the same offset around a civil time: where no change of the
// clock is within a day, which is as far as offset looks.
func steady(zone *time.Location, civil int64) (from, until int64, ok bool) {
	first, last := time.Unix(civil-86400, 0).In(zone).ZoneBounds()
	from, until = math.MinInt64, math.MaxInt64
	if !first.IsZero() {
		from = first.Unix() + 86400
	}
	if !last.IsZero() {
		until = last.Unix() - 86400
	}
	return from, until, from <= civil && civil < until
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
