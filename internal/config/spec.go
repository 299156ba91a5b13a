package config

import (
	"slices"
	"strings"
	"unicode"
)

// spec is NAME[key=value, ...] as it stands behind filter = and action =.
type spec struct {
	name   string
	pos    Pos
	keys   []string // in order of first appearance
	params map[string]Value
}

func (s *spec) set(key string, v Value) {
	if _, old := s.params[key]; !old {
		s.keys = append(s.keys, key)
	}
	s.params[key] = v
}

// chars is a value as runes with the place of each, so that every part of a specification
// that was put together from several files keeps its own line.
type chars struct {
	text []rune
	pos  []Pos
}

func runes(v Value) chars {
	var c chars
	for i, l := range v.Lines {
		if i > 0 {
			c.text, c.pos = append(c.text, '\n'), append(c.pos, v.Lines[i-1].Pos)
		}
		for _, r := range l.Text {
			c.text, c.pos = append(c.text, r), append(c.pos, l.Pos)
		}
	}
	return c
}

func (c chars) at(i int) Pos {
	if len(c.pos) == 0 {
		return Pos{}
	}
	return c.pos[min(i, len(c.pos)-1)]
}

// value is the part from..to with its places.
func (c chars) value(from, to int) Value {
	v := Value{[]Line{{Pos: c.at(from)}}}
	start := from
	for i := from; i <= to; i++ {
		if i == to || c.text[i] == '\n' {
			v.Lines[len(v.Lines)-1].Text = string(c.text[start:i])
			if i < to {
				v.Lines = append(v.Lines, Line{Pos: c.at(i + 1)})
			}
			start = i + 1
		}
	}
	return v
}

// splitActions cuts the value of action = at blanks and newlines outside brackets and quotes,
// which is where fail2ban starts the next action (§1.4). A [...] behind a blank still belongs to
// the action in front of it.
func splitActions(v Value) []Value {
	c := runes(v)
	var spans [][2]int
	start, depth := -1, 0
	for i := 0; i <= len(c.text); i++ {
		if i == len(c.text) || depth == 0 && unicode.IsSpace(c.text[i]) {
			if start >= 0 {
				spans = append(spans, [2]int{start, i})
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		switch end := c.quoteEnd(i); {
		case depth > 0 && end > 0:
			i = end
		case c.text[i] == '[':
			depth++
		case c.text[i] == ']' && depth > 0:
			depth--
		}
	}
	var out []Value
	for i, s := range spans {
		if i+1 < len(spans) && c.text[spans[i+1][0]] == '[' {
			spans[i+1][0] = s[0]
			continue
		}
		out = append(out, c.value(s[0], s[1]))
	}
	return out
}

// quoteEnd is the place of the quote that closes the one at i; 0 when i does not open a quoted
// value. An unclosed quote is text, and so is one that only a quote of another group would close.
func (c chars) quoteEnd(i int) int {
	if c.text[i] != '"' && c.text[i] != '\'' {
		return 0
	}
	before := i - 1
	for before >= 0 && unicode.IsSpace(c.text[before]) {
		before--
	}
	if before < 0 || c.text[before] != '=' {
		return 0
	}
	end := i + 1
	for end < len(c.text) && c.text[end] != c.text[i] {
		end++
	}
	rest := strings.TrimSpace(string(c.text[min(end+1, len(c.text)):]))
	follows := strings.HasPrefix(rest, ",") || strings.HasPrefix(rest, "]")
	if end == len(c.text) || !follows && slices.Contains(c.text[i:end], ']') {
		return 0
	}
	return end
}

var paramKey = lazyRegexp(`^[\pL\pN_.-]+(\?[\w.-]+=[\w.-]+)?$`)

// parseSpec reads one NAME[...][...] (§1.4). Later duplicates of a parameter win.
func parseSpec(v Value) (*spec, *Problem) {
	c := runes(v)
	end := 0
	for end < len(c.text) && c.text[end] != '[' {
		end++
	}
	s := &spec{name: strings.TrimSpace(string(c.text[:end])), pos: c.at(0), params: map[string]Value{}}
	if end == len(c.text) {
		return s, nil
	}
	if end > 0 && unicode.IsSpace(c.text[end-1]) {
		return nil, fault(c.at(0), "write "+s.name+"[...] without the blank", "blank between the name %q and its [...]", s.name)
	}
	r := specReader{c: c, i: end, spec: s}
	for r.i < len(c.text) {
		if err := r.group(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

type specReader struct {
	c    chars
	i    int
	spec *spec
}

func (r *specReader) skip() {
	for r.i < len(r.c.text) && unicode.IsSpace(r.c.text[r.i]) {
		r.i++
	}
}

func (r *specReader) peek() rune {
	if r.i < len(r.c.text) {
		return r.c.text[r.i]
	}
	return 0
}

func (r *specReader) fail(format string, args ...any) *Problem {
	hint := `write NAME[key=value, key="value with , or ]"]`
	if strings.Contains(string(r.c.text[min(r.i, len(r.c.text)):]), "#") {
		hint = "put the # comment on a line of its own; behind a value it is part of the value"
	}
	return fault(r.c.at(r.i), hint, format, args...)
}

// group reads one [key=value, ...].
func (r *specReader) group() *Problem {
	if r.peek() != '[' {
		return r.fail("text %s behind the parameters of %q", quote(string(r.c.text[r.i:])), r.spec.name)
	}
	r.i++
	for {
		r.skip()
		switch r.peek() {
		case ']':
			r.i++
			r.skip()
			return nil
		case ',':
			r.i++
			continue
		case 0:
			return r.fail("the [ behind %q is not closed by ]", r.spec.name)
		}
		if err := r.param(); err != nil {
			return err
		}
	}
}

func (r *specReader) param() *Problem {
	from := r.i
	for r.peek() != 0 && !strings.ContainsRune("=,]", r.peek()) {
		r.i++
		if r.peek() == '?' { // key?cond=value=…: the first = belongs to the condition
			for r.peek() != 0 && !strings.ContainsRune("=,]", r.peek()) {
				r.i++
			}
			if r.peek() == '=' {
				r.i++
			}
		}
	}
	key := strings.TrimSpace(string(r.c.text[from:r.i]))
	if r.peek() != '=' || !paramKey().MatchString(key) {
		r.i = from
		return r.fail("parameter %s of %q is not key=value", quote(key), r.spec.name)
	}
	r.i++
	r.skip()
	v, err := r.value()
	if err != nil {
		return err
	}
	r.spec.set(key, v)
	return nil
}

func (r *specReader) value() (Value, *Problem) {
	from := r.i
	if from < len(r.c.text) {
		if end := r.c.quoteEnd(from); end > 0 {
			return r.quoted(end)
		}
	}
	for r.peek() != 0 && r.peek() != ',' && r.peek() != ']' {
		r.i++
	}
	return r.c.value(from, r.i).trimmed(), nil
}

func (r *specReader) quoted(end int) (Value, *Problem) {
	v := r.c.value(r.i+1, end)
	r.i = end + 1
	r.skip()
	if n := r.peek(); n != ',' && n != ']' {
		return Value{}, r.fail("text %s behind a closed quote of %q", quote(string(r.c.text[r.i:])), r.spec.name)
	}
	return v, nil
}
