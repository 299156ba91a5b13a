package config

import (
	"strings"
)

// parts is a filter or action file with the parameters of one jail: what %(...)s and <tags>
// of its [Definition] see (§1.5).
type parts struct {
	doc    *doc
	params map[string]Value // case-sensitive, as the jail wrote them
	lent   map[string]Value // lower case: parameters and the jail's words, which hide keys of [Definition]
	vars   map[string]Value // the same, with [Init] under them where %(...)s sees it
	skip   func(tag string) bool
}

const (
	definition = "Definition"
	initial    = "Init"
)

// newParts prepares a file. withInit makes %(x)s see [Init], which only filters loaded by a
// jail do (§1.5, quirk).
func newParts(d *doc, params map[string]Value, withInit bool) *parts {
	p := &parts{doc: d, params: params, lent: map[string]Value{}, vars: map[string]Value{}}
	if s := d.sections[initial]; s != nil && withInit {
		for key, v := range s.keys {
			p.vars[key] = v
		}
	}
	for key, v := range params {
		p.lent[strings.ToLower(key)] = v
		p.vars[strings.ToLower(key)] = v
	}
	return p
}

// lend adds names that the file's own keys do not hide, but parameters do.
func (p *parts) lend(words map[string]Value) {
	for key, v := range words {
		if _, ok := p.vars[key]; !ok {
			p.lent[key], p.vars[key] = v, v
		}
	}
}

// has says whether key is the file's own or a parameter, which [DEFAULT] is not.
func (p *parts) has(key string) bool {
	if _, ok := p.params[key]; ok {
		return true
	}
	for _, name := range []string{definition, initial} {
		if s := p.doc.sections[name]; s != nil {
			if _, ok := s.keys[key]; ok {
				return true
			}
		}
	}
	return false
}

// within is the lookup of %(...)s for text that stands in the named section.
func (p *parts) within(name string) lookup {
	return func(ref string) (Value, bool) {
		if v, ok := p.vars[ref]; ok {
			return v, true
		}
		return p.doc.ref(name, ref)
	}
}

// own reads a key of [Definition] or [DEFAULT], interpolated but with its tags.
func (p *parts) own(key string) (Value, bool, error) {
	raw, ok := p.lent[key]
	if !ok {
		raw, ok = p.doc.raw(definition, key)
	}
	if !ok {
		return Value{}, false, nil
	}
	v, err := interpolate(raw, p.within(definition))
	return v, err == nil, err
}

// init reads a key of [Init], which sees no parameters.
func (p *parts) init(key string) (Value, bool, error) {
	s := p.doc.sections[initial]
	if s == nil {
		return Value{}, false, nil
	}
	raw, ok := s.keys[key]
	return p.plain(raw, ok, initial)
}

// plain interpolates text of a section that does not see the parameters.
func (p *parts) plain(raw Value, ok bool, sect string) (Value, bool, error) {
	if !ok {
		return Value{}, false, nil
	}
	v, err := interpolate(raw, func(ref string) (Value, bool) { return p.doc.ref(sect, ref) })
	return v, err == nil, err
}

// tag resolves <tag>: parameters, [Init], known/key, section/key, [Definition], [DEFAULT].
// What is none of these stays for the regex or for run time.
func (p *parts) tag(tag string) (Value, bool, error) {
	if p.skip != nil && p.skip(tag) {
		return Value{}, false, nil
	}
	sect, key, split := cutRef(tag)
	switch {
	case split && sect == "known":
		if v, ok, err := p.init(key); ok || err != nil {
			return v, ok, err
		}
		raw, ok := p.doc.ref(definition, "known/"+key)
		if !ok {
			raw, ok = p.doc.raw(definition, key)
		}
		return p.plain(raw, ok, definition)
	case split:
		if p.doc.sections[sect] == nil && !strings.EqualFold(sect, defaultSection) {
			return Value{}, false, nil
		}
		raw, ok := p.doc.raw(sect, key)
		return p.plain(raw, ok, sect)
	}
	if v, ok, err := p.given(tag); ok || err != nil {
		return v, ok, err
	}
	return p.own(strings.ToLower(tag))
}

// given is the value of key in the parameters or in [Init].
func (p *parts) given(key string) (Value, bool, error) {
	if v, ok := p.params[key]; ok {
		return v, true, nil
	}
	return p.init(key)
}

// option reads an option of the file, from wherever it is set, with %(...)s and <tags> replaced.
func (p *parts) option(key string) (Value, bool, error) {
	v, ok, err := p.given(key)
	if !ok && err == nil {
		v, ok, err = p.own(key)
	}
	if !ok || err != nil {
		return v, ok, err
	}
	v, err = substitute(v, key, p.tag)
	return v, err == nil, err
}
