package filter

import (
	"slices"
	"strings"

	"gaol/internal/event"
	"gaol/internal/pattern"
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
	if i := d.index(name); i >= 0 {
		return d[i].Value
	}
	return ""
}

func (d Fields) index(name string) int {
	for i := range d {
		if d[i].Name == name {
			return i
		}
	}
	return -1
}

// put sets a value.
func (d *Fields) put(name, value string) {
	if i := d.index(name); i >= 0 {
		(*d)[i].Value, (*d)[i].Set = value, true
		return
	}
	*d = append(*d, Field{Name: name, Value: value, Set: true})
}

// drop removes a name.
func (d *Fields) drop(name string) {
	if i := d.index(name); i >= 0 {
		*d = slices.Delete(*d, i, i+1)
	}
}

// update puts the other's set values over these. What a connection's lines repeat is not copied
// again: the address, the user, the connection itself.
func (d *Fields) update(other Fields) {
	for _, f := range other {
		if !f.Set {
			continue
		}
		if i := d.index(f.Name); i < 0 || !(*d)[i].Set || (*d)[i].Value != f.Value {
			d.put(f.Name, strings.Clone(f.Value))
		}
	}
}

// told is what the filter asks of fields, read in one go: asking for one after the other was a
// tenth of the time a matching line takes.
type told struct {
	mlfid, user, ip4, ip6, cidr, dns, fid string
	nofail, gained, forget                bool
}

func (d Fields) told() (t told) {
	for i := range d {
		switch v := d[i].Value; d[i].Name {
		case "mlfid":
			t.mlfid = v
		case "user":
			t.user = v
		case "ip4":
			t.ip4 = v
		case "ip6":
			t.ip6 = v
		case "cidr":
			t.cidr = v
		case "dns":
			t.dns = v
		case "fid":
			t.fid = v
		case "nofail":
			t.nofail = v != ""
		case "mlfgained":
			t.gained = v != ""
		case "mlfforget":
			t.forget = v != ""
		}
	}
	return t
}

// Clone copies the fields and their text, which lies in a buffer that is reused.
func (d Fields) Clone() Fields { return d.appendTo(make(Fields, 0, len(d))) }

// appendTo appends copies of the fields to c; their text is one allocation.
func (d Fields) appendTo(c Fields) Fields {
	size := 0
	for i := range d {
		size += len(d[i].Value)
	}
	var b strings.Builder
	b.Grow(size)
	for i := range d {
		b.WriteString(d[i].Value)
	}
	text := b.String()
	for _, f := range d {
		c = append(c, Field{Name: f.Name, Value: text[:len(f.Value)], Set: f.Set})
		text = text[len(f.Value):]
	}
	return c
}

// export copies the fields as a Failure carries them: those that are set, by name.
func (d Fields) export() event.Fields {
	size, n := 0, 0
	for i := range d {
		if d[i].Set {
			size, n = size+len(d[i].Value), n+1
		}
	}
	var b strings.Builder
	b.Grow(size)
	all := make(event.Fields, 0, n)
	for i := range d {
		if d[i].Set {
			b.WriteString(d[i].Value)
			all.Set(d[i].Name, b.String()[b.Len()-len(d[i].Value):])
		}
	}
	return all
}

// capture appends the named groups of a match. Its set values go over those of the first base
// fields, which are prefregex's; unset ones only fill what is missing there.
func (r *rule) capture(d Fields, base int, text string, spans []int32) Fields {
	for _, g := range r.groups {
		f := Field{Name: g.name}
		if from := spans[2*g.at]; from >= 0 {
			f.Value, f.Set = text[from:spans[2*g.at+1]], true
		}
		switch i := d[:base].index(g.name); {
		case i < 0:
			d = append(d, f)
		case f.Set:
			d[i] = f
		}
	}
	return d
}

// alternates fills X from alt_X, alt_X1, alt_X_2 … where X is empty: the first that is not empty,
// by name; and makes a tuple of X and the tuple_X… in the same way (§2.3).
func (d *Fields) alternates() {
	var few [4]string // pam's lines have one
	names := few[:0]
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
		b.WriteString(pattern.Repr(first))
	}
	for _, v := range rest {
		b.WriteString(", ")
		b.WriteString(pattern.Repr(v))
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
