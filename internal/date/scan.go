package date

// verdict of a scanner. A scanner must be right whenever it says yes; everything else is left to
// the template's expression.
type verdict int

const (
	unsure verdict = iota
	yes
)

// scanner reads the timestamp of an anchored template. start and end bound the text to cut.
type scanner func(text string, f *fields) (start, end int, v verdict)
