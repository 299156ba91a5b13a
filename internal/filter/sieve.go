package filter

import (
	"slices"
	"strings"

	"gaol/internal/pattern"
)

const (
	// fewTexts is how many texts are faster looked for one by one, as the processor compares 32
	// bytes at a time, than all of them in one pass.
	fewTexts = 4
	// fewAlso is how many texts a further set may have. Fewer literals than that are not worth
	// a second look.
	fewAlso = 4
)

// sieve says which failregexes can match a text: those whose literals are in it. Most lines of
// most logs end here.
type sieve struct {
	gate    []string // where that is not nil: a text without any of them matches none
	scanner *pattern.Scanner
	also    [][][]string // by failregex: further sets, of each of which one text must be there
}

func newSieve(rules []*rule) *sieve {
	s := &sieve{also: make([][][]string, len(rules))}
	literals := make([][]string, len(rules))
	open := false // a failregex without literals
	for i, r := range rules {
		literals[i] = r.re.Literals()
		best := literals[i]
		for _, set := range r.re.Also() {
			if len(set) > fewAlso {
				continue
			}
			if len(literals[i]) > fewAlso {
				s.also[i] = append(s.also[i], set)
			}
			if len(set) < len(best) {
				best = set
			}
		}
		open = open || len(best) == 0
		s.gate = append(s.gate, best...)
	}
	if open || len(s.gate) > fewTexts {
		s.gate = nil
	}
	s.scanner = pattern.NewScanner(literals)
	return s
}

// sift sets hit[i] to whether failregex i can match the text or a part of it, and reports
// whether any can.
func (s *sieve) sift(text string, hit []bool) bool {
	if s.gate != nil && !containsAny(text, s.gate) {
		clear(hit)
		return false
	}
	s.scanner.Scan(text, hit)
	any := false
	for i := range hit {
		if hit[i] {
			hit[i] = !slices.ContainsFunc(s.also[i], func(set []string) bool { return !containsAny(text, set) })
			any = any || hit[i]
		}
	}
	return any
}

func containsAny(text string, set []string) bool {
	for _, lit := range set {
		if strings.Contains(text, lit) {
			return true
		}
	}
	return false
}
