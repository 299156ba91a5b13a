package date

// set takes one value by its letter (§2.6). Text the values cannot hold (an unknown zone, digits
// that are not ASCII) makes the fields invalid: the template matched, but there is no such date.
func (f *fields) set(letter byte, text string) {
	if text == "" {
		return
	}
	switch letter {
	case 'b', 'B':
		f.month = monthNumber(text)
	case 'a', 'A':
		f.weekday = weekdayNumber(text)
	case 'p':
		f.pm = text[0]|0x20 == 'p'
	case 'z', 'Z':
		f.setZone(text)
	default:
		f.setNumber(letter, text)
	}
}

func (f *fields) setNumber(letter byte, text string) {
	n, bad := number(text)
	f.invalid = f.invalid || bad
	v := int(n)
	switch letter {
	case 'Y':
		f.year = v
	case 'y':
		f.year = 2000 + v
	case 'm':
		f.month = v
	case 'd':
		f.day = v
	case 'H':
		f.hour = v
	case 'I':
		f.hour, f.twelve = v, true
	case 'M':
		f.minute = v
	case 'S':
		f.second = v
	case 'j':
		f.yearday = v
	case 'U':
		f.week, f.monday = v, false
	case 'W':
		f.week, f.monday = v, true
	case 'w':
		f.weekday = v
	}
}

func (f *fields) setZone(text string) {
	seconds, ok := zoneOffset(text)
	f.zone, f.zoned = seconds, true
	f.invalid = f.invalid || !ok
}

// number reads decimal digits, spaces in front allowed (%d may be padded by one).
func number(text string) (n int64, bad bool) {
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, true
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(text) > 18
}
