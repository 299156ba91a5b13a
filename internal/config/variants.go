package config

import (
	"maps"
	"slices"
	"strings"
)

// Variant is a filter with another value of one of its parameters.
type Variant struct {
	Param, Value string
	Filter       FilterSpec
}

// chooser is a tag that a parameter completes: <mdre-<mode>> stands for mdre-normal, mdre-ddos...
var chooser = lazyRegexp(`<([\w.-]*)<(\w+)>([\w.-]*)>`)

// Variants reads a filter once more for each value that its parameters could have instead: those
// that the filter's files have options for, such as mode and publickey of sshd. Values under
// which it reads the same, or not at all, are left out.
func Variants(opts LoadOptions, f FilterSpec) (all []Variant) {
	r := newVarier(opts, f)
	if r == nil {
		return nil
	}
	choices := r.doc.choices()
	for _, param := range slices.Sorted(maps.Keys(choices)) {
		for _, value := range choices[param] {
			v, ok := r.with(param, value)
			if ok && !slices.ContainsFunc(all, func(known Variant) bool { return alike(known.Filter, v.Filter) }) {
				all = append(all, v)
			}
		}
	}
	return all
}

// With reads a filter with one parameter changed; false: it reads the same, or not at all.
func With(opts LoadOptions, f FilterSpec, param, value string) (Variant, bool) {
	r := newVarier(opts, f)
	if r == nil {
		return Variant{}, false
	}
	return r.with(param, value)
}

// varier reads one filter again and again.
type varier struct {
	loader *loader
	doc    *doc
	spec   FilterSpec
	name   string
}

func newVarier(opts LoadOptions, f FilterSpec) *varier {
	l := newLoader(opts)
	s := &spec{name: f.Name}
	d, err := l.filterFile(s)
	if err != nil {
		return nil
	}
	return &varier{loader: l, doc: d, spec: f, name: s.name}
}

func (r *varier) with(param, value string) (Variant, bool) {
	s := &spec{name: r.name, params: map[string]Value{}}
	for k, v := range r.spec.Params {
		s.params[k] = text(v, Pos{})
	}
	s.params[param] = text(value, Pos{})
	f, err := r.loader.filter(r.doc, s, "", true)
	if err != nil || alike(f.spec, r.spec) {
		return Variant{}, false
	}
	return Variant{Param: param, Value: value, Filter: f.spec}, true
}

// choices are the values that the document has options for, by parameter, in the order of names.
func (d *doc) choices() map[string][]string {
	values := map[string][]string{}
	keys := d.keys()
	for _, s := range append(d.all(), d.defaults) {
		for _, v := range s.keys {
			for _, m := range chooser().FindAllStringSubmatch(v.Text(), -1) {
				var fit []string
				for _, k := range keys {
					if len(k) > len(m[1])+len(m[3]) && strings.HasPrefix(k, m[1]) && strings.HasSuffix(k, m[3]) {
						fit = append(fit, k[len(m[1]):len(k)-len(m[3])])
					}
				}
				// A value has to fit all of its tags: mdre-ddos-other is of none of its own.
				if before, more := values[m[2]]; more {
					fit = slices.DeleteFunc(fit, func(v string) bool { return !slices.Contains(before, v) })
				}
				values[m[2]] = fit
			}
		}
	}
	return values
}

// keys are the names of all options, in order.
func (d *doc) keys() []string {
	all := map[string]bool{}
	for _, s := range append(d.all(), d.defaults) {
		for k := range s.keys {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// alike says whether two filters look for the same.
func alike(a, b FilterSpec) bool {
	same := func(a, b Rule) bool { return a.Expr == b.Expr }
	return same(a.Prefregex, b.Prefregex) && slices.EqualFunc(a.Failregex, b.Failregex, same) && slices.EqualFunc(a.Ignoreregex, b.Ignoreregex, same)
}
