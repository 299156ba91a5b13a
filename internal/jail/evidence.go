package jail

import (
	"encoding/binary"

	"gaol/internal/event"
)

// newest returns the last lines of matches: at most count lines and at most size bytes, whole
// lines only.
func newest(matches []string, count, size int) []string {
	from := len(matches)
	for from > 0 && len(matches)-from < count {
		size -= len(matches[from-1])
		if size < 0 {
			break
		}
		from--
	}
	if from == len(matches) {
		return nil
	}
	kept := make([]string, len(matches)-from) // a new array, so that old lines can be freed
	copy(kept, matches[from:])
	return kept
}

// bounded returns fields, or none of them where they hold more than size bytes.
func bounded(fields event.Fields, size int) event.Fields {
	if sizeOf(nil, fields) > size {
		return nil
	}
	return fields
}

func sizeOf(matches []string, fields event.Fields) int {
	n := 0
	for _, m := range matches {
		n += len(m)
	}
	for _, f := range fields {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

// traces are what failures left: as one text, each part with its length before it, they are one
// allocation instead of one for each line and each list of groups.
type traces struct {
	ip      string
	matches []string
	fields  event.Fields
}

// sameIP stands for an address that is the id, which most are.
const sameIP = "="

func (e traces) pack(id string) string {
	if e.ip == id {
		e.ip = sameIP
	}
	size := 3*binary.MaxVarintLen32 + len(e.ip) + sizeOf(e.matches, e.fields) + binary.MaxVarintLen32*(len(e.matches)+2*len(e.fields))
	buf := make([]byte, 0, size)
	put := func(part string) {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	put(e.ip)
	buf = binary.AppendUvarint(buf, uint64(len(e.matches)))
	for _, m := range e.matches {
		put(m)
	}
	buf = binary.AppendUvarint(buf, uint64(len(e.fields)))
	for _, f := range e.fields {
		put(f.Name)
		put(f.Value)
	}
	return string(buf)
}

// unpackEvidence reads what pack wrote; the parts share its memory.
func unpackEvidence(text string) (e traces) {
	number := func() int {
		n, shift := 0, 0
		for i := range len(text) {
			n |= int(text[i]&0x7f) << shift
			if text[i] < 0x80 {
				text = text[i+1:]
				break
			}
			shift += 7
		}
		return n
	}
	get := func() (part string) {
		n := number()
		part, text = text[:n], text[n:]
		return part
	}
	e.ip = get()
	if n := number(); n > 0 {
		e.matches = make([]string, 0, n+1)
		for range n {
			e.matches = append(e.matches, get())
		}
	}
	if n := number(); n > 0 {
		e.fields = make(event.Fields, n)
		for i := range e.fields {
			e.fields[i] = event.Field{Name: get(), Value: get()}
		}
	}
	return e
}

// origins are the regexes and logs that failures come from, each pair once: a tally names one by
// its number.
type origins struct {
	all    []origin
	number map[origin]uint32
}

type origin struct{ regex, source string }

func (os *origins) of(regex, source string) uint32 {
	o := origin{regex, source}
	n, ok := os.number[o]
	if !ok {
		if os.number == nil {
			os.number = map[origin]uint32{}
		}
		n = uint32(len(os.all))
		os.all, os.number[o] = append(os.all, o), n
	}
	return n
}
