package filter

import (
	"slices"
	"sync"

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
	gate    []pattern.Finder        // where that is not nil: a text without any of them matches none
	scanner func() *pattern.Scanner // made when it is needed: with heads it mostly is not
	also    [][][]pattern.Finder    // by failregex: further sets, of each of which one text must be there
}

func newSieve(rules []*rule) *sieve {
	s := &sieve{also: make([][][]pattern.Finder, len(rules))}
	literals := make([][]string, len(rules))
	var gate []string
	open := false // a failregex without literals
	for i, r := range rules {
		literals[i] = r.re.Literals()
		best := literals[i]
		for _, set := range r.re.Also() {
			if len(set) > fewAlso {
				continue
			}
			if len(literals[i]) > fewAlso {
				s.also[i] = append(s.also[i], finders(set))
			}
			if len(set) < len(best) {
				best = set
			}
		}
		open = open || len(best) == 0
		gate = append(gate, best...)
	}
	if !open && len(gate) <= fewTexts {
		s.gate = finders(gate)
	}
	s.scanner = sync.OnceValue(func() *pattern.Scanner { return pattern.NewScanner(literals) })
	return s
}

// sift sets hit[i] to whether failregex i can match the text or a part of it, and reports
// whether any can.
func (s *sieve) sift(text string, hit []bool) bool {
	if s.gate != nil && !containsAny(text, s.gate) {
		clear(hit)
		return false
	}
	s.scanner().Scan(text, hit)
	any := false
	for i := range hit {
		if hit[i] {
			hit[i] = !slices.ContainsFunc(s.also[i], func(set []pattern.Finder) bool { return !containsAny(text, set) })
			any = any || hit[i]
		}
	}
	return any
}

func finders(texts []string) []pattern.Finder {
	list := make([]pattern.Finder, 0, len(texts))
	for _, t := range texts {
		list = append(list, pattern.NewFinder(t))
	}
	return list
}

func containsAny(text string, set []pattern.Finder) bool {
	for i := range set {
		if set[i].In(text) {
			return true
		}
	}
	return false
}
