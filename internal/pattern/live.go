package pattern

// maxLive is how many facts besides the position a memo key may hold.
const maxLive = 6

// assignMemo gives every choosing instruction its planes of the memo: one bit per position and
// combination of the facts that its future depends on. Where the future depends on what a
// group captured (a backreference comes later, the group came before) there is none.
func (p *program) assignMemo() {
	for _, asked := range p.asked() {
		to, from := p.reaching(asked), p.reachedFrom(asked.group)
		for pc := range p.ins {
			in := &p.ins[pc]
			if in.memo < 0 || !to[pc] || !from[pc] {
				continue
			}
			if asked.text {
				in.memo = -1
				p.budgeted = true
				continue
			}
			in.live = append(in.live, live{n: asked.group})
		}
	}
	for pc := range p.ins {
		if in := &p.ins[pc]; in.memo >= 0 {
			p.plane(in)
		}
	}
	if p.planes <= maxPlanes {
		return
	}
	p.planes, p.budgeted = 0, true
	for pc := range p.ins {
		p.ins[pc].memo = -1
	}
}

func (p *program) plane(in *inst) {
	if len(in.live) > maxLive {
		in.memo, p.budgeted = -1, true
		return
	}
	if in.op == opLoop && in.max >= 0 && (in.mode == possessive || in.min == in.max) {
		in.memo = -1 // one exit, bounded work: nothing to remember
		return
	}
	in.memo = int32(p.planes)
	in.states = 1 << len(in.live)
	answers := 1
	if in.region != regionTop || in.op == opLook {
		answers = 2 // visited, failed
	}
	p.planes += int(in.states) * answers
}

// question is a group that some instruction asks about: for its text or for its having taken
// part.
type question struct {
	group int32
	text  bool
}

func (p *program) asked() []question {
	var list []question
	seen := map[question]bool{}
	for pc := range p.ins {
		q, ok := p.ins[pc].asks()
		if ok && !seen[q] {
			seen[q] = true
			list = append(list, q)
		}
	}
	return list
}

func (in *inst) asks() (question, bool) {
	switch in.op {
	case opRef:
		return question{group: in.n, text: true}, true
	case opCond:
		return question{group: in.n, text: in.keeps}, true
	}
	return question{}, false
}

// next gives where control can go from pc. Behind a look-around's body it is behind the
// look-around.
func (p *program) next(pc int) (list [2]int32, n int) {
	switch in := &p.ins[pc]; in.op {
	case opSplit, opIter, opCond:
		return [2]int32{in.x, in.y}, 2
	case opLook:
		return [2]int32{int32(pc + 1), in.y}, 2
	case opJmp:
		return [2]int32{in.x}, 1
	case opMatch, opFail:
		return list, 0
	}
	return [2]int32{int32(pc + 1)}, 1
}

// reaching marks the instructions from which one that asks q can be reached.
func (p *program) reaching(q question) []bool {
	to := make([]bool, len(p.ins))
	for changed := true; changed; {
		changed = false
		for pc := len(p.ins) - 1; pc >= 0; pc-- {
			if to[pc] {
				continue
			}
			asks, ok := p.ins[pc].asks()
			hit := ok && asks == q
			list, n := p.next(pc)
			for _, to2 := range list[:n] {
				hit = hit || to[to2]
			}
			if hit {
				to[pc], changed = true, true
			}
		}
	}
	return to
}

// reachedFrom marks the instructions that can come after the group was entered.
func (p *program) reachedFrom(group int32) []bool {
	from := make([]bool, len(p.ins))
	for changed := true; changed; {
		changed = false
		for pc := range p.ins {
			in := &p.ins[pc]
			if !from[pc] && !(in.op == opSave && in.n>>1 == group) {
				continue
			}
			list, n := p.next(pc)
			for _, to := range list[:n] {
				if !from[to] {
					from[to], changed = true, true
				}
			}
		}
	}
	return from
}
