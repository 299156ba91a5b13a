package date

import "strings"

// bracketed is a scanner of a template behind `^[^\[]*\[`, as the filters of web servers have it:
// only the line's first bracket can be the one in front of the timestamp. at reads the timestamp
// that begins at its text's start.
func bracketed(at func(t string, f *fields) (end int, ok bool)) scanner {
	return func(text string, f *fields) (start, end int, ok bool) {
		start = strings.IndexByte(text, '[') + 1
		if start == 0 {
			return 0, 0, false
		}
		end, ok = at(text[start:], f)
		return start, start + end, ok
	}
}

// clf reads `24/Nov/2026:11:17:59 +0000`, as the Common Log Format has it, and what is like it.
func (y years) clf(t string, f *fields) (end int, ok bool) {
	if len(t) < 20 || t[2] != '/' && t[2] != '-' || t[6] != t[2] || t[11] != ':' && t[11] != ' ' || !y.read(t[7:], f) {
		return 0, false
	}
	f.day, f.month = two(t[0], t[1]), month(t[3:])
	if f.day < 1 || f.day > 31 || f.month == 0 {
		return 0, false
	}
	at, ok := clock(t, 12, f)
	if !ok {
		return 0, false
	}
	if at, ok = fraction(t, at, '.'); !ok {
		return 0, false
	}
	if at+1 < len(t) && t[at] == ' ' {
		switch c := t[at+1]; {
		case c == '+' || c == '-':
			return offsetAt(t, at, at+1, f)
		case c >= 0x80 || isLetter(c): // Z, UTC, GMT, in any case
			return 0, false
		}
	}
	return at, charAt(t, at) == nonWord
}
