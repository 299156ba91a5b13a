package config

import (
	"slices"
	"strings"
)

// maxDepth is how deep %(...)s may nest before fail2ban (Python's ConfigParser) gives up.
const maxDepth = 10

// lookup resolves the name of a reference to its raw text. Names come in lower case: sections
// with a capital letter cannot be reached by %(section/key)s (§1.3).
type lookup func(name string) (Value, bool)

// maxRefs is how many references one value may resolve in all: ten keys that each name the next
// one ten times would otherwise keep gaol busy for years.
const maxRefs = 10000

// expander is one interpolation.
type expander struct {
	get  lookup
	refs int
}

// interpolate replaces %(name)s by the interpolated text of name and %% by % (§1.3). The error
// names the line the bad reference stands in, which may be another file's.
func interpolate(v Value, get lookup) (Value, error) {
	e := expander{get: get}
	return e.value(v, nil)
}

func (e *expander) value(v Value, via []string) (Value, error) {
	w := weave{}
	for _, l := range v.Lines {
		w.newline(l.Pos)
		if err := e.line(&w, l, via); err != nil {
			return Value{}, err
		}
	}
	return Value{w.lines}, nil
}

func (e *expander) line(w *weave, l Line, via []string) error {
	rest := l.Text
	for {
		before, after, found := strings.Cut(rest, "%")
		w.add(before)
		if !found {
			return nil
		}
		if tail, ok := strings.CutPrefix(after, "%"); ok {
			w.add("%")
			rest = tail
			continue
		}
		end := strings.Index(after, ")s")
		if !strings.HasPrefix(after, "(") || end < 2 || strings.Contains(after[:end], ")") {
			return fault(l.Pos, "write %% for a percent sign, %(name)s for the value of name",
				"stray %% in %s; a %% is followed by %%%% or by (name)s", quote(l.Text))
		}
		if err := e.ref(w, l, strings.ToLower(after[1:end]), via); err != nil {
			return err
		}
		rest = after[end+2:]
	}
}

// ref splices in what name stands for; via is the names on the way to it.
func (e *expander) ref(w *weave, l Line, name string, via []string) error {
	chain := append(via[:len(via):len(via)], name)
	if e.refs++; len(via) >= maxDepth || e.refs > maxRefs {
		return tooDeep(l.Pos, chain)
	}
	raw, ok := e.get(name)
	if !ok {
		return noValue(l.Pos, name)
	}
	inner, err := e.value(raw, chain)
	if err != nil {
		return err
	}
	w.splice(inner, strings.EqualFold(strings.TrimSpace(l.Text), "%("+name+")s"))
	return nil
}

// tooDeep shows the circle once.
func tooDeep(at Pos, chain []string) error {
	if again := slices.Index(chain[1:], chain[0]); again >= 0 {
		chain = chain[:again+2]
	}
	return fault(at, "break the circle: one of these must not refer to another",
		"%%(%s)s refers to itself or nests deeper than %d: %s", chain[0], maxDepth, strings.Join(chain, " → "))
}

func noValue(at Pos, name string) error {
	sect, key, split := strings.Cut(name, "/")
	switch {
	case split && sect == "known":
		return fault(at, "write out what "+key+" says, or set "+key+" in this section too",
			"%%(%s)s has no value: known/ is what the same section overrides, and it does not set %q", name, key)
	case split:
		return fault(at, "define "+key+" in ["+sect+"]; a section with a capital letter cannot be named here",
			"%%(%s)s has no value: no key %q in [%s] or in [DEFAULT]", name, key, sect)
	}
	return fault(at, "define "+name+" in this section or in [DEFAULT], or write %% for a percent sign",
		"%%(%s)s has no value: no key %q in this section or in [DEFAULT]", name, name)
}
