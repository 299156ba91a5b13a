package pattern

// firstSet is what can come next where a state is to succeed: which bytes, and whether the
// text may end. It may hold too much, never too little.
type firstSet struct {
	bits [4]uint64
	end  bool
}

func (f *firstSet) add(b byte) { f.bits[b>>6] |= 1 << (b & 63) }

func (f *firstSet) has(b byte) bool { return f.bits[b>>6]>>(b&63)&1 != 0 }

// at reports whether the state can succeed at pos.
func (f *firstSet) at(text string, pos int) bool {
	if pos < len(text) {
		return f.has(text[pos])
	}
	return f.end
}

func (f *firstSet) or(g *firstSet) {
	for i := range f.bits {
		f.bits[i] |= g.bits[i]
	}
	f.end = f.end || g.end
}

func (f *firstSet) and(g *firstSet) {
	for i := range f.bits {
		f.bits[i] &= g.bits[i]
	}
	f.end = f.end && g.end
}

func anything() firstSet {
	all := ^uint64(0)
	return firstSet{bits: [4]uint64{all, all, all, all}, end: true}
}

// decision says for the next byte (256: end of the text) which ways of a split can succeed.
type decision [257]uint8

const (
	wayX = 1 << iota
	wayY
)

func newDecision(x, y *firstSet) *decision {
	d := new(decision)
	way := func(at int, x, y bool) {
		if x {
			d[at] |= wayX
		}
		if y {
			d[at] |= wayY
		}
	}
	for b := range 256 {
		way(b, x.has(byte(b)), y.has(byte(b)))
	}
	way(256, x.end, y.end)
	return d
}

func (d *decision) at(text string, pos int) uint8 {
	if pos < len(text) {
		return d[text[pos]]
	}
	return d[256]
}

// analyse computes what every instruction can begin with and stores it where the matcher
// looks: at splits, behind loops, at the start.
func (p *program) analyse() {
	sets := make([]firstSet, len(p.ins))
	for changed := true; changed; {
		changed = false
		for pc := len(p.ins) - 1; pc >= 0; pc-- {
			if f := p.firstOf(pc, sets); f != sets[pc] {
				sets[pc], changed = f, true
			}
		}
	}
	made := map[[2]firstSet]*decision{}
	for pc := range p.ins {
		in := &p.ins[pc]
		switch in.op {
		case opSplit:
			key := [2]firstSet{sets[in.x], sets[in.y]}
			if made[key] == nil {
				made[key] = newDecision(&key[0], &key[1])
			}
			in.first = made[key]
		case opLoop:
			in.follow = &sets[pc+1]
			if in.mode == greedy && in.disjoint() {
				in.mode, in.auto = possessive, true
			}
			in.plain = in.mode == possessive && in.max < 0 && in.min <= 1
			in.few = in.mode == possessive && in.max >= 0
		}
	}
	p.first = &sets[0]
	p.anchored = p.startsAt(atStart, 0, make([]bool, len(p.ins)))
	p.lines = p.startsAt(atBegin, 0, make([]bool, len(p.ins)))
	p.prefix = p.leadingText()
}

func (p *program) firstOf(pc int, sets []firstSet) firstSet {
	var f firstSet
	in := &p.ins[pc]
	switch in.op {
	case opChar:
		f.add(in.c)
	case opStr:
		f.add(in.str[0])
	case opSet:
		f = in.set.first
	case opWhile, opLoop:
		f = in.set.first
		if in.op == opWhile || in.min == 0 {
			f.or(&sets[pc+1])
		}
	case opSplit, opIter, opCond:
		f = sets[in.x]
		f.or(&sets[in.y])
	case opJmp:
		f = sets[in.x]
	case opLook:
		f = sets[in.y]
	case opAssert:
		f = sets[pc+1]
		if in.assert == atEnd || in.assert == atStop {
			g := firstSet{end: true}
			if in.assert == atEnd {
				g.add('\n')
			}
			f.and(&g)
		}
	case opSave, opEnter, opPeekStr, opPeekSet, opAtomic:
		f = sets[pc+1]
	case opFail:
	default:
		// opAtomicEnd among them: what follows an atomic group must not choose its way inside.
		f = anything()
	}
	return f
}

// disjoint reports whether no character of the loop can also be what follows it: then giving
// characters back never helps.
func (in *inst) disjoint() bool {
	f := in.set.first
	f.and(in.follow)
	return f.bits == [4]uint64{} && !in.follow.end
}

// startsAt reports whether every way from pc passes the assertion first. seen are the
// instructions asked about before: a way back to them adds nothing.
func (p *program) startsAt(a assertion, pc int, seen []bool) bool {
	for !seen[pc] {
		seen[pc] = true
		switch in := &p.ins[pc]; in.op {
		case opSave, opEnter, opAtomic:
			pc++
		case opJmp:
			pc = int(in.x)
		case opSplit:
			if !p.startsAt(a, int(in.x), seen) {
				return false
			}
			pc = int(in.y)
		case opAssert:
			return in.assert == a
		default:
			return false
		}
	}
	return true
}

func (p *program) leadingText() string {
	for pc := range p.ins {
		switch in := &p.ins[pc]; in.op {
		case opSave:
		case opChar:
			return string([]byte{in.c})
		case opStr:
			return in.str
		default:
			return ""
		}
	}
	return ""
}
