package date

import "time"

// fields are the parts of a timestamp as they were read. Unset numbers are -1.
type fields struct {
	year, month, day      int
	hour, minute, second  int
	yearday, week         int // week: of %U (from Sunday) or %W (from Monday)
	weekday               int // 0 is Sunday
	monday                bool
	pm                    bool
	twelve                bool // hour is of a 12-hour clock
	zone                  int  // seconds east of UTC
	zoned, invalid, epoch bool
	at                    time.Time // of an epoch or TAI64N stamp
}

func unset() fields {
	return fields{year: -1, month: -1, day: -1, hour: -1, minute: -1, second: -1, yearday: -1, week: -1, weekday: -1}
}

// time works out what the fields mean at the calendar's now (§2.8): a missing year is guessed, a
// missing date is today or yesterday. zone is the zone of stamps that name none; now's location
// is the machine's. ok is false for a date that does not exist.
func (f *fields) time(c *calendar) (t time.Time, ok bool) {
	if f.epoch {
		return f.at, !f.invalid
	}
	hour, ok := f.clock()
	if !ok || f.invalid {
		return time.Time{}, false
	}
	f.dateFromWeeks(c.year)
	guessYear, guessDay := f.year < 0, f.month < 0 && f.day < 0
	if guessYear {
		f.year = c.year
	}
	if guessDay {
		f.month, f.day = c.month, c.day
	}
	if f.month < 1 || f.day < 1 || f.year < 1 || f.day > daysIn(f.year, f.month) {
		return time.Time{}, false
	}
	clock := int64(hour)*3600 + int64(max(f.minute, 0))*60 + int64(max(f.second, 0))
	t = f.instant(c, f.year, clock)
	switch {
	case guessDay && t.After(c.now):
		t = f.instant(c, f.year, clock-86400)
	case guessYear && !guessDay && t.After(c.now.Add(24*time.Hour)):
		if f.day > daysIn(f.year-1, f.month) {
			return time.Time{}, false
		}
		t = f.instant(c, f.year-1, clock)
	}
	return t, true
}

// instant is the time of the month and day in a year, so many seconds after midnight.
func (f *fields) instant(c *calendar, year int, clock int64) time.Time {
	civil := days(year, f.month, f.day)*86400 + clock
	if f.zoned {
		return time.Unix(civil-int64(f.zone), 0)
	}
	return time.Unix(civil-int64(c.offset(civil)), 0)
}

// clock is the hour of the day; ok is false where hour, minute or second do not exist. A leap
// second does not: fail2ban takes such a line for one without a date.
func (f *fields) clock() (hour int, ok bool) {
	hour = max(f.hour, 0)
	if f.twelve {
		if hour > 12 {
			return 0, false
		}
		hour %= 12
		if f.pm {
			hour += 12
		}
	}
	return hour, hour < 24 && f.minute < 60 && f.second < 60
}

// dateFromWeeks fills month and day from the day of the year, or from week and weekday, where
// the stamp does not name both of them. current is this year.
func (f *fields) dateFromWeeks(current int) {
	if f.month >= 0 && f.day >= 0 {
		return
	}
	year := f.year
	if year < 0 {
		year = current
	}
	day := f.yearday
	if day < 0 {
		if f.week < 0 || f.weekday < 0 {
			return
		}
		day = dayOfWeek(year, f.week, f.weekday, f.monday)
	}
	date := time.Date(year, 1, day, 0, 0, 0, 0, time.UTC)
	f.month, f.day = int(date.Month()), date.Day()
	if f.year >= 0 {
		f.year = date.Year()
	}
}

// dayOfWeek is the day of the year (1 is 1 January; may be below 1) of a weekday in a week as
// strftime(3) counts them: week 1 starts with the year's first Sunday, or Monday.
func dayOfWeek(year, week, weekday int, monday bool) int {
	first := int(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday())
	if monday {
		first = (first + 6) % 7
		weekday = (weekday + 6) % 7
	}
	return 1 + (7-first)%7 + (week-1)*7 + weekday
}

// days is the number of days from 1970-01-01 to the civil date (Gregorian, proleptic).
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year+year/4-year/100+year/400+(153*(month-3)+2)/5+day-1) - 719468
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
