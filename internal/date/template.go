package date

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"gaol/internal/pattern"
)

// kind says how a template's text becomes a time.
type kind int

const (
	fromFields kind = iota // groups named by the letter of their value
	fromEpoch              // seconds, milliseconds or microseconds since 1970
	fromTAI                // TAI64N: 15 hex digits of seconds behind "@4"
)

// template is one way to write a timestamp. It is immutable but for compiling its expression when
// that is first needed: of the 30 defaults a log is in one, and compiling the others took most of
// the time until the first line was read (7 ms).
type template struct {
	name     string // as fail2ban-regex prints it
	expr     string
	fold     bool
	once     sync.Once
	err      error
	re       *pattern.Regexp
	kind     kind
	cut      int // group whose text is the timestamp
	number   int // group that holds the digits of an epoch
	weight   float64
	anchored bool
	scan     *scanner // nil: none
	needs    shape    // a line without one of them is no match; 0: not known
	letters  []byte   // by group number, 0 where the group is no value
}

// Assertions around a pattern (§2.6): a date must not start or end inside a word.
const (
	lineBegin = `^(?:\W{0,2})?`
	wordBegin = `(?=^|\b|\W)`
	wordEnd   = `(?=\b|\W|$)`
)

// newTemplate reads one datepattern line. year bounds %ExY.
func newTemplate(text string, year int) (*template, error) {
	t := &template{cut: 1, weight: 1, scan: scannerFor(text, year), needs: shapeOf(text)}
	b := bounds(text)
	expr, shown, named, err := expand(b.pattern, year)
	if err != nil {
		return nil, err
	}
	t.name, t.anchored = b.prefix+shown+b.suffix, b.anchored
	if strings.Contains(strings.ToUpper(expr), "{EPOCH}") || strings.Contains(strings.ToUpper(expr), "{LEPOCH}") {
		t.kind = fromEpoch
		expr = replaceFold(replaceFold(expr, "{LEPOCH}", `(?P<_n>`+longDigits+`)`), "{EPOCH}", `(?P<_n>`+epochDigits+`)`)
	}
	if !hasGroup(b.pattern) {
		expr = b.lead + "(" + strings.TrimPrefix(expr, b.lead)
		if b.tail == "$" {
			expr = strings.TrimSuffix(expr, "$") + ")$"
		} else {
			expr += ")"
		}
	}
	t.expr, t.fold = b.start+expr+b.end, named
	return t, nil
}

// ready compiles the expression and finds the groups that hold values.
func (t *template) ready() error {
	t.once.Do(func() {
		re, err := pattern.Compile(t.expr, pattern.Options{IgnoreCase: t.fold})
		if err != nil {
			t.err = fmt.Errorf("compile date template %s: %w", t.name, err)
			return
		}
		t.re = re
		t.letters = make([]byte, len(re.Names()))
		for i, name := range re.Names() {
			if len(name) == 1 {
				t.letters[i] = name[0]
			}
			if name == "_n" {
				t.number = i
			}
		}
	})
	return t.err
}

// search runs the expression for a match at from or behind. One that does not compile, which Parse
// has told of, finds nothing.
func (t *template) search(mem *pattern.Memory, text string, from int) ([]int32, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	return t.re.SearchFrom(mem, text, from)
}

// boundary is a pattern taken apart: what stands around it, and what it is without the marks.
type boundary struct {
	pattern    string // without {^LN-BEG}, {UNB} and **
	prefix     string // of the name
	suffix     string // of the name
	start, end string // assertions
	lead, tail string // "^" and "$" that stay outside of group 1
	anchored   bool
}

// bounds reads the marks at both ends of a pattern (§2.6).
func bounds(text string) boundary {
	b := boundary{start: wordBegin, end: wordEnd}
	text = strings.TrimSpace(text)
	switch {
	case foldPrefix(text, "{^LN-BEG}"):
		text = text[len("{^LN-BEG}"):]
		b.start, b.prefix, b.anchored = lineBegin, "{^LN-BEG}", true
	case foldPrefix(text, "{UNB}"):
		text = text[len("{UNB}"):]
		b.start, b.end = "", ""
	}
	b.pattern = text
	b.markStart()
	b.markEnd()
	return b
}

func (b *boundary) markStart() {
	switch {
	case strings.HasPrefix(b.pattern, "**"):
		b.start, b.anchored, b.prefix = "", false, "**"
		b.pattern = b.pattern[2:]
	case strings.HasPrefix(b.pattern, "^"):
		b.start, b.lead, b.anchored, b.prefix = "", "^", true, ""
	case strings.HasPrefix(strings.TrimLeft(strings.ReplaceAll(b.pattern, "(?:", "("), "("), "^") && strings.HasPrefix(b.pattern, "("):
		b.start, b.prefix = "", ""
		b.anchored = strings.HasPrefix(b.pattern, "(^")
	}
}

func (b *boundary) markEnd() {
	switch {
	case strings.HasSuffix(b.pattern, "**"):
		b.end, b.suffix = "", "**"
		b.pattern = strings.TrimSuffix(b.pattern, "**")
	case strings.HasSuffix(b.pattern, `\$`):
	case strings.HasSuffix(b.pattern, "$"):
		b.end, b.tail, b.anchored = "", "$", true
	case strings.HasSuffix(b.pattern, `\b`), strings.HasSuffix(b.pattern, `\s`):
		b.end = ""
	}
}

// hasGroup reports an opening parenthesis that is neither escaped nor one of (?…).
func hasGroup(expr string) bool {
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '(':
			if !strings.HasPrefix(expr[i:], "(?") {
				return true
			}
		}
	}
	return false
}

// Digits of seconds since 1970; the long form takes milli- and microseconds too.
const (
	epochDigits = `\d{10,11}\b(?:\.\d{3,6})?`
	longDigits  = `\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?`
)

// newEpoch is the EPOCH template, LEPOCH where long: at the line's start (at most two non-word
// characters in front where begin), behind a line-initial "[", or behind "audit(".
func newEpoch(long, begin bool) *template {
	t := &template{name: "Epoch", kind: fromEpoch, cut: 1, number: 1, weight: 1, anchored: begin, needs: six}
	digits := epochDigits
	if long {
		t.name, digits = "LongEpoch", longDigits
	}
	expr := `((?:^|(?P<square>(?<=^\[))|(?P<selinux>(?<=\baudit\()))` + digits +
		`)(?:(?(selinux)(?=:\d+\)))|(?(square)(?=\])))` + wordEnd
	if begin {
		t.name = "{^LN-BEG}" + t.name
		expr = lineBegin + `((?P<square>(?<=^\[))?` + digits + `)(?(square)(?=\]))` + wordEnd
	}
	t.expr = expr
	return t
}

// newTAI is the TAI64N template.
func newTAI(begin bool) *template {
	t := &template{name: "TAI64N", kind: fromTAI, cut: 1, number: 1, weight: 1, anchored: begin}
	expr := `(@[0-9a-f]{24})` + wordEnd
	if begin {
		t.name, expr = "{^LN-BEG}"+t.name, lineBegin+expr
	}
	t.expr = expr
	return t
}

// newNone is the {NONE} template: it matches nothing at the line's start, so that no date is
// looked for and none is cut.
func newNone() *template {
	return &template{name: "^", expr: `^()`, cut: 1, weight: 1, anchored: true}
}

// read takes the values out of a match of the template.
func (t *template) read(text string, spans []int32) fields {
	f := unset()
	group := func(n int) string {
		if 2*n+1 >= len(spans) || spans[2*n] < 0 {
			return ""
		}
		return text[spans[2*n]:spans[2*n+1]]
	}
	switch t.kind {
	case fromEpoch:
		f.epoch = true
		f.at, f.invalid = epochTime(group(t.number))
	case fromTAI:
		f.epoch = true
		f.at, f.invalid = taiTime(group(1))
	default:
		for n, letter := range t.letters {
			if letter != 0 {
				f.set(letter, group(n))
			}
		}
	}
	return f
}

// epochTime reads 10 to 11 digits as seconds (a fraction may follow), 13 to 14 as milliseconds,
// more as microseconds.
func epochTime(text string) (t time.Time, invalid bool) {
	digits, fraction, _ := strings.Cut(text, ".")
	n, bad := number(digits)
	if bad || digits == "" {
		return time.Time{}, true
	}
	scale := int64(time.Second)
	switch {
	case len(digits) >= 16:
		scale = int64(time.Microsecond)
	case len(digits) >= 13:
		scale = int64(time.Millisecond)
	}
	per := int64(time.Second) / scale
	nanos := n % per * scale
	for _, c := range []byte(fraction) {
		scale /= 10
		nanos += int64(c-'0') * scale
	}
	return time.Unix(n/per, nanos), false
}

func taiTime(text string) (t time.Time, invalid bool) {
	var n int64
	if len(text) < 17 {
		return time.Time{}, true
	}
	for _, c := range []byte(text[2:17]) {
		d := int64(c - '0')
		if c >= 'a' {
			d = int64(c-'a') + 10
		}
		n = n<<4 | d
	}
	return time.Unix(n, 0), n > 1<<40
}
