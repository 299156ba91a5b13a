package filter

import (
	"unsafe"

	"gaol/internal/event"
	"gaol/internal/pattern"
)

// Set says, in one pass over a line, which of many programs can match it at all, so that a line
// costs fifty jails what it costs one. Not for concurrent use.
type Set struct {
	scanner *pattern.Scanner
	buf     []byte
	hit     []bool
}

// NewSet makes one for the programs. Those whose failregexes may span several lines, and those
// with a failregex that no literal is known of, have to see each line.
func NewSet(programs []*Program) *Set {
	literals := make([][]string, len(programs))
	for i, p := range programs {
		literals[i] = p.literals()
	}
	return &Set{scanner: pattern.NewScanner(literals), hit: make([]bool, len(programs))}
}

// Candidates tells of each program whether it can match the entry: Feed with any other does
// nothing. The slice is valid until the next call.
func (s *Set) Candidates(e *event.Entry) []bool {
	// The text that is searched exists only behind the cut: the seam may hold a literal.
	s.buf = append(append(append(s.buf[:0], e.Before...), e.After...), '\n')
	s.scanner.Scan(unsafe.String(unsafe.SliceData(s.buf), len(s.buf)), s.hit)
	return s.hit
}

// literals are texts of which each line that the program can match has one; nil: it must see
// every line.
func (p *Program) literals() (all []string) {
	if p.MaxLines > 1 {
		return nil
	}
	for _, r := range p.fail {
		best := r.re.Literals()
		for _, set := range r.re.Also() {
			if len(best) == 0 || len(set) > 0 && len(set) < len(best) {
				best = set
			}
		}
		if len(best) == 0 {
			return nil
		}
		all = append(all, best...)
	}
	return all
}
