package pattern

import (
	"strings"
	"unicode/utf8"
)

// Search finds the leftmost match as Python's re.search does. The spans are byte offsets into
// text, two per group, -1 for a group that took no part; they are valid until mem is used
// again. nil: no match. The error is ErrBudget or nil. The text should be valid UTF-8
// (DecodeUTF8 makes it so); a wrong byte counts as one U+FFFD.
func (re *Regexp) Search(mem *Memory, text string) (spans []int32, err error) {
	return re.SearchFrom(mem, text, 0)
}

// SearchFrom is Search for a match that does not start before the byte from, like re.search with
// pos: look-behinds and \b see what stands before, and ^ stays the text's start.
func (re *Regexp) SearchFrom(mem *Memory, text string, from int) (spans []int32, err error) {
	p := re.code.get()
	mem.Steps = 0
	if p.anchored && (from > 0 || !p.first.at(text, 0)) || re.lacksLiteral(p, text) {
		return nil, nil
	}
	if from == 0 && text != "" {
		if a := re.lazy.get(p, mem.auto); a != nil {
			if ok, done := mem.deterministic(a, text); done {
				if !ok {
					return nil, nil
				}
				return mem.caps, nil
			}
		}
	}
	mem.reset(p, text)
	ok, err := mem.searchFrom(from)
	mem.rest()
	if !ok {
		return nil, err
	}
	return mem.caps, nil
}

// lacksLiteral reports whether the text is no match because a literal is missing. Looking is
// worth it where the search would try every position, or could run out of budget.
func (re *Regexp) lacksLiteral(p *program, text string) bool {
	const few = 4
	if re.literals == nil || !p.budgeted && (p.anchored || len(re.literals) > few) {
		return false
	}
	for _, lit := range re.literals {
		if strings.Contains(text, lit) {
			return false
		}
	}
	return true
}

// searchFrom tries one start after the other. What the memo knows from earlier starts holds
// for later ones.
func (m *Memory) searchFrom(start int) (bool, error) {
	for start <= len(m.text) {
		start = m.candidate(start)
		if start < 0 {
			return false, nil
		}
		m.stack, m.bar = m.stack[:0], -1
		if ok, err := m.run(start); ok || err != nil {
			return ok, err
		}
		if m.prog.anchored {
			return false, nil
		}
		w := 1
		if start < len(m.text) && m.text[start] >= utf8.RuneSelf {
			_, w = utf8.DecodeRuneInString(m.text[start:])
		}
		start += w
	}
	return false, nil
}

// candidate gives the next place from start on where a match can begin, -1: none.
func (m *Memory) candidate(start int) int {
	p := m.prog
	if p.anchored {
		return start
	}
	if p.prefix != "" {
		i := strings.Index(m.text[start:], p.prefix)
		if i < 0 {
			return -1
		}
		return start + i
	}
	for ; start < len(m.text); start++ {
		if p.lines && start > 0 && m.text[start-1] != '\n' {
			next := strings.IndexByte(m.text[start:], '\n')
			if next < 0 {
				return -1
			}
			start += next
			continue
		}
		// Only first bytes of characters: the middle of one is no position.
		if p.first.has(m.text[start]) && utf8.RuneStart(m.text[start]) {
			return start
		}
	}
	if p.first.end && !(p.lines && start > 0 && m.text[start-1] != '\n') {
		return start
	}
	return -1
}
