package pattern

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	hexDigits   = "0123456789abcdefABCDEF"
	octDigits   = "01234567"
	decDigits   = "0123456789"
	asciiLetter = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// escape reads an escape outside of a set; t is the backslash and the character behind it.
func (p *parser) escape(t token, f flag) *node {
	switch t.r {
	case 'A':
		return &node{op: nAssert, assert: atStart, flags: f}
	case 'Z':
		return &node{op: nAssert, assert: atStop, flags: f}
	case 'b':
		return &node{op: nAssert, assert: atWord, flags: f}
	case 'B':
		return &node{op: nAssert, assert: atNotWord, flags: f}
	case '0':
		v, _ := strconv.ParseInt("0"+p.while(2, octDigits), 8, 32)
		return &node{op: nLit, r: rune(v), flags: f}
	}
	if it, ok := categoryOf(t.r); ok {
		return &node{op: nSet, set: []item{it}, flags: f}
	}
	if t.r >= '1' && t.r <= '9' {
		return p.number(t, f)
	}
	return &node{op: nLit, r: p.charEscape(t), flags: f}
}

// number reads \1 to \99 as a backreference and three octal digits as a character.
func (p *parser) number(t token, f flag) *node {
	digits := string(t.r)
	if p.nextIn(decDigits) {
		digits += string(p.get().r)
		if strings.Trim(digits, octDigits) == "" && p.nextIn(octDigits) {
			digits += string(p.get().r)
			return &node{op: nLit, r: p.octal(digits), flags: f}
		}
	}
	g, _ := strconv.Atoi(digits)
	if g >= len(p.groups) {
		p.fail(fmt.Sprintf("invalid group reference %d", g), len(digits))
	}
	p.checkRef(g, len(digits)+1)
	return &node{op: nRef, group: g, flags: f}
}

func (p *parser) octal(digits string) rune {
	v, _ := strconv.ParseInt(digits, 8, 32)
	if v > 0o377 {
		p.fail(`octal escape value \`+digits+" outside of range 0-0o377", len(digits)+1)
	}
	return rune(v)
}

// charEscape reads an escape that stands for one character, in and outside of sets.
func (p *parser) charEscape(t token) rune {
	if i := strings.IndexRune("afnrtv", t.r); i >= 0 {
		return rune("\a\f\n\r\t\v"[i])
	}
	switch t.r {
	case 'x':
		return p.hex(t, 2)
	case 'u':
		return p.hex(t, 4)
	case 'U':
		return p.hex(t, 8)
	case 'N':
		return p.named()
	}
	if strings.ContainsRune(asciiLetter, t.r) {
		p.fail("bad escape "+t.String(), 2)
	}
	return t.r
}

func (p *parser) hex(t token, n int) rune {
	digits := p.while(n, hexDigits)
	text := t.String() + digits
	if len(digits) != n {
		p.fail("incomplete escape "+text, len(text))
	}
	v, _ := strconv.ParseUint(digits, 16, 64)
	if v > 0x10ffff {
		p.fail("bad escape "+text, len(text))
	}
	return rune(v)
}

// named refuses \N{...}: it needs the table of all character names, which is larger than this
// program's other data together, and no filter seen uses it. \uXXXX says the same.
func (p *parser) named() rune {
	if !p.match('{') {
		p.fail("missing {", 0)
	}
	name := p.until('}', "character name")
	p.fail(`\N{`+name+`} is not supported: write the character itself or \uXXXX`, runes(name)+len(`\N{}`))
	return 0
}

// class reads a set behind its opening bracket.
func (p *parser) class(f flag) *node {
	here := p.tell() - 1
	n := &node{op: nSet, flags: f, neg: p.match('^')}
	for {
		t := p.get()
		if !t.ok {
			p.fail("unterminated character set", p.tell()-here)
		}
		if t.is(']') && len(n.set) > 0 {
			return n
		}
		from := p.member(t)
		if !p.match('-') {
			n.set = append(n.set, from)
			continue
		}
		u := p.get()
		if !u.ok {
			p.fail("unterminated character set", p.tell()-here)
		}
		if u.is(']') {
			n.set = append(n.set, from, item{lo: '-', hi: '-'})
			return n
		}
		n.set = append(n.set, p.span(t, u, from))
	}
}

// span reads the end of a range that began with t; u is the end's token. The text in the error
// is the tokens as Python keeps them: an escape without the digits behind it.
func (p *parser) span(t, u token, from item) item {
	to := p.member(u)
	if from.cat != catNone || to.cat != catNone || to.lo < from.lo {
		msg := fmt.Sprintf("bad character range %s-%s", t, u)
		p.fail(msg, t.len()+1+u.len())
	}
	return item{lo: from.lo, hi: to.lo}
}

// member reads one member of a set.
func (p *parser) member(t token) item {
	if !t.esc {
		return item{lo: t.r, hi: t.r}
	}
	if it, ok := categoryOf(t.r); ok {
		return it
	}
	var r rune
	switch {
	case t.r == 'b':
		r = '\b'
	case strings.ContainsRune(octDigits, t.r):
		r = p.octal(string(t.r) + p.while(2, octDigits))
	case t.r == '8' || t.r == '9':
		p.fail("bad escape "+t.String(), 2)
	default:
		r = p.charEscape(t)
	}
	return item{lo: r, hi: r}
}
