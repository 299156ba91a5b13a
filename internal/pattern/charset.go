package pattern

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// category is a class escape inside of an expression.
type category uint8

const (
	catNone category = iota
	catDigit
	catNotDigit
	catSpace
	catNotSpace
	catWord
	catNotWord
)

// item is one member of a set: a range of code points, or a category.
type item struct {
	lo, hi rune
	cat    category
}

func categoryOf(escape rune) (item, bool) {
	switch escape {
	case 'd':
		return item{cat: catDigit}, true
	case 'D':
		return item{cat: catNotDigit}, true
	case 's':
		return item{cat: catSpace}, true
	case 'S':
		return item{cat: catNotSpace}, true
	case 'w':
		return item{cat: catWord}, true
	case 'W':
		return item{cat: catNotWord}, true
	}
	return item{}, false
}

// The classes as Python's str methods have them: isdecimal, isspace (which is more than
// Unicode's White_Space: the separators 0x1c-0x1f too), isalnum or underscore.

func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func (c category) has(r rune, ascii bool) bool {
	known := !ascii || r < utf8.RuneSelf
	switch c {
	case catDigit, catNotDigit:
		return (known && unicode.IsDigit(r)) != (c == catNotDigit)
	case catSpace, catNotSpace:
		// Python's ASCII table of blanks lacks the separators.
		return (known && isSpace(r) && !(ascii && r >= 0x1c && r <= 0x1f)) != (c == catNotSpace)
	default:
		return (known && isWord(r)) != (c == catNotWord)
	}
}

// reach says what a set does with all code points above ASCII, where that is one answer.
type reach uint8

const (
	someHigh reach = iota
	allHigh
	noHigh
)

// charset is a set ready for matching. Immutable once made.
type charset struct {
	table [256]uint8 // by byte: 1 for members; above ASCII: 1 for allHigh
	high  reach
	stop  int      // the only byte that ends a run of the set; -1: there are more, or none
	first firstSet // what a member begins with
	items []item
	neg   bool
	fold  bool
	ascii bool
}

func newCharset(items []item, neg bool, f flag) *charset {
	c := &charset{items: items, neg: neg, fold: f&flagI != 0, ascii: f&flagA != 0, stop: -1}
	stops := 0
	for r := range rune(utf8.RuneSelf) {
		if c.has(r) {
			c.table[r] = 1
			continue
		}
		c.stop = int(r)
		stops++
	}
	c.high = noHigh
	if neg {
		c.high = allHigh
	}
	for _, it := range items {
		if it.cat != catNone || it.hi >= utf8.RuneSelf || c.fold && !c.ascii {
			c.high = someHigh
		}
	}
	if c.high == allHigh {
		for b := utf8.RuneSelf; b < len(c.table); b++ {
			c.table[b] = 1
		}
	}
	if stops != 1 || c.high != allHigh {
		c.stop = -1
	}
	for b, in := range c.table {
		if in != 0 || b >= utf8.RuneSelf && c.high != noHigh {
			c.first.add(byte(b))
		}
	}
	return c
}

// anyChar is the set of "." .
func anyChar(f flag) *charset {
	if f&flagS != 0 {
		return newCharset(nil, true, 0)
	}
	return newCharset([]item{{lo: '\n', hi: '\n'}}, true, 0)
}

// set gives the set of a node that matches one code point. Equal ones are made once: most of an
// expression's are the same few (<HOST> has \d seven times), and making them took longer than all
// else about compiling it.
func (c *compiler) set(n *node) *charset {
	key := setKey{op: n.op, flags: n.flags, r: n.r, neg: n.neg}
	if n.op == nSet {
		var b []byte
		for _, it := range n.set {
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(it.lo)), uint32(it.hi))
			b = append(b, byte(it.cat))
		}
		key.items = string(b)
	}
	s := c.sets[key]
	if s == nil {
		s = setOf(n)
		c.sets[key] = s
	}
	return s
}

type setKey struct {
	op    nodeOp
	flags flag
	r     rune
	neg   bool
	items string
}

func setOf(n *node) *charset {
	switch n.op {
	case nAny:
		return anyChar(n.flags)
	case nLit:
		return newCharset([]item{{lo: n.r, hi: n.r}}, false, n.flags)
	}
	return newCharset(n.set, n.neg, n.flags)
}

// has reports whether r belongs to the set. With IGNORECASE Python lowers the text's character
// and asks whether the set holds one that lowers to the same, or to an equivalent of it.
func (c *charset) has(r rune) bool {
	if !c.fold {
		return c.listed(r) != c.neg
	}
	low := lower(r, c.ascii)
	for _, x := range c.items {
		if x.cat != catNone && x.cat.has(low, c.ascii) {
			return !c.neg
		}
	}
	return caseVariants(low, c.ascii, c.inRanges) != c.neg
}

func (c *charset) listed(r rune) bool {
	for _, x := range c.items {
		if x.cat != catNone && x.cat.has(r, c.ascii) {
			return true
		}
	}
	return c.inRanges(r)
}

func (c *charset) inRanges(r rune) bool {
	for _, x := range c.items {
		if x.cat == catNone && x.lo <= r && r <= x.hi {
			return true
		}
	}
	return false
}

// width gives how many bytes of text at pos the set's one code point takes, 0: no match.
func (c *charset) width(text string, pos int) int {
	if pos < len(text) && text[pos] < utf8.RuneSelf {
		return int(c.table[text[pos]])
	}
	return c.highWidth(text, pos)
}

// highWidth is width above ASCII and at the end of the text.
func (c *charset) highWidth(text string, pos int) int {
	if pos >= len(text) || c.high == noHigh {
		return 0
	}
	r, w := utf8.DecodeRuneInString(text[pos:])
	if c.high == allHigh || c.has(r) {
		return w
	}
	return 0
}

// upTo is the end of at most n characters of the set from pos on; it stops at one that is not
// ASCII.
func (c *charset) upTo(text string, pos, n int) int {
	part := text[pos:]
	if len(part) > n {
		part = part[:n]
	}
	for i := range len(part) {
		if part[i] >= utf8.RuneSelf || c.table[part[i]] == 0 {
			return pos + i
		}
	}
	return pos + len(part)
}

// run gives where the run of the set's characters ends that begins at pos. Runs are most of what
// a search reads: "." and its like look for the one byte that ends them, the others are read
// byte by byte as long as these are ASCII.
func (c *charset) run(text string, pos int) int {
	if c.stop >= 0 {
		if n := strings.IndexByte(text[pos:], byte(c.stop)); n >= 0 {
			return pos + n
		}
		return len(text)
	}
	for {
		rest, n := text[pos:], 0
		for n < len(rest) && c.table[rest[n]] != 0 {
			n++
		}
		pos += n
		w := 0
		if n < len(rest) && rest[n] >= utf8.RuneSelf {
			w = c.highWidth(text, pos)
		}
		if w == 0 {
			return pos
		}
		pos += w
	}
}
