package date

import "strings"

// civil is a timestamp as a scanner reads it.
type civil struct {
	year, month, day int // year -1: not named
	clock            int // seconds since midnight
	zone             int // seconds east of UTC
	zoned            bool
}

// fields is the same as a template's expression has it.
func (c *civil) fields() fields {
	f := unset()
	f.year, f.month, f.day = c.year, c.month, c.day
	f.hour, f.minute, f.second = c.clock/3600, c.clock/60%60, c.clock%60
	f.zone, f.zoned = c.zone, c.zoned
	return f
}

// A scanner reads the timestamp of one template in the way it is nearly always written: a date, a
// clock, and what stands behind. It must be right whenever it says ok; everything unusual it
// leaves to the template's expression (tests hold both against each other). Date and clock are
// apart because lines of one log are of the same day mostly, see day.
type scanner struct {
	begin func(text string) int                         // where the timestamp can only begin, or -1; nil: anywhere
	date  func(t string, c *civil) (clock int, ok bool) // looks at nothing behind where the clock begins
	rest  func(t string, at int, c *civil) (end int, ok bool)
}

// scannerFor returns the scanner of a default template, as it is or behind {^LN-BEG} or a
// bracket, and of the ISO template that many filters have; nil where there is none. year bounds %ExY.
func scannerFor(pattern string, year int) *scanner {
	y, all := years{last: byte('0' + (year+3)/10%10)}, defaults()
	var begin func(string) int
	if foldPrefix(pattern, "{^LN-BEG}") {
		pattern, begin = pattern[len("{^LN-BEG}"):], lead
	} else if inner, ok := strings.CutPrefix(pattern, `^[^\[]*\[(`); ok && strings.HasSuffix(inner, ")") {
		pattern, begin = inner[:len(inner)-1], behindBracket
	}
	switch pattern {
	case all[0]:
		return &scanner{begin, y.iso, isoRest}
	case strings.Replace(all[0], "(?:T|  ?)", "[T ]", 1):
		return &scanner{begin, y.isoOne, isoRest}
	case all[1]:
		return &scanner{begin, syslog, y.syslogRest}
	case all[4]:
		return &scanner{begin, y.clf, clfRest}
	}
	return nil
}

// behindBracket is where the timestamp begins behind `^[^\[]*\[`, as the filters of web servers
// have it: only the line's first bracket can be the one in front of it.
func behindBracket(text string) int {
	if at := strings.IndexByte(text, '['); at >= 0 {
		return at + 1
	}
	return -1
}

// read reads the timestamp at the start of t. day holds the date of the line before, or nothing.
func (s *scanner) read(t string, known *day, c *civil) (end int, ok bool) {
	at, ok := known.read(s, t, c)
	if !ok {
		*c = civil{}
		if at, ok = s.date(t, c); !ok {
			return 0, false
		}
		known.remember(s, t[:at], c)
	}
	if c.clock, ok = clock(t, at); !ok {
		return 0, false
	}
	return s.rest(t, at+len("21:59:59"), c)
}

// years are those that %ExY takes: 2000 to the end of a decade.
type years struct{ last byte }

// iso reads the date of `2005-01-23T21:59:59.981+01:00` and of what is like it.
func (y years) iso(t string, c *civil) (at int, ok bool) {
	if at, ok = y.isoOne(t, c); ok && t[10] == ' ' && t[11] == ' ' {
		at = 12
	}
	return at, ok
}

// isoOne is iso with no more than one space.
func (y years) isoOne(t string, c *civil) (at int, ok bool) {
	if len(t) < 19 || !y.read(t, c) || t[4] != t[7] || t[4] != '-' && t[4] != '/' && t[4] != '.' || t[10] != 'T' && t[10] != ' ' {
		return 0, false
	}
	c.month, c.day = two(t[5], t[6]), two(t[8], t[9])
	return 11, c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31
}

func isoRest(t string, at int, c *civil) (end int, ok bool) {
	if at, ok = fraction(t, at, ','); !ok {
		return 0, false
	}
	return zone(t, at, c)
}

// syslog reads the date of `Jul 25 11:14:14`, with a weekday before it.
func syslog(t string, c *civil) (at int, ok bool) {
	if len(t) < 14 {
		return 0, false
	}
	if weekday(t) {
		at = 4
	}
	if c.month = month(t[at:]); c.month == 0 || t[at+3] != ' ' {
		return 0, false
	}
	if at, ok = dayOfMonth(t, at+4, c); !ok || at >= len(t) || t[at] != ' ' {
		return 0, false
	}
	c.year = -1
	return at + 1, true
}

// syslogRest reads a fraction and a year.
func (y years) syslogRest(t string, at int, c *civil) (end int, ok bool) {
	if at, ok = fraction(t, at, '.'); !ok {
		return 0, false
	}
	if len(t) >= at+5 && t[at] == ' ' && t[at+1] == '2' && y.read(t[at+1:], c) {
		switch charAt(t, at+5) {
		case nonWord:
			return at + 5, true
		case foreign:
			return 0, false
		}
		c.year = -1
	}
	return at, charAt(t, at) == nonWord
}

// clf reads the date of `24/Nov/2026:11:17:59 +0000`, as the Common Log Format has it, and of
// what is like it.
func (y years) clf(t string, c *civil) (at int, ok bool) {
	if len(t) < 20 || t[2] != '/' && t[2] != '-' || t[6] != t[2] || t[11] != ':' && t[11] != ' ' || !y.read(t[7:], c) {
		return 0, false
	}
	c.day, c.month = two(t[0], t[1]), month(t[3:])
	return 12, c.day >= 1 && c.day <= 31 && c.month != 0
}

func clfRest(t string, at int, c *civil) (end int, ok bool) {
	if at, ok = fraction(t, at, '.'); !ok {
		return 0, false
	}
	if at+1 < len(t) && t[at] == ' ' {
		switch b := t[at+1]; {
		case b == '+' || b == '-':
			return offsetAt(t, at, at+1, c)
		case b >= 0x80 || isLetter(b): // Z, UTC, GMT, in any case
			return 0, false
		}
	}
	return at, charAt(t, at) == nonWord
}

// read takes the year at the start of t.
func (y years) read(t string, c *civil) bool {
	if t[0] != '2' || t[1] != '0' || t[2] < '0' || t[2] > y.last || t[3] < '0' || t[3] > '9' {
		return false
	}
	c.year = 2000 + two(t[2], t[3])
	return true
}

// lead is how many characters that are no word stand before the timestamp: at most two, or -1.
func lead(text string) int {
	for p := range min(len(text), 3) {
		if charAt(text, p) != nonWord {
			return p
		}
	}
	return -1
}

// two is the number of two digits; above 99 where they are none.
func two(a, b byte) int {
	if a -= '0'; a > 9 {
		return 1000
	}
	if b -= '0'; b > 9 {
		return 1000
	}
	return int(a)*10 + int(b)
}

// clock reads `21:59:59` as seconds since midnight.
func clock(t string, at int) (seconds int, ok bool) {
	if len(t) < at+8 || t[at+2] != ':' || t[at+5] != ':' {
		return 0, false
	}
	hour, minute, second := two(t[at], t[at+1]), two(t[at+3], t[at+4]), two(t[at+6], t[at+7])
	return hour*3600 + minute*60 + second, hour < 24 && minute < 60 && second < 60
}

// fraction skips `.981`, or `,981` where also is a comma: one to six digits.
func fraction(t string, at int, also byte) (end int, ok bool) {
	if at >= len(t) || t[at] != '.' && t[at] != also {
		return at, true
	}
	n := 1
	for at+n < len(t) && t[at+n] >= '0' && t[at+n] <= '9' {
		n++
	}
	switch {
	case n == 1:
		return at, true // a full stop
	case n > 7:
		return 0, false
	}
	return at + n, true
}

// dayOfMonth reads it, as `5`, ` 5` or `05`.
func dayOfMonth(t string, at int, c *civil) (end int, ok bool) {
	a, b := t[at], t[at+1]
	switch {
	case a == ' ':
		c.day = two('0', b)
		return at + 2, c.day >= 1 && c.day <= 9
	case b == ' ':
		c.day = two('0', a)
		return at + 1, c.day >= 1 && c.day <= 9
	}
	c.day = two(a, b)
	return at + 2, c.day >= 1 && c.day <= 31
}

// zone reads an offset, `Z`, `UTC` or `GMT`, white space before it, if there is one at all.
func zone(t string, at int, c *civil) (end int, ok bool) {
	if at < len(t) && (t[at] == '+' || t[at] == '-') {
		return offsetAt(t, at, at, c)
	}
	p := at
	for p < len(t) && (t[p] == ' ' || t[p] >= '\t' && t[p] <= '\r' || t[p] >= 0x1c && t[p] <= 0x1f) {
		p++
	}
	none := charAt(t, at) == nonWord && charAt(t, p) != foreign
	if p >= len(t) {
		return at, none
	}
	switch n := 3; t[p] {
	case '+', '-':
		return offsetAt(t, at, p, c)
	case 'Z', 'U', 'G':
		if t[p] == 'Z' {
			n = 1
		} else if len(t) < p+3 || t[p:p+3] != "UTC" && t[p:p+3] != "GMT" {
			return at, none
		}
		switch charAt(t, p+n) {
		case nonWord:
			c.zoned = true
			return p + n, true
		case foreign:
			return 0, false
		}
	}
	return at, none
}

// offsetAt reads the offset at p, which has a sign there; at is where the time ends without it.
func offsetAt(t string, at, p int, c *civil) (end int, ok bool) {
	if len(t) < p+2 || t[p+1] != '0' && t[p+1] != '1' {
		return at, true
	}
	end = p + 5
	if len(t) > p+3 && t[p+3] == ':' {
		end++
	}
	if len(t) < end || charAt(t, end) != nonWord {
		return 0, false
	}
	hours, minutes := two(t[p+1], t[p+2]), two(t[end-2], t[end-1])
	c.zone, c.zoned = hours*3600+minutes*60, true
	if t[p] == '-' {
		c.zone = -c.zone
	}
	return end, hours < 100 && minutes < 100
}

// A character as the assertions of a template see it.
const (
	nonWord = iota // also the line's end
	word
	foreign // not ASCII: may be either
)

func charAt(t string, at int) int {
	if at >= len(t) {
		return nonWord
	}
	switch c := t[at]; {
	case c >= 0x80:
		return foreign
	case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c == '_':
		return word
	}
	return nonWord
}

// name3 is three letters, in lower case, as one number.
func name3(t string) uint32 {
	return (uint32(t[0])<<16 | uint32(t[1])<<8 | uint32(t[2])) | 0x202020
}

func weekday(t string) bool {
	switch name3(t) {
	case 's'<<16 | 'u'<<8 | 'n', 'm'<<16 | 'o'<<8 | 'n', 't'<<16 | 'u'<<8 | 'e', 'w'<<16 | 'e'<<8 | 'd',
		't'<<16 | 'h'<<8 | 'u', 'f'<<16 | 'r'<<8 | 'i', 's'<<16 | 'a'<<8 | 't':
		return t[3] == ' ' && len(t) >= 18 && isLetter(t[0]) && isLetter(t[1]) && isLetter(t[2])
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// month is the number of the month whose name t starts with; 0: none.
func month(t string) int {
	if !isLetter(t[0]) || !isLetter(t[1]) || !isLetter(t[2]) {
		return 0
	}
	switch name3(t) {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8
	case 's'<<16 | 'e'<<8 | 'p':
		return 9
	case 'o'<<16 | 'c'<<8 | 't':
		return 10
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}
