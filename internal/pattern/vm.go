package pattern

import (
	"strings"
	"unicode/utf8"
)

// run tries to match at pos. It follows the program and, where that fails, takes the newest
// frame off the stack: the same order in which Python tries, so the first match is Python's.
func (m *Memory) run(pos int) (bool, error) {
	ins, text := m.prog.ins, m.text
	pc, steps := 0, int64(0)
	for {
		if steps++; m.Steps+steps > m.limit {
			m.Steps, steps = m.Steps+steps, 0
			if !m.late() {
				return false, ErrBudget
			}
		}
		next, ok := pc+1, false
		switch in := &ins[pc]; in.op {
		case opChar:
			if ok = pos < len(text) && text[pos] == in.c; ok {
				pos++
			}
		case opStr:
			if ok = strings.HasPrefix(text[pos:], in.str); ok {
				pos += len(in.str)
			}
		case opSet:
			w := in.set.width(text, pos)
			pos, ok = pos+w, w > 0
		case opSave:
			if ok = true; m.solo && len(m.stack) == 0 {
				m.caps[in.n] = int32(pos)
			} else {
				m.setCap(in.n, pos)
			}
		case opAssert:
			ok = m.assert(in, pos)
		case opJmp:
			next, ok = int(in.x), true
		case opSplit:
			switch ways := in.first.at(text, pos); {
			case m.active && (in.head || ways == wayX|wayY):
				next, pos, ok = m.choose(in, pc, pos)
			case ways == wayX|wayY:
				m.push(frameAlt, int(in.y), pos, 0)
				next, ok = int(in.x), true
			default: // nothing to choose, as mostly
				next, ok = in.way(ways), ways != 0
			}
		case opLoop:
			switch {
			case in.plain && !m.active:
				end := in.set.run(text, pos)
				steps += int64(end - pos)
				ok = end > pos || in.min == 0
				pos = end
			case in.few && !m.active:
				end := in.set.upTo(text, pos, int(in.max))
				if end < len(text) && text[end] >= utf8.RuneSelf {
					next, pos, ok = m.exits(in, pc, pos)
					break
				}
				steps += int64(end - pos)
				ok = end-pos >= int(in.min)
				pos = end
			case in.max < 0 || in.memo < 0 || !m.active:
				next, pos, ok = m.exits(in, pc, pos)
			default:
				next, pos, ok = m.choose(in, pc, pos)
			}
		case opIter, opWhile, opLook:
			next, pos, ok = m.choose(in, pc, pos)
		case opMatch:
			m.Steps += steps
			return true, nil
		default:
			next, pos, ok = m.rare(in, pc, pos)
		}
		if ok {
			pc = next
			continue
		}
		if pc, pos = m.backtrack(); pc < 0 {
			m.Steps += steps
			return false, nil
		}
	}
}

// choose runs an instruction that has several ways to go on.
func (m *Memory) choose(in *inst, pc, pos int) (int, int, bool) {
	ways := uint8(wayX | wayY)
	switch in.op {
	case opSplit:
		ways = in.first.at(m.text, pos)
		if ways == 0 {
			return pc, pos, false
		}
		if !in.head && ways != wayX|wayY {
			return in.way(ways), pos, true
		}
	case opIter:
		if in.count < 0 && int(m.slots[in.slot]) == pos {
			return int(in.y), pos, true
		}
	case opLook:
		return m.look(in, pc, pos)
	}
	switch m.enter(in, pos) {
	case failed:
		return pc, pos, false
	case holds:
		return m.lookEnd()
	case committed:
		m.unwind(m.bar)
		return pc, pos, false
	}
	switch in.op {
	case opIter:
		return m.iterate(in, pc, pos)
	case opLoop:
		return m.exits(in, pc, pos)
	case opWhile:
		if w := in.set.width(m.text, pos); w > 0 {
			return pc, pos + w, true
		}
		return pc + 1, pos, true
	}
	if ways == wayX|wayY {
		m.push(frameAlt, int(in.y), pos, 0)
	}
	return in.way(ways), pos, true
}

// way gives the way of a split that goes first.
func (in *inst) way(ways uint8) int {
	if ways&wayX != 0 {
		return int(in.x)
	}
	return int(in.y)
}

// iterate is the head of a loop whose body may match nothing.
func (m *Memory) iterate(in *inst, pc, pos int) (int, int, bool) {
	if in.count >= 0 {
		done := m.slots[in.count] + 1
		if done < in.min {
			m.setSlot(in.count, done)
			return int(in.x), pos, true
		}
		if in.max >= 0 && done >= in.max || int(m.slots[in.slot]) == pos {
			return int(in.y), pos, true
		}
	}
	if in.mode == lazy {
		m.push(frameIter, pc, pos, 0)
		return int(in.y), pos, true
	}
	m.push(frameAlt, int(in.y), pos, 0)
	return m.iteration(in, pos), pos, true
}

// iteration begins one and gives where.
func (m *Memory) iteration(in *inst, pos int) int {
	if in.count >= 0 {
		m.setSlot(in.count, m.slots[in.count]+1)
	}
	m.setSlot(in.slot, int32(pos))
	return int(in.x)
}

// rare runs what common expressions do not have in their hot path.
func (m *Memory) rare(in *inst, pc, pos int) (int, int, bool) {
	ok := true
	switch in.op {
	case opEnter:
		m.setSlot(in.n, -1)
	case opPeekStr:
		ok = strings.HasPrefix(m.text[pos:], in.str) != in.neg
	case opPeekSet:
		ok = m.peek(in, pos) != in.neg
	case opLookEnd:
		return m.lookEnd()
	case opAtomic:
		m.push(frameAtomic, pc, pos, int(m.bar))
		m.bar = int32(len(m.stack) - 1)
	case opAtomicEnd:
		m.settle()
	case opRef:
		pos, ok = m.ref(in, pos)
	case opCond:
		if m.took(in.n) {
			return int(in.x), pos, true
		}
		return int(in.y), pos, true
	default:
		ok = false
	}
	return pc + 1, pos, ok
}

// backtrack takes frames off the stack until one says how to go on; pc < 0: none is left.
func (m *Memory) backtrack() (pc, pos int) {
	for len(m.stack) > 0 {
		f := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		m.Steps++
		switch f.kind {
		case frameAlt:
			return int(f.pc), int(f.pos)
		case frameCap:
			m.caps[f.pc] = f.pos
		case frameSlot:
			m.slots[f.pc] = f.pos
		case frameFail:
			m.mark(int(f.pc), int(f.pos))
		case frameAtomic:
			m.bar = f.aux
		case frameIter:
			return m.iteration(&m.prog.ins[f.pc], int(f.pos)), int(f.pos)
		case frameLook:
			m.bar = f.aux
			if in := &m.prog.ins[f.pc]; m.lookFailed(in, int(f.pos)) {
				return int(in.y), int(f.pos)
			}
		case frameGreedy, frameLazy:
			if pos, ok := m.nextExit(f); ok {
				return int(f.pc) + 1, pos
			}
		}
	}
	return -1, 0
}

// unwind takes back everything down to the barrier at index to, which goes too.
func (m *Memory) unwind(to int32) {
	m.Steps += int64(len(m.stack)) - int64(to)
	m.bar = m.stack[to].aux
	for i := len(m.stack) - 1; i > int(to); i-- {
		switch f := m.stack[i]; f.kind {
		case frameCap:
			m.caps[f.pc] = f.pos
		case frameSlot:
			m.slots[f.pc] = f.pos
		}
	}
	m.stack = m.stack[:to]
}

// settle removes the top barrier and the other ways above it. What restores groups stays: it
// is due when what follows fails.
func (m *Memory) settle() {
	j := m.bar
	m.Steps += int64(len(m.stack)) - int64(j)
	above := m.stack[j+1:]
	m.bar = m.stack[j].aux
	for _, f := range above {
		if f.kind == frameCap || f.kind == frameSlot {
			m.stack[j] = f
			j++
		}
	}
	m.stack = m.stack[:j]
}

func (m *Memory) assert(in *inst, pos int) bool {
	n := len(m.text)
	switch in.assert {
	case atStart:
		return pos == 0
	case atBegin:
		return pos == 0 || m.text[pos-1] == '\n'
	case atStop:
		return pos == n
	case atEnd:
		if pos == n {
			return true
		}
		return m.text[pos] == '\n' && (in.neg || pos == n-1)
	case atWord:
		return n > 0 && m.wordAt(in, pos) != m.wordBefore(in, pos)
	}
	// Python: an empty text has no \B.
	return n > 0 && m.wordAt(in, pos) == m.wordBefore(in, pos)
}

func (m *Memory) wordAt(in *inst, pos int) bool {
	r, w := utf8.DecodeRuneInString(m.text[pos:])
	return w > 0 && catWord.has(r, in.ascii)
}

func (m *Memory) wordBefore(in *inst, pos int) bool {
	r, w := utf8.DecodeLastRuneInString(m.text[:pos])
	return w > 0 && catWord.has(r, in.ascii)
}

// ref matches the text of a group again; a group that took no part matches nothing.
func (m *Memory) ref(in *inst, pos int) (int, bool) {
	if !m.took(in.n) {
		return pos, false
	}
	was := m.text[m.caps[2*in.n]:m.caps[2*in.n+1]]
	m.Steps += int64(len(was))
	if !in.fold {
		return pos + len(was), strings.HasPrefix(m.text[pos:], was)
	}
	for _, a := range was {
		b, w := utf8.DecodeRuneInString(m.text[pos:])
		if w == 0 || lower(a, in.ascii) != lower(b, in.ascii) {
			return pos, false
		}
		pos += w
	}
	return pos, true
}
