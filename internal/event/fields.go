package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Field is one named group of a match, its name in lower case.
type Field struct{ Name, Value string }

// Fields are the named groups of a match, sorted by name, each name once. In JSON they are an
// object. A slice takes a tenth of the memory of a map, and there is one for each offender.
type Fields []Field

// FieldsOf sorts what a map holds; nil for an empty one.
func FieldsOf(m map[string]string) Fields {
	if len(m) == 0 {
		return nil
	}
	f := make(Fields, 0, len(m))
	for name, value := range m {
		f = append(f, Field{name, value})
	}
	slices.SortFunc(f, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// Get is the value of a name; "" where there is none.
func (f Fields) Get(name string) string {
	if i, ok := f.find(name); ok {
		return f[i].Value
	}
	return ""
}

// Set gives a name a value, in place of the one it has.
func (f *Fields) Set(name, value string) {
	i, ok := f.find(name)
	if ok {
		(*f)[i].Value = value
		return
	}
	*f = slices.Insert(*f, i, Field{name, value})
}

func (f Fields) find(name string) (int, bool) {
	return slices.BinarySearchFunc(f, name, func(f Field, name string) int { return strings.Compare(f.Name, name) })
}

// MarshalJSON writes an object, as of a map. "<" stays "<" unless the encoder around escapes it.
func (f Fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	sep := byte('{')
	for _, field := range f {
		for i, text := range []string{field.Name, field.Value} {
			out.WriteByte([]byte{sep, ':'}[i])
			if err := enc.Encode(text); err != nil {
				return nil, err
			}
			out.Truncate(out.Len() - 1) // the newline
		}
		sep = ','
	}
	if len(f) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object of texts.
func (f *Fields) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*f = FieldsOf(m)
	return nil
}
