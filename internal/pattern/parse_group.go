package pattern

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// inlineFlags are the letters that may stand in (?...).
const inlineFlags = "iLmsxatu"

func flagOf(r rune) flag {
	switch r {
	case 'i':
		return flagI
	case 'L':
		return flagL
	case 'm':
		return flagM
	case 's':
		return flagS
	case 'x':
		return flagX
	case 'a':
		return flagA
	case 't':
		return flagT
	}
	return flagU
}

// group reads behind an opening parenthesis. It returns nil for what is no item (comments and
// global flags); global flags change *f.
func (p *parser) group(f *flag, nested int, first bool) *node {
	start := p.tell() - 1
	if !p.match('?') {
		return p.capture("", *f, nested, start)
	}
	t := p.get()
	switch {
	case !t.ok:
		p.fail("unexpected end of pattern", 0)
	case t.is('P'):
		return p.python(*f, nested, start)
	case t.is(':'):
		return &node{op: nGroup, group: -1, flags: *f, subs: []*node{p.body(*f, nested, start)}}
	case t.is('#'):
		p.comment(start)
		return nil
	case t.is('=') || t.is('!') || t.is('<'):
		return p.look(t, *f, nested, start)
	case t.is('('):
		return p.conditional(*f, nested, start)
	case t.is('>'):
		return &node{op: nAtomic, flags: *f, subs: []*node{p.body(*f, nested, start)}}
	case !t.esc && (t.r == '-' || strings.ContainsRune(inlineFlags, t.r)):
		return p.flagGroup(t, f, nested, start, first)
	}
	p.fail("unknown extension ?"+t.String(), t.len()+1)
	return nil
}

// body reads the inside of a group and its closing parenthesis.
func (p *parser) body(f flag, nested, start int) *node {
	n := p.alternatives(f, nested+1)
	p.close(start)
	return n
}

func (p *parser) close(start int) {
	if !p.match(')') {
		p.fail("missing ), unterminated subpattern", p.tell()-start)
	}
}

func (p *parser) capture(name string, f flag, nested, start int) *node {
	g := len(p.groups)
	if g > maxGroups {
		p.fail("too many groups", 0)
	}
	if name != "" {
		if was, dup := p.names[name]; dup {
			p.fail(fmt.Sprintf("redefinition of group name %s as group %d; was group %d",
				Repr(name), g, was), runes(name)+1)
		}
		p.names[name] = g
	}
	p.groups = append(p.groups, groupInfo{name: name})
	n := p.body(f, nested, start)
	p.groups[g].closed, p.groups[g].lo, p.groups[g].hi = true, n.lo, n.hi
	return &node{op: nGroup, group: g, flags: f, subs: []*node{n}}
}

// python reads (?P<name>...) and (?P=name).
func (p *parser) python(f flag, nested, start int) *node {
	if p.match('<') {
		name := p.until('>', "group name")
		p.checkName(name)
		return p.capture(name, f, nested, start)
	}
	if p.match('=') {
		name := p.until(')', "group name")
		p.checkName(name)
		g, known := p.names[name]
		if !known {
			p.fail("unknown group name "+Repr(name), runes(name)+1)
		}
		p.checkRef(g, runes(name)+1)
		return &node{op: nRef, group: g, flags: f}
	}
	t := p.get()
	if !t.ok {
		p.fail("unexpected end of pattern", 0)
	}
	p.fail("unknown extension ?P"+t.String(), t.len()+2)
	return nil
}

// checkRef refuses a reference to a group that is still open, or that a look-behind holds
// itself: what it captured would depend on the order of matching.
func (p *parser) checkRef(g, offset int) {
	if !p.groups[g].closed {
		p.fail("cannot refer to an open group", offset)
	}
	p.checkBehind(g)
}

func (p *parser) checkBehind(g int) {
	if p.behind < 0 {
		return
	}
	if g >= len(p.groups) || !p.groups[g].closed {
		p.fail("cannot refer to an open group", 0)
	}
	if g >= p.behind {
		p.fail("cannot refer to group defined in the same lookbehind subpattern", 0)
	}
}

func (p *parser) checkName(name string) {
	if !isIdentifier(name) {
		p.fail("bad character in group name "+Repr(name), runes(name)+1)
	}
}

func (p *parser) comment(start int) {
	for {
		if !p.next.ok {
			p.fail("missing ), unterminated comment", p.tell()-start)
		}
		if p.get().is(')') {
			return
		}
	}
}

func (p *parser) look(t token, f flag, nested, start int) *node {
	n := &node{op: nLook, flags: f}
	outer := p.behind
	if t.r == '<' {
		if t = p.get(); !t.ok {
			p.fail("unexpected end of pattern", 0)
		}
		if !t.is('=') && !t.is('!') {
			p.fail("unknown extension ?<"+t.String(), t.len()+2)
		}
		n.behind = true
		if p.behind < 0 {
			p.behind = len(p.groups)
		}
	}
	n.neg = t.r == '!'
	sub := p.alternatives(f, nested+1)
	p.behind = outer
	p.close(start)
	n.subs = []*node{sub}
	return n
}

func (p *parser) conditional(f flag, nested, start int) *node {
	name := p.until(')', "group name")
	var g int
	if isIdentifier(name) {
		var known bool
		if g, known = p.names[name]; !known {
			p.fail("unknown group name "+Repr(name), runes(name)+1)
		}
	} else {
		g = p.conditionNumber(name)
	}
	p.checkBehind(g)
	n := &node{op: nCond, group: g, flags: f}
	n.subs = append(n.subs, p.sequence(f, nested+1, false))
	if p.match('|') {
		n.subs = append(n.subs, p.sequence(f, nested+1, false))
		if p.next.is('|') {
			p.fail("conditional backref with more than two branches", 0)
		}
	}
	p.close(start)
	return n
}

func (p *parser) conditionNumber(name string) int {
	g, ok := pyInt(name)
	switch {
	case !ok || g < 0:
		p.fail("bad character in group name "+Repr(name), runes(name)+1)
	case g == 0:
		p.fail("bad group number", runes(name)+1)
	case g >= maxGroups:
		p.fail(fmt.Sprintf("invalid group reference %d", g), runes(name)+1)
	}
	if _, known := p.condPos[g]; !known {
		p.condPos[g] = p.tell() - runes(name) - 1
	}
	return g
}

// flagGroup reads (?flags), (?flags:...), (?flags-flags:...) with t, the first letter or minus.
func (p *parser) flagGroup(t token, f *flag, nested, start int, first bool) *node {
	add, del, global := p.readFlags(t)
	if global {
		if !first {
			p.fail("global flags not at the start of the expression", p.tell()-start)
		}
		p.flags |= add
		*f = p.flags
		return nil
	}
	inner := *f
	if add&typeFlags != 0 {
		inner &^= typeFlags
	}
	inner = (inner | add) &^ del
	return &node{op: nGroup, group: -1, flags: inner, subs: []*node{p.body(inner, nested, start)}}
}

func (p *parser) readFlags(t token) (add, del flag, global bool) {
	if !t.is('-') {
		for {
			fl := flagOf(t.r)
			if fl == flagL {
				p.fail("bad inline flags: cannot use 'L' flag with a str pattern", 0)
			}
			add |= fl
			if fl&typeFlags != 0 && add&typeFlags != fl {
				p.fail("bad inline flags: flags 'a', 'u' and 'L' are incompatible", 0)
			}
			if t = p.flagLetter(")-:", "missing -, : or )"); t.is(')') {
				return add, 0, true
			} else if t.is('-') || t.is(':') {
				break
			}
		}
	}
	if add&flagT != 0 {
		p.fail("bad inline flags: cannot turn on global flag", 1)
	}
	if t.is('-') {
		del = p.offFlags()
	}
	if del&flagT != 0 {
		p.fail("bad inline flags: cannot turn off global flag", 1)
	}
	if add&del != 0 {
		p.fail("bad inline flags: flag turned on and off", 1)
	}
	return add, del, false
}

func (p *parser) offFlags() (del flag) {
	t := p.flagLetter("", "missing flag")
	for {
		fl := flagOf(t.r)
		if fl&typeFlags != 0 {
			p.fail("bad inline flags: cannot turn off flags 'a', 'u' and 'L'", 0)
		}
		del |= fl
		if t = p.flagLetter(":", "missing :"); t.is(':') {
			return del
		}
	}
}

// flagLetter reads a flag or one of stops; missing is the complaint about anything else.
func (p *parser) flagLetter(stops, missing string) token {
	t := p.get()
	switch {
	case !t.ok:
		p.fail(missing, 0)
	case !t.esc && (strings.ContainsRune(stops, t.r) || strings.ContainsRune(inlineFlags, t.r)):
		return t
	case !t.esc && unicode.IsLetter(t.r):
		p.fail("unknown flag", t.len())
	}
	p.fail(missing, t.len())
	return t
}

// pyInt reads a number as Python's int() does: blanks around it, a sign, single underscores
// between digits, any Unicode digits.
func pyInt(s string) (int, bool) {
	s = strings.TrimFunc(s, isSpace)
	var b strings.Builder
	for i, r := range []rune(s) {
		switch {
		case unicode.IsDigit(r):
			b.WriteByte(byte('0' + digitValue(r)))
		case (r == '+' || r == '-') && i == 0, r == '_':
			b.WriteRune(r)
		default:
			return 0, false
		}
	}
	text := b.String()
	if strings.HasPrefix(strings.TrimLeft(text, "+-"), "_") || strings.HasSuffix(text, "_") ||
		strings.Contains(text, "__") {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil && strings.Trim(text, "+-_0123456789") == "" && strings.ContainsAny(text, "0123456789") {
		return maxGroups, text[0] != '-' // out of range: refused by the caller as too large
	}
	return n, err == nil
}

// digitValue: decimal digits stand in the code table in runs of ten, from 0 up.
func digitValue(r rune) int {
	zero := r
	for r-zero < 9 && unicode.IsDigit(zero-1) {
		zero--
	}
	if r <= '9' {
		zero = '0'
	}
	return int(r - zero)
}
