package pattern

import "unicode/utf8"

// back gives the position n code points in front of pos.
func back(text string, pos, n int) (int, bool) {
	for ; n > 0; n-- {
		_, w := utf8.DecodeLastRuneInString(text[:pos])
		if w == 0 {
			return 0, false
		}
		pos -= w
	}
	return pos, true
}

func (m *Memory) peek(in *inst, pos int) bool {
	if in.behind {
		before, ok := back(m.text, pos, 1)
		return ok && in.set.width(m.text, before) > 0
	}
	return in.set.width(m.text, pos) > 0
}

// look begins a look-around, or answers from the memo: what it says depends on the position
// only. Only bounds of groups inside of it make it necessary to match it again.
func (m *Memory) look(in *inst, pc, pos int) (int, int, bool) {
	if in.memo >= 0 && m.active {
		plane := m.plane(in, pos)
		if !m.marked(plane, pos) {
			m.mark(plane, pos)
		} else if no := m.marked(plane+int(in.states), pos); no || !in.keeps {
			return int(in.y), pos, no == in.neg
		}
	}
	start := pos
	if in.behind {
		var ok bool
		if start, ok = back(m.text, pos, int(in.n)); !ok {
			return int(in.y), pos, m.lookFailed(in, pos)
		}
	}
	m.push(frameLook, pc, pos, int(m.bar))
	m.bar = int32(len(m.stack) - 1)
	return pc + 1, start, true
}

// lookFailed notes that the body does not match at pos. It reports whether the look-around is
// satisfied by that.
func (m *Memory) lookFailed(in *inst, pos int) bool {
	if in.memo >= 0 && m.active {
		m.mark(m.plane(in, pos)+int(in.states), pos)
	}
	return in.neg
}

// lookEnd is reached when the body of the innermost look-around has matched.
func (m *Memory) lookEnd() (pc, pos int, ok bool) {
	f := m.stack[m.bar]
	in := &m.prog.ins[f.pc]
	if in.neg {
		m.unwind(m.bar)
		return 0, 0, false
	}
	m.settle()
	return int(in.y), int(f.pos), true
}
