package filter

import (
	"slices"
	"strings"
)

// Field is one named group of a match.
type Field struct {
	Name  string
	Value string
	Set   bool // false: the group took no part in the match (Python's None)
}

// Fields are the named groups of a match, in the order of the expressions.
type Fields []Field

// Get returns the value of a name; "" where it is not there or not set.
func (d Fields) Get(name string) string {
	for i := range d {
		if d[i].Name == name {
			return d[i].Value
		}
	}
	return ""
}

// put sets a value.
func (d *Fields) put(name, value string) {
	for i := range *d {
		if (*d)[i].Name == name {
			(*d)[i].Value, (*d)[i].Set = value, true
			return
		}
	}
	*d = append(*d, Field{Name: name, Value: value, Set: true})
}

// drop removes a name.
func (d *Fields) drop(name string) {
	*d = slices.DeleteFunc(*d, func(f Field) bool { return f.Name == name })
}

// overlay puts the other's set values over these; unset ones only fill what is missing.
func (d *Fields) overlay(other Fields) {
	for _, f := range other {
		if f.Set {
			d.put(f.Name, f.Value)
		} else if !slices.ContainsFunc(*d, func(g Field) bool { return g.Name == f.Name }) {
			*d = append(*d, f)
		}
	}
}

// update puts the other's set values over these.
func (d *Fields) update(other Fields) {
	for _, f := range other {
		if f.Set {
			d.put(f.Name, strings.Clone(f.Value))
		}
	}
}

// Clone copies the fields and their text, which lies in a buffer that is reused.
func (d Fields) Clone() Fields {
	size := 0
	for _, f := range d {
		size += len(f.Value)
	}
	var b strings.Builder
	b.Grow(size)
	for _, f := range d {
		b.WriteString(f.Value)
	}
	c, text := make(Fields, len(d), len(d)+1), b.String()
	for i, f := range d {
		c[i] = Field{Name: f.Name, Value: text[:len(f.Value)], Set: f.Set}
		text = text[len(f.Value):]
	}
	return c
}

// toMap is the fields as a Failure carries them: those that are set.
func (d Fields) toMap() map[string]string {
	m := make(map[string]string, len(d))
	for _, f := range d {
		if f.Set {
			m[f.Name] = f.Value
		}
	}
	return m
}

// capture appends the named groups of a match.
func (r *rule) capture(d Fields, text string, spans []int32) Fields {
	for _, g := range r.groups {
		f := Field{Name: g.name}
		if from := spans[2*g.at]; from >= 0 {
			f.Value, f.Set = text[from:spans[2*g.at+1]], true
		}
		d = append(d, f)
	}
	return d
}

// alternates fills X from alt_X, alt_X1, alt_X_2 … where X is empty: the first that is not empty,
// by name; and makes a tuple of X and the tuple_X… in the same way (§2.3).
func (d *Fields) alternates() {
	var names []string
	for _, f := range *d {
		if f.Set && (strings.HasPrefix(f.Name, "alt_") || strings.HasPrefix(f.Name, "tuple_")) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	tuples := map[string][]string{}
	for _, name := range names {
		value := d.Get(name)
		if rest, ok := strings.CutPrefix(name, "tuple_"); ok {
			tuples[base(rest)] = append(tuples[base(rest)], value)
			continue
		}
		if to := base(strings.TrimPrefix(name, "alt_")); value != "" && d.Get(to) == "" {
			d.put(to, value)
		}
	}
	for _, to := range sortedKeys(tuples) {
		d.put(to, tuple(d.Get(to), tuples[to]))
	}
}

// base is the name an alternate stands for: its number is cut off, id means fid.
func base(name string) string {
	name = strings.TrimSuffix(strings.TrimRight(name, "0123456789"), "_")
	if name == "id" {
		return "fid"
	}
	return name
}

// tuple writes values as Python shows a tuple, since that is the ban id then.
func tuple(first string, rest []string) string {
	var b strings.Builder
	b.WriteByte('(')
	if first == "" {
		b.WriteString("None")
	} else {
		b.WriteString(Repr(first))
	}
	for _, v := range rest {
		b.WriteString(", ")
		b.WriteString(Repr(v))
	}
	b.WriteByte(')')
	return b.String()
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
