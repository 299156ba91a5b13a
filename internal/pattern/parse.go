package pattern

import (
	"fmt"
	"math"
	"strings"
)

// maxNesting is how deep groups may nest. Python 3.11 gives up (RecursionError) at 496 with
// its default limit; a pattern must not be able to exhaust our stack either.
const maxNesting = 495

// maxGroups is Python's MAXGROUPS on 64 bit (sre_constants): larger group numbers are refused.
const maxGroups = math.MaxInt32 / 2

// token is one code point of the expression, or a backslash with the one behind it.
type token struct {
	r   rune
	esc bool
	ok  bool // false: the end
}

func (t token) is(r rune) bool { return t.ok && !t.esc && t.r == r }

func (t token) len() int {
	switch {
	case !t.ok:
		return 0
	case t.esc:
		return 2
	}
	return 1
}

func (t token) String() string {
	switch {
	case !t.ok:
		return ""
	case t.esc:
		return `\` + string(t.r)
	}
	return string(t.r)
}

type groupInfo struct {
	name   string
	closed bool
	lo, hi uint64
}

// parser reads an expression as Python's sre_parse does, one token ahead, so that errors come
// in the same order and at the same place.
type parser struct {
	expr  string
	src   []rune
	at    int // behind next
	next  token
	flags flag // global ones
	// groups[0] is the whole match.
	groups []groupInfo
	names  map[string]int
	// condPos is where a conditional by number first stood: the group may come later.
	condPos map[int]int
	// behind is the number of the first group inside the outermost look-behind, -1 outside.
	behind int
}

// parse gives the tree of expr. The only error it returns is a *SyntaxError.
func parse(expr string, initial flag) (n *node, p *parser, err error) {
	p = &parser{expr: expr, src: []rune(expr), flags: initial, behind: -1,
		groups: []groupInfo{{}}, names: map[string]int{}, condPos: map[int]int{}}
	// The descent is deep and every step can fail; a panic keeps each step to its rule.
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			n, err = nil, e
		}
	}()
	p.advance()
	n = p.alternatives(p.flags, 0)
	if p.next.ok {
		p.fail("unbalanced parenthesis", 0)
	}
	p.checkConditions()
	if p.flags&flagA != 0 && p.flags&flagU != 0 {
		p.failAt("ASCII and UNICODE flags are incompatible", -1)
	}
	return n, p, nil
}

func (p *parser) checkConditions() {
	first := -1
	for g := range p.condPos {
		if g >= len(p.groups) && (first < 0 || p.condPos[g] < p.condPos[first]) {
			first = g
		}
	}
	if first >= 0 {
		p.failAt(fmt.Sprintf("invalid group reference %d", first), p.condPos[first])
	}
}

// fail reports msg at offset code points in front of the next token.
func (p *parser) fail(msg string, offset int) { p.failAt(msg, p.tell()-offset) }

func (p *parser) failAt(msg string, pos int) {
	panic(&SyntaxError{Expr: p.expr, Pos: pos, Msg: msg})
}

func (p *parser) tell() int { return p.at - p.next.len() }

func (p *parser) seek(pos int) {
	p.at = pos
	p.advance()
}

// advance reads the next token.
func (p *parser) advance() {
	if p.at >= len(p.src) {
		p.next = token{}
		return
	}
	r := p.src[p.at]
	p.at++
	if r != '\\' {
		p.next = token{r: r, ok: true}
		return
	}
	if p.at >= len(p.src) {
		p.failAt("bad escape (end of pattern)", len(p.src)-1)
	}
	p.next = token{r: p.src[p.at], esc: true, ok: true}
	p.at++
}

func (p *parser) get() token {
	t := p.next
	p.advance()
	return t
}

func (p *parser) match(r rune) bool {
	if p.next.is(r) {
		p.advance()
		return true
	}
	return false
}

// nextIn reports whether the next token is a plain one of chars.
func (p *parser) nextIn(chars string) bool {
	return p.next.ok && !p.next.esc && strings.ContainsRune(chars, p.next.r)
}

// while reads at most n plain tokens out of chars.
func (p *parser) while(n int, chars string) string {
	var b strings.Builder
	for ; n > 0 && p.nextIn(chars); n-- {
		b.WriteRune(p.get().r)
	}
	return b.String()
}

// until reads up to the terminator, which it also takes; what names the thing in errors.
func (p *parser) until(terminator rune, what string) string {
	var b strings.Builder
	for {
		t := p.get()
		switch {
		case !t.ok && b.Len() == 0:
			p.fail("missing "+what, 0)
		case !t.ok:
			p.fail(fmt.Sprintf("missing %c, unterminated name", terminator), runes(b.String()))
		case t.is(terminator) && b.Len() == 0:
			p.fail("missing "+what, 1)
		case t.is(terminator):
			return b.String()
		}
		b.WriteString(t.String())
	}
}

func (p *parser) alternatives(f flag, nested int) *node {
	if nested > maxNesting {
		p.fail("groups are nested too deeply", 0)
	}
	var alts []*node
	for {
		alts = append(alts, p.sequence(f, nested, nested == 0 && alts == nil))
		if !p.match('|') {
			break
		}
		if nested == 0 {
			f = p.flags // global flags stand in front of the first alternative
		}
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return p.node(&node{op: nAlt, flags: f, subs: alts})
}

func (p *parser) node(n *node) *node {
	n.measure(p.groups)
	return n
}

// sequence reads items up to | or ) or the end. first: it is where global flags may stand.
func (p *parser) sequence(f flag, nested int, first bool) *node {
	var items []*node
	for p.next.ok && !p.next.is('|') && !p.next.is(')') {
		start := p.tell()
		t := p.get()
		if f&flagX != 0 && p.skipVerbose(t) {
			continue
		}
		var n *node
		switch {
		case t.esc:
			n = p.escape(t, f)
		case t.r == '[':
			n = p.class(f)
		case t.r == '.':
			n = &node{op: nAny, flags: f}
		case t.r == '^':
			n = &node{op: nAssert, assert: atBegin, flags: f}
		case t.r == '$':
			n = &node{op: nAssert, assert: atEnd, flags: f}
		case t.r == '(':
			n = p.group(&f, nested, first && items == nil)
			if n == nil {
				continue
			}
		case strings.ContainsRune("*+?{", t.r):
			n = p.repeat(t, f, items)
			if n.op == nRepeat {
				items = items[:len(items)-1]
			}
		default:
			n = &node{op: nLit, r: t.r, flags: f}
		}
		if n.at = start; n.op == nRepeat {
			n.at = n.subs[0].at
		}
		items = append(items, p.node(n))
	}
	return p.node(&node{op: nSeq, flags: f, subs: items})
}

// skipVerbose takes blanks and comments, which mean nothing under (?x).
func (p *parser) skipVerbose(t token) bool {
	if t.esc {
		return false
	}
	if strings.ContainsRune(" \t\n\r\v\f", t.r) {
		return true
	}
	if t.r != '#' {
		return false
	}
	for {
		if t := p.get(); !t.ok || t.is('\n') {
			return true
		}
	}
}

// repeat reads the quantifier that begins with t and applies it to the last item. A brace that
// is no quantifier comes back as a literal.
func (p *parser) repeat(t token, f flag, items []*node) *node {
	here := p.tell()
	lo, hi := 0, -1
	switch t.r {
	case '?':
		hi = 1
	case '+':
		lo = 1
	case '{':
		var ok bool
		if lo, hi, ok = p.braces(here); !ok {
			return &node{op: nLit, r: '{', flags: f}
		}
	}
	if len(items) == 0 || items[len(items)-1].op == nAssert {
		p.fail("nothing to repeat", p.tell()-here+1)
	}
	last := items[len(items)-1]
	if last.op == nRepeat {
		p.fail("multiple repeat", p.tell()-here+1)
	}
	n := &node{op: nRepeat, flags: f, min: lo, max: hi, subs: []*node{last}}
	switch {
	case p.match('?'):
		n.mode = lazy
	case p.match('+'):
		n.mode = possessive
	}
	return n
}

// braces reads {n}, {n,}, {,m}, {n,m} or {,} behind the brace; ok false: it is literal text.
func (p *parser) braces(here int) (lo, hi int, ok bool) {
	if p.next.is('}') {
		return 0, 0, false
	}
	from := p.while(math.MaxInt, "0123456789")
	to := from
	if p.match(',') {
		to = p.while(math.MaxInt, "0123456789")
	}
	if !p.match('}') {
		p.seek(here)
		return 0, 0, false
	}
	hi = -1
	if from != "" {
		lo = p.count(from)
	}
	if to != "" {
		if hi = p.count(to); hi < lo {
			p.fail("min repeat greater than max repeat", p.tell()-here)
		}
	}
	return lo, hi, true
}

func (p *parser) count(digits string) int {
	n := uint64(0) // int has 32 bits on arm
	for _, d := range digits {
		if n = n*10 + uint64(d-'0'); n >= maxRepeat {
			p.failAt("the repetition number is too large", -1)
		}
	}
	return int(min(n, math.MaxInt))
}
