package pattern

import "unicode/utf8"

// exits runs a loop over one set: it finds how far the set reaches and goes on at the first
// exit, with a frame for the others.
//
// For a loop without limit the memo marks exits. A run of characters has one end, and exits are
// explored from it downwards (greedy) or from the entry upwards (lazy); so whoever meets a
// marked exit knows that everything behind it in the run is explored too.
func (m *Memory) exits(in *inst, pc, pos int) (int, int, bool) {
	low := pos
	if in.min > 0 {
		var enough bool
		if low, enough = m.pass(in.set, pos, int(in.min)); !enough {
			return pc, pos, false
		}
	}
	more := -1
	if in.max >= 0 {
		more = int(in.max - in.min)
	}
	if in.mode == lazy {
		end, ok := m.lazyExit(in, pc, low, more)
		return pc + 1, end, ok
	}
	top, ok := m.reach(in, low, more)
	if !ok {
		return pc, pos, false
	}
	if in.mode == possessive {
		return pc + 1, top, true
	}
	pos, ok = m.greedyExit(in, pc, top, low)
	return pc + 1, pos, ok
}

// pass passes characters of set, up to limit; ok: that many.
func (m *Memory) pass(set *charset, pos, limit int) (end int, ok bool) {
	text := m.text
	end = pos
	for limit > 0 {
		if end < len(text) && text[end] < utf8.RuneSelf {
			if set.table[text[end]] == 0 {
				break
			}
			end++
		} else {
			w := set.highWidth(text, end)
			if w == 0 {
				break
			}
			end += w
		}
		limit--
	}
	m.Steps += int64(end - pos)
	return end, limit == 0
}

// reach gives the highest exit that is not explored yet, false: there is none.
func (m *Memory) reach(in *inst, low, more int) (int, bool) {
	if in.max >= 0 {
		top, _ := m.pass(in.set, low, more)
		return top, true
	}
	if in.memo < 0 || !m.active {
		top := in.set.run(m.text, low)
		m.Steps += int64(top - low)
		return top, true
	}
	plane := int(in.memo)
	if in.live != nil {
		plane = m.plane(in, low)
	}
	if !m.used[plane] {
		m.used[plane] = true
		top := in.set.run(m.text, low)
		m.Steps += int64(top - low)
		m.markRange(plane, low, top)
		return top, true
	}
	prev, end := -1, low
	for !m.marked(plane, end) {
		w := in.set.width(m.text, end)
		prev, end = end, end+w
		if w == 0 {
			break
		}
	}
	m.Steps += int64(end - low)
	if prev < 0 {
		return 0, false
	}
	m.markRange(plane, low, prev)
	if in.mode == possessive && prev != end {
		return 0, false // the only exit is the run's end, and that is explored
	}
	return prev, true
}

// greedyExit gives the highest exit from top down to low behind which the rest can match.
func (m *Memory) greedyExit(in *inst, pc, top, low int) (int, bool) {
	text := m.text
	pos := top
	for pos >= low && !in.follow.at(text, pos) {
		pos--
	}
	m.Steps += int64(top - pos)
	if pos < low {
		return 0, false
	}
	// A position inside of a character would need its first byte to follow: the bytes behind
	// it never begin one, but wrong bytes of undecoded text may stand there.
	if pos < len(text) && !utf8.RuneStart(text[pos]) {
		for pos > low && !utf8.RuneStart(text[pos]) {
			pos--
		}
	}
	if pos > low {
		next := pos - 1
		for next > low && !utf8.RuneStart(text[next]) {
			next--
		}
		m.push(frameGreedy, pc, next, low)
	}
	return pos, true
}

// lazyExit gives the first exit from pos upwards behind which the rest can match.
func (m *Memory) lazyExit(in *inst, pc, pos, more int) (int, bool) {
	remember := in.max < 0 && in.memo >= 0 && m.active
	for {
		m.Steps++
		if remember {
			plane := m.plane(in, pos)
			if m.marked(plane, pos) {
				return 0, false
			}
			m.mark(plane, pos)
		}
		if in.follow.at(m.text, pos) {
			m.push(frameLazy, pc, pos, more)
			return pos, true
		}
		if more == 0 {
			return 0, false
		}
		w := in.set.width(m.text, pos)
		if w == 0 {
			return 0, false
		}
		pos, more = pos+w, more-1
	}
}

// nextExit goes on with a loop when the exit before has failed.
func (m *Memory) nextExit(f frame) (int, bool) {
	in := &m.prog.ins[f.pc]
	if f.kind == frameGreedy {
		return m.greedyExit(in, int(f.pc), int(f.pos), int(f.aux))
	}
	if f.aux == 0 {
		return 0, false
	}
	w := in.set.width(m.text, int(f.pos))
	if w == 0 {
		return 0, false
	}
	return m.lazyExit(in, int(f.pc), int(f.pos)+w, int(f.aux)-1)
}
