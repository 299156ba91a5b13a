package date

// A scanner reads the timestamp of a template that can match at the line's start only, in the way it is
// nearly always written. start and end bound the text to cut. It must be right whenever it says
// ok; everything unusual it leaves to the template's expression (a test holds both against each
// other).
type scanner func(text string, f *fields) (start, end int, ok bool)

// scannerFor returns the scanner of a default template behind {^LN-BEG} or a bracket; nil where
// there is none. year bounds %ExY.
func scannerFor(pattern string, year int) scanner {
	y, all := years{last: byte('0' + (year+3)/10%10)}, defaults()
	if foldPrefix(pattern, "{^LN-BEG}") {
		switch pattern[len("{^LN-BEG}"):] {
		case all[0]:
			return y.iso
		case all[1]:
			return y.syslog
		}
	}
	if pattern == `^[^\[]*\[(`+all[4]+`)` {
		return bracketed(y.clf)
	}
	return nil
}

// years are those that %ExY takes: 2000 to the end of a decade.
type years struct{ last byte }

// iso reads `2005-01-23T21:59:59.981+01:00` and what is like it.
func (y years) iso(text string, f *fields) (start, end int, ok bool) {
	p := lead(text)
	if p < 0 || len(text) < p+19 {
		return 0, 0, false
	}
	t := text[p:]
	if !y.read(t, f) || t[4] != t[7] || t[4] != '-' && t[4] != '/' && t[4] != '.' {
		return 0, 0, false
	}
	f.month, f.day = two(t[5], t[6]), two(t[8], t[9])
	if f.month < 1 || f.month > 12 || f.day < 1 || f.day > 31 {
		return 0, 0, false
	}
	at := 11
	if t[10] == ' ' && t[11] == ' ' {
		at = 12
	} else if t[10] != 'T' && t[10] != ' ' {
		return 0, 0, false
	}
	if at, ok = clock(t, at, f); !ok {
		return 0, 0, false
	}
	if at, ok = fraction(t, at, ','); !ok {
		return 0, 0, false
	}
	at, ok = zone(t, at, f)
	return p, p + at, ok
}

// syslog reads `Jul 25 11:14:14`, with a weekday before it, a fraction and a year behind it.
func (y years) syslog(text string, f *fields) (start, end int, ok bool) {
	p := lead(text)
	if p < 0 || len(text) < p+14 {
		return 0, 0, false
	}
	t, at := text[p:], 0
	if weekday(t) {
		at = 4
	}
	if f.month = month(t[at:]); f.month == 0 || t[at+3] != ' ' {
		return 0, 0, false
	}
	if at, ok = day(t, at+4, f); !ok || at >= len(t) || t[at] != ' ' {
		return 0, 0, false
	}
	if at, ok = clock(t, at+1, f); !ok {
		return 0, 0, false
	}
	if at, ok = fraction(t, at, '.'); !ok {
		return 0, 0, false
	}
	if len(t) >= at+5 && t[at] == ' ' && y.read(t[at+1:], f) {
		switch after := charAt(t, at+5); after {
		case nonWord:
			return p, p + at + 5, true
		case foreign:
			return 0, 0, false
		}
		f.year = -1
	}
	return p, p + at, charAt(t, at) == nonWord
}

// read takes the year at the start of t.
func (y years) read(t string, f *fields) bool {
	if t[0] != '2' || t[1] != '0' || t[2] < '0' || t[2] > y.last || t[3] < '0' || t[3] > '9' {
		return false
	}
	f.year = 2000 + two(t[2], t[3])
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
	if a < '0' || a > '9' || b < '0' || b > '9' {
		return 1000
	}
	return int(a-'0')*10 + int(b-'0')
}

// clock reads `21:59:59` and returns where it ends.
func clock(t string, at int, f *fields) (end int, ok bool) {
	if len(t) < at+8 || t[at+2] != ':' || t[at+5] != ':' {
		return 0, false
	}
	f.hour, f.minute, f.second = two(t[at], t[at+1]), two(t[at+3], t[at+4]), two(t[at+6], t[at+7])
	return at + 8, f.hour < 24 && f.minute < 60 && f.second < 60
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

// day reads the day of the month, as `5`, ` 5` or `05`.
func day(t string, at int, f *fields) (end int, ok bool) {
	a, b := t[at], t[at+1]
	switch {
	case a == ' ':
		f.day = two('0', b)
		return at + 2, f.day >= 1 && f.day <= 9
	case b == ' ':
		f.day = two('0', a)
		return at + 1, f.day >= 1 && f.day <= 9
	}
	f.day = two(a, b)
	return at + 2, f.day >= 1 && f.day <= 31
}

// zone reads an offset, `Z`, `UTC` or `GMT`, white space before it, if there is one at all.
func zone(t string, at int, f *fields) (end int, ok bool) {
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
		return offsetAt(t, at, p, f)
	case 'Z', 'U', 'G':
		if t[p] == 'Z' {
			n = 1
		} else if len(t) < p+3 || t[p:p+3] != "UTC" && t[p:p+3] != "GMT" {
			return at, none
		}
		switch charAt(t, p+n) {
		case nonWord:
			f.zoned = true
			return p + n, true
		case foreign:
			return 0, false
		}
	}
	return at, none
}

// offsetAt reads the offset at p, which has a sign there; at is where the time ends without it.
func offsetAt(t string, at, p int, f *fields) (end int, ok bool) {
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
	minutes, ok := offsetMinutes(t[p:end])
	f.zone, f.zoned = minutes*60, true
	return end, ok
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
