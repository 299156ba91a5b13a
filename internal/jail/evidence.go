package jail

import "gaol/internal/event"

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
