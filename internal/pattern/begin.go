package pattern

import "unicode/utf8"

// Begin says what texts an expression can match from their start on.
type Begin struct {
	Anchored bool // it matches nowhere else
	bytes    firstSet
}

// Has reports whether a match can begin with the byte.
func (b *Begin) Has(c byte) bool { return b.bytes.has(c) }

// Begin gives what is known about the start of a match.
func (re *Regexp) Begin() *Begin { return &re.begin }

func beginOf(tree *node) (b Begin) {
	var empty bool
	b.Anchored = tree.anchored()
	if b.bytes, empty = tree.begin(); empty {
		b.bytes = anything()
	}
	return b
}

// anchored reports whether n begins with ^ or \A in each of its ways.
func (n *node) anchored() bool {
	switch n.op {
	case nAssert:
		return n.assertion() == atStart
	case nGroup, nAtomic:
		return n.subs[0].anchored()
	case nSeq:
		return len(n.subs) > 0 && n.subs[0].anchored()
	case nAlt:
		for _, s := range n.subs {
			if !s.anchored() {
				return false
			}
		}
		return true
	}
	return false
}

// begin is what the texts that n matches begin with, and whether they can be empty.
func (n *node) begin() (f firstSet, empty bool) {
	switch n.op {
	case nLit, nAny, nSet:
		if n.plain() {
			f.add(string(n.r)[0])
			return f, false
		}
		return setOf(n).first, false
	case nAssert, nLook:
		return f, true
	case nGroup, nAtomic:
		return n.subs[0].begin()
	case nRepeat:
		f, empty = n.subs[0].begin()
		return f, empty || n.min == 0
	case nSeq:
		empty = true
		for i := 0; empty && i < len(n.subs); i++ {
			var g firstSet
			g, empty = n.subs[i].begin()
			f.or(&g)
		}
		return f, empty
	case nAlt, nCond:
		empty = n.op == nCond && len(n.subs) == 1
		for _, s := range n.subs {
			g, e := s.begin()
			f.or(&g)
			empty = empty || e
		}
		return f, empty
	}
	return anything(), true
}

// Few reports whether only few bytes can begin a match, so that it is worth while to look at them.
func (b *Begin) Few() bool {
	const few = 16
	n := 0
	for c := range utf8.RuneSelf {
		if b.Has(byte(c)) {
			n++
		}
	}
	return n <= few
}
