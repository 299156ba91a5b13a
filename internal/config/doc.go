package config

import (
	"strings"
)

// doc is several files merged (§1.1).
type doc struct {
	files    []string
	defaults *section
	sections map[string]*section
	order    []string
}

func newDoc() *doc {
	return &doc{defaults: newSection(defaultSection, Pos{}), sections: map[string]*section{}}
}

// conditional is a section such as [Init?family=inet6], whose keys go into [Init] with the
// condition behind the name.
var conditional = lazyRegexp(`^(\w+)(\?.+)$`)

// add merges a file: later values win; what they override stays reachable as known/key.
func (d *doc) add(f *file) {
	d.files = append(d.files, f.name)
	for _, from := range f.sections {
		if from.name == "INCLUDES" {
			continue
		}
		into, suffix := d.target(from)
		for _, key := range from.order {
			name := key + suffix
			if old, ok := into.keys[name]; ok && into != d.defaults {
				into.known[name] = old
			}
			into.set(name, from.keys[key])
		}
		into.bad = append(into.bad, from.bad...)
	}
}

func (d *doc) target(from *section) (into *section, suffix string) {
	if from.name == defaultSection {
		return d.defaults, ""
	}
	name := from.name
	if m := conditional().FindStringSubmatch(name); m != nil {
		name, suffix = m[1], m[2]
	}
	if d.sections[name] == nil {
		d.sections[name] = newSection(name, from.pos)
		d.order = append(d.order, name)
	}
	return d.sections[name], suffix
}

// raw is the text of key in the named section, else in [DEFAULT].
func (d *doc) raw(name, key string) (Value, bool) {
	if s := d.sections[name]; s != nil {
		if v, ok := s.keys[key]; ok {
			return v, true
		}
	}
	v, ok := d.defaults.keys[key]
	return v, ok
}

// shadow is the text of key that a later file overrode.
func (d *doc) shadow(name, key string) (Value, bool) {
	s := d.sections[name]
	if s == nil {
		return Value{}, false
	}
	v, ok := s.known[key]
	return v, ok
}

// ref resolves the forms that any section knows: key, section/key, default/key, known/key
// (§1.3). self is the section that asks; key is lower case but for the section's name.
func (d *doc) ref(self, name string) (Value, bool) {
	sect, key, split := cutRef(name)
	switch {
	case !split && name == "__name__":
		return text(self, Pos{}), true
	case !split:
		return d.raw(self, strings.ToLower(name))
	case strings.EqualFold(sect, "default"):
		v, ok := d.defaults.keys[key]
		return v, ok
	case strings.EqualFold(sect, "known"):
		if v, ok := d.shadow(self, key); ok {
			return v, true
		}
		v, ok := d.defaults.keys[key]
		return v, ok
	default:
		return d.raw(sect, key)
	}
}

// cutRef splits section/key. Keys may hold slashes nowhere, so the first one decides.
func cutRef(name string) (sect, key string, ok bool) {
	sect, key, ok = strings.Cut(name, "/")
	return sect, strings.ToLower(key), ok
}

// tags is every <tag> that stands literally in the document.
func (d *doc) tags() map[string]bool {
	out := map[string]bool{}
	for _, s := range append(d.all(), d.defaults) {
		for _, v := range s.keys {
			for _, m := range tagForm().FindAllStringSubmatch(v.Text(), -1) {
				out[m[1]] = true
			}
		}
	}
	return out
}

// all is the document's sections in order, without [DEFAULT].
func (d *doc) all() []*section {
	var out []*section
	for _, n := range d.order {
		out = append(out, d.sections[n])
	}
	return out
}
