package pattern

// flag is a set of Python's inline flags.
type flag uint8

const (
	flagI flag = 1 << iota // IGNORECASE
	flagL                  // LOCALE, refused for text patterns
	flagM                  // MULTILINE
	flagS                  // DOTALL
	flagX                  // VERBOSE
	flagA                  // ASCII
	flagU                  // UNICODE
	flagT                  // TEMPLATE, accepted by Python 3.11 at the start, without effect here
)

// typeFlags exclude each other.
const typeFlags = flagA | flagU | flagL

type nodeOp uint8

const (
	nSeq nodeOp = iota
	nAlt
	nLit    // r
	nAny    // .
	nSet    // set
	nAssert // assert
	nGroup  // group (-1: not capturing), subs[0]
	nRepeat // min, max (-1: no limit), mode, subs[0]
	nLook   // neg, behind, subs[0]
	nAtomic // subs[0]
	nRef    // group
	nCond   // group, subs[0], subs[1] (may be missing)
)

type repeatMode uint8

const (
	greedy repeatMode = iota
	lazy
	possessive
)

// assertion is a zero-width test of position.
type assertion uint8

const (
	atBegin   assertion = iota // ^
	atEnd                      // $
	atStart                    // \A
	atStop                     // \Z
	atWord                     // \b
	atNotWord                  // \B
)

// node is one piece of a parsed expression. Flags are those in force where it stands.
type node struct {
	op       nodeOp
	flags    flag
	assert   assertion
	mode     repeatMode
	neg      bool
	behind   bool
	r        rune
	group    int
	min, max int
	set      []item
	subs     []*node
	lo, hi   uint64 // width in code points, see measure
	at       int    // where it begins in the expression, in code points; see Furthest
}

// maxRepeat is Python's MAXREPEAT: widths saturate there, and it stands for "no limit".
const maxRepeat = 1<<32 - 1

// measure computes how many code points n can match, as Python's getwidth does. The groups'
// widths are needed for backreferences; a look-around has none.
func (n *node) measure(groups []groupInfo) {
	var lo, hi uint64
	switch n.op {
	case nLit, nAny, nSet:
		lo, hi = 1, 1
	case nSeq:
		for _, s := range n.subs {
			lo, hi = lo+s.lo, hi+s.hi
		}
	case nAlt:
		lo, hi = n.subs[0].lo, n.subs[0].hi
		for _, s := range n.subs[1:] {
			lo, hi = min(lo, s.lo), max(hi, s.hi)
		}
	case nGroup, nAtomic:
		lo, hi = n.subs[0].lo, n.subs[0].hi
	case nRepeat:
		most := uint64(maxRepeat)
		if n.max >= 0 {
			most = uint64(n.max)
		}
		lo, hi = n.subs[0].lo*uint64(n.min), n.subs[0].hi*most
	case nRef:
		lo, hi = groups[n.group].lo, groups[n.group].hi
	case nCond:
		lo, hi = n.subs[0].lo, n.subs[0].hi
		if len(n.subs) > 1 {
			lo, hi = min(lo, n.subs[1].lo), max(hi, n.subs[1].hi)
		} else {
			lo = 0
		}
	}
	n.lo, n.hi = min(lo, maxRepeat-1), min(hi, maxRepeat)
}

// single reports whether n always matches exactly one code point and nothing else, and gives
// the node that does. Groups that only group are looked through.
func (n *node) single() (*node, bool) {
	for {
		switch n.op {
		case nLit, nAny, nSet:
			return n, true
		case nGroup:
			if n.group >= 0 {
				return nil, false
			}
		case nSeq:
			if len(n.subs) != 1 {
				return nil, false
			}
		default:
			return nil, false
		}
		n = n.subs[0]
	}
}
