package date

// shape is a set of things that a line may show where a timestamp can begin. A template of the
// default list that needs one of them, and finds none, need not be searched for: behind the
// address of a web server's line that saves all searches but one.
type shape uint8

const (
	century shape = 1 << iota // `20`, two digits, and one of -/.
	parted                    // a digit and - or /
	named                     // a letter
	signed                    // + or - and a digit
	six                       // six digits
	hour                      // a digit and :
	marked                    // < or @
)

const everyShape = ^shape(0)

// shapeOf is what a pattern of the default list needs, {^LN-BEG} in front of it or not; 0 where
// that is not known.
func shapeOf(pattern string) shape {
	needs := [...]shape{century, named, named, parted, parted, parted, parted, six, hour, marked, six, named, named, six, named, named | signed}
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
	for i := range min(len(text), last+9) {
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
		case i <= last && isLetter(c):
			found |= named
		case i <= last && (c == '<' || c == '@'):
			found |= marked
		case i <= last && (c == '+' || c == '-') && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			found |= signed
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
			found = parted
		case ':':
			found = hour
		}
	}
	if digits >= 4 && i-4 <= last && (c == '-' || c == '/' || c == '.') && text[i-4:i-2] == "20" {
		found |= century
	}
	return found
}
