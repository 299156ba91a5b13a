package date

// shape is a set of things that a line may show where a timestamp can begin. A template of the
// default list that needs one of them, and finds none, need not be searched for: behind the
// address of a web server's line that saves all searches but one.
type shape uint8

const (
	century shape = 1 << iota // `20`, two digits, and one of -/.
	numbers                   // a digit, - or /, and a digit
	dated                     // a digit, - or /, and a letter
	named                     // the name of a month and - or a space, so many characters farther right as beforeMonth
	six                       // six digits
	hour                      // a digit and :
	marked                    // < or @
)

// beforeMonth is how far behind its start a template may have the month: behind a zone and a day.
const beforeMonth = len("+01:00 Sun ")

const everyShape = ^shape(0)

// shapeOf is what a pattern of the default list needs, {^LN-BEG} in front of it or not; 0 where
// that is not known.
func shapeOf(pattern string) shape {
	needs := [...]shape{century, named, named, numbers, dated, numbers, numbers, six, hour, marked, six, named, named, six, named, named}
	for i, d := range defaults()[:len(needs)] {
		if pattern == d || pattern == "{^LN-BEG}"+d {
			return needs[i]
		}
	}
	return 0
}

// shapes finds what a line shows at its first bytes, up to the byte last. It may find too much,
// and takes everything for found where there are characters that are not ASCII.
func shapes(text string, last int) shape {
	var found shape
	digits := 0 // in front of the byte
	for i := range min(len(text), last+beforeMonth+len("Nov ")) {
		c := text[i]
		if c >= '0' && c <= '9' {
			if digits++; digits >= 6 && i-5 <= last {
				found |= six
			}
			continue
		}
		switch {
		case c >= 0x80:
			return everyShape
		case isLetter(c):
			if i <= last+beforeMonth && i+3 < len(text) && (text[i+3] == ' ' || text[i+3] == '-') && month(text[i:]) != 0 {
				found |= named
			}
		case i <= last && (c == '<' || c == '@'):
			found |= marked
		}
		if digits > 0 {
			found |= behindDigits(text, i, digits, last)
			digits = 0
		}
	}
	return found
}

// behindDigits is what the byte i shows that stands behind so many digits.
func behindDigits(text string, i, digits, last int) (found shape) {
	c := text[i]
	if i <= last+2 {
		switch c {
		case '-', '/':
			if i+1 < len(text) && isLetter(text[i+1]) {
				found = dated
			} else {
				found = numbers
			}
		case ':':
			found = hour
		}
	}
	if digits >= 4 && i-4 <= last && (c == '-' || c == '/' || c == '.') && text[i-4:i-2] == "20" {
		found |= century
	}
	return found
}
