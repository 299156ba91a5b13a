package config

import (
	"regexp"
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
// which is where fail2ban starts the next action (§1.4).
func splitActions(v Value) []Value {
	c := runes(v)
	var out []Value
	start, depth, quoted := -1, 0, rune(0)
	for i, r := range c.text {
		switch {
		case quoted != 0:
			if r == quoted {
				quoted = 0
			}
		case depth > 0 && (r == '"' || r == '\''):
			quoted = r
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		}
		blank := unicode.IsSpace(r) && depth == 0
		if blank && start >= 0 {
			out = append(out, c.value(start, i))
			start = -1
		}
		if !blank && start < 0 {
			start = i
		}
	}
	if start >= 0 {
		out = append(out, c.value(start, len(c.text)))
	}
	return out
}

var paramKey = regexp.MustCompile(`^[\w.-]+(\?[\w.-]+=[\w.-]+)?$`)

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
	if r.peek() != '=' || !paramKey.MatchString(key) {
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
	if q := r.peek(); q == '"' || q == '\'' {
		return r.quoted(q)
	}
	from := r.i
	for r.peek() != 0 && r.peek() != ',' && r.peek() != ']' {
		r.i++
	}
	return r.c.value(from, r.i).trimmed(), nil
}

func (r *specReader) quoted(q rune) (Value, *Problem) {
	from := r.i + 1
	for r.i++; r.peek() != q; r.i++ {
		if r.i >= len(r.c.text) {
			return Value{}, fault(r.c.at(from), "write the closing "+string(q), "quote %c of a parameter of %q is not closed", q, r.spec.name)
		}
	}
	v := r.c.value(from, r.i)
	r.i++
	r.skip()
	if n := r.peek(); n != ',' && n != ']' {
		return Value{}, r.fail("text %s behind a closed quote of %q", quote(string(r.c.text[r.i:])), r.spec.name)
	}
	return v, nil
}
