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
	key   key  // of Name
}

// key is a name that the filter itself asks for. Comparing names was a tenth of the time that a
// matching line takes.
type key uint8

const (
	keyOther key = iota
	keyContent
	keyMLFID
	keyUser
	keyUsers
	keyIP4
	keyIP6
	keyCIDR
	keyDNS
	keyFID
	keyNoFail
	keyGained
	keyForget
)

func keyOf(name string) key {
	switch name {
	case "content":
		return keyContent
	case "mlfid":
		return keyMLFID
	case "user":
		return keyUser
	case "users":
		return keyUsers
	case "ip4":
		return keyIP4
	case "ip6":
		return keyIP6
	case "cidr":
		return keyCIDR
	case "dns":
		return keyDNS
	case "fid":
		return keyFID
	case "nofail":
		return keyNoFail
	case "mlfgained":
		return keyGained
	case "mlfforget":
		return keyForget
	}
	return keyOther
}

// Fields are the named groups of a match, in the order of the expressions.
type Fields []Field

// Get returns the value of a name; "" where it is not there or not set.
func (d Fields) Get(name string) string {
	if i := d.index(keyOf(name), name); i >= 0 {
		return d[i].Value
	}
	return ""
}

func (d Fields) index(k key, name string) int {
	for i := range d {
		if d[i].key == k && (k != keyOther || d[i].Name == name) {
			return i
		}
	}
	return -1
}

// put sets a value.
func (d *Fields) put(name, value string) {
	k := keyOf(name)
	if i := d.index(k, name); i >= 0 {
		(*d)[i].Value, (*d)[i].Set = value, true
		return
	}
	*d = append(*d, Field{Name: name, Value: value, Set: true, key: k})
}

// drop removes one of the names that have a key.
func (d *Fields) drop(k key) {
	if i := d.index(k, ""); i >= 0 {
		*d = slices.Delete(*d, i, i+1)
	}
}

// told is what the filter asks of fields, read in one go.
type told struct {
	mlfid, user, ip4, ip6, cidr, dns, fid string
	nofail, gained, forget                bool
}

func (d Fields) told() (t told) {
	for i := range d {
		switch v := d[i].Value; d[i].key {
		case keyMLFID:
			t.mlfid = v
		case keyUser:
			t.user = v
		case keyIP4:
			t.ip4 = v
		case keyIP6:
			t.ip6 = v
		case keyCIDR:
			t.cidr = v
		case keyDNS:
			t.dns = v
		case keyFID:
			t.fid = v
		case keyNoFail:
			t.nofail = v != ""
		case keyGained:
			t.gained = v != ""
		case keyForget:
			t.forget = v != ""
		}
	}
	return t
}

// Clone copies the fields and their text, which lies in a buffer that is reused; the copy's text
// is one allocation.
func (d Fields) Clone() Fields {
	size := 0
	for i := range d {
		size += len(d[i].Value)
	}
	text := make(texts, 0, size)
	return d.appendTo(make(Fields, 0, len(d)), &text)
}

// appendTo appends copies of the fields to c, their text in t.
func (d Fields) appendTo(c Fields, t *texts) Fields {
	for _, f := range d {
		f.Value = t.keep(f.Value)
		c = append(c, f)
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
		f := Field{Name: g.name, key: g.key}
		if from := spans[2*g.at]; from >= 0 {
			f.Value, f.Set = text[from:spans[2*g.at+1]], true
		}
		switch i := d[:base].index(g.key, g.name); {
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
