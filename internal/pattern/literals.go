package pattern

import (
	"slices"
	"unicode/utf8"
)

const (
	// maxAlternatives is how many texts a set of literals may have: more are no filter.
	maxAlternatives = 32
	// goodLength is the length at which a literal is rare enough; longer ones are not better.
	goodLength = 8
)

// fact is what is known about the texts a node matches.
type fact struct {
	exact []string   // all of them; nil: too many
	need  []string   // each contains one of these; nil: nothing known
	also  [][]string // each contains one of each of these
}

// alsoLength is how long the texts of a further set must be at least, to be worth a look.
const alsoLength = 4

// mandatory gives a set of texts of which each match of n contains at least one, nil if none
// is known. Of several sets it takes the one whose shortest text is longest. also are the others.
func mandatory(n *node) (best []string, also [][]string) {
	f := n.fact()
	best = better(f.need, f.exact)
	for _, set := range f.also {
		same := func(old []string) bool { return slices.Equal(old, set) }
		if !same(best) && !slices.ContainsFunc(also, same) {
			also = append(also, set)
		}
	}
	return best, also
}

// better compares two sets; nil and sets with an empty text say nothing.
func better(a, b []string) []string {
	x, y := quality(a), quality(b)
	if y > x || y == x && y > 0 && len(b) < len(a) {
		return b
	}
	if x == 0 {
		return nil
	}
	return a
}

func quality(set []string) int {
	if len(set) == 0 {
		return 0
	}
	q := goodLength
	for _, s := range set {
		q = min(q, len(s))
	}
	return q
}

func (n *node) fact() fact {
	switch n.op {
	case nLit:
		if n.plain() {
			return fact{exact: []string{string(n.r)}}
		}
	case nAssert, nLook:
		return fact{exact: []string{""}}
	case nGroup, nAtomic:
		return n.subs[0].fact()
	case nSeq:
		return n.inRow()
	case nAlt:
		return n.anyOf(n.subs)
	case nCond:
		if len(n.subs) > 1 {
			return n.anyOf(n.subs)
		}
		return n.anyOf([]*node{n.subs[0], {op: nSeq}})
	case nRepeat:
		return n.repeated()
	case nSet:
		return fact{exact: n.members()}
	}
	return fact{}
}

// members lists a set that holds a few characters only.
func (n *node) members() []string {
	const few = 4
	var list []string
	if n.neg || n.flags&flagI != 0 {
		return nil
	}
	for _, it := range n.set {
		if it.cat != catNone || int(it.hi-it.lo)+len(list) >= few {
			return nil
		}
		for r := it.lo; r <= it.hi; r++ {
			if !utf8.ValidRune(r) {
				return nil
			}
			list = append(list, string(r))
		}
	}
	return list
}

// inRow joins what stands in a row: as long as all texts are known they are put together.
func (n *node) inRow() fact {
	const longEnough = 64 // joining goes one character at a time
	run := []string{""}
	var best []string
	var also [][]string
	consider := func(set []string) {
		best = better(best, set)
		if quality(set) >= alsoLength {
			also = append(also, set)
		}
	}
	exact := true
	for _, s := range n.subs {
		f := s.fact()
		if f.exact == nil { // else it is part of the run
			also = append(also, f.also...)
		}
		joined := join(run, f.exact)
		if joined == nil || len(run[0]) > longEnough {
			exact = false
			consider(run)
			run = []string{""}
			if f.exact != nil {
				run = f.exact
			}
		} else {
			run = joined
		}
		if f.exact == nil {
			consider(f.need)
		} else {
			best = better(best, f.need)
		}
	}
	consider(run)
	if exact {
		return fact{exact: run, need: best, also: also}
	}
	return fact{need: best, also: also}
}

// join gives every text of a followed by every one of b, nil if those are too many.
func join(a, b []string) []string {
	if b == nil || len(a)*len(b) > maxAlternatives {
		return nil
	}
	list := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			list = append(list, x+y)
		}
	}
	return list
}

func (n *node) anyOf(alts []*node) fact {
	var f fact
	exact, need := true, true
	for _, s := range alts {
		g := s.fact()
		exact = exact && g.exact != nil
		f.exact = append(f.exact, g.exact...)
		set := better(g.need, g.exact)
		need = need && set != nil
		f.need = append(f.need, set...)
	}
	if !exact || len(f.exact) > maxAlternatives {
		f.exact = nil
	}
	if !need || len(f.need) > maxAlternatives {
		f.need = nil
	}
	return f
}

func (n *node) repeated() fact {
	f := n.subs[0].fact()
	set := better(f.need, f.exact)
	switch {
	case n.min == 0 && n.max == 1 && f.exact != nil:
		return fact{exact: append([]string{""}, f.exact...)}
	case n.min == 0:
		return fact{}
	case n.min == 1 && n.max == 1:
		return f
	}
	return fact{need: set, also: f.also}
}
