package pattern

import "unicode/utf8"

const (
	// maxUnrolled is how many instructions a repeated body may be copied to. Beyond it
	// repetitions are counted at run time, which the memo cannot hold.
	maxUnrolled = 20000
	// maxPlanes bounds the memo: planes × 8 KiB for a line of 64 KiB, 16 MiB at most.
	maxPlanes = 2048
)

// compiler turns a tree into a program.
type compiler struct {
	prog   *program
	nest   []live // slots of the loops around, whose bodies can be empty
	region region
	uncut  int   // inside of so many counted loops: no memo
	open   []int // groups that are not closed yet
	sets   map[setKey]*charset
}

// compile makes the program of a tree that has so many groups.
func compile(tree *node, groups int) *program {
	c := &compiler{prog: &program{groups: groups}, sets: map[setKey]*charset{}}
	c.emit(inst{op: opSave, n: 0})
	c.node(tree)
	c.emit(inst{op: opSave, n: 1})
	c.emit(inst{op: opMatch})
	c.prog.analyse()
	c.prog.assignMemo()
	return c.prog
}

func (c *compiler) here() int32 { return int32(len(c.prog.ins)) }

// emit appends an instruction. Those that choose get what the memo has to know about them.
func (c *compiler) emit(in inst) int32 {
	in.memo = -1
	in.region = c.region
	switch in.op {
	case opSplit, opIter, opWhile, opLoop:
		if c.uncut == 0 {
			in.memo = 0
			in.live = append([]live(nil), c.nest...)
		}
	case opLook:
		if c.uncut == 0 {
			in.memo = 0
		}
	}
	c.prog.ins = append(c.prog.ins, in)
	return c.here() - 1
}

func (c *compiler) at(pc int32) *inst { return &c.prog.ins[pc] }

func (c *compiler) node(n *node) {
	switch n.op {
	case nSeq:
		c.sequence(n)
	case nAlt:
		c.alternatives(n)
	case nLit:
		c.literal([]*node{n})
	case nAny, nSet:
		c.emit(inst{op: opSet, set: c.set(n)})
	case nAssert:
		c.emit(inst{op: opAssert, assert: n.assertion(), ascii: n.flags&flagA != 0, neg: n.flags&flagM != 0})
	case nGroup:
		c.group(n)
	case nRepeat:
		c.repeat(n)
	case nLook:
		c.look(n)
	case nAtomic:
		defer c.enterAtomic()()
		c.emit(inst{op: opAtomic})
		c.node(n.subs[0])
		c.emit(inst{op: opAtomicEnd})
	case nRef:
		c.emit(inst{op: opRef, n: int32(n.group), fold: n.flags&flagI != 0, ascii: n.flags&flagA != 0})
	case nCond:
		c.condition(n)
	}
}

// assertion resolves ^ and $ by their flags: without MULTILINE ^ is \A.
func (n *node) assertion() assertion {
	if n.assert == atBegin && n.flags&flagM == 0 {
		return atStart
	}
	return n.assert
}

// plain reports whether n is a character that matches itself only.
func (n *node) plain() bool {
	return n.op == nLit && utf8.ValidRune(n.r) && !(n.flags&flagI != 0 && cased(n.r, n.flags&flagA != 0))
}

func (c *compiler) sequence(n *node) {
	for i := 0; i < len(n.subs); {
		j := i
		for j < len(n.subs) && n.subs[j].plain() {
			j++
		}
		if j > i {
			c.literal(n.subs[i:j])
			i = j
			continue
		}
		c.node(n.subs[i])
		i++
	}
}

// literal compiles plain characters in a row, or one that IGNORECASE makes a set.
func (c *compiler) literal(lits []*node) {
	if n := lits[0]; !n.plain() {
		// A surrogate is no character of any decoded text; a set of it matches nothing.
		c.emit(inst{op: opSet, set: c.set(n)})
		return
	}
	var text []byte
	for _, n := range lits {
		text = utf8.AppendRune(text, n.r)
	}
	if len(text) == 1 {
		c.emit(inst{op: opChar, c: text[0]})
		return
	}
	c.emit(inst{op: opStr, str: string(text)})
}

func (c *compiler) alternatives(n *node) {
	var ends []int32
	for i, alt := range n.subs {
		if i == len(n.subs)-1 {
			c.node(alt)
			break
		}
		split := c.emit(inst{op: opSplit})
		c.at(split).x = c.here()
		c.node(alt)
		ends = append(ends, c.emit(inst{op: opJmp}))
		c.at(split).y = c.here()
	}
	for _, e := range ends {
		c.at(e).x = c.here()
	}
}

func (c *compiler) group(n *node) {
	if n.group < 0 {
		c.node(n.subs[0])
		return
	}
	c.open = append(c.open, n.group)
	c.emit(inst{op: opSave, n: int32(2 * n.group)})
	c.node(n.subs[0])
	c.emit(inst{op: opSave, n: int32(2*n.group + 1)})
	c.open = c.open[:len(c.open)-1]
}

func (c *compiler) condition(n *node) {
	cond := c.emit(inst{op: opCond, n: int32(n.group)})
	for _, g := range c.open {
		if g == n.group {
			c.at(cond).keeps = true // asked inside of its own group: depends on old bounds
		}
	}
	c.at(cond).x = c.here()
	c.node(n.subs[0])
	if len(n.subs) == 1 {
		c.at(cond).y = c.here()
		return
	}
	end := c.emit(inst{op: opJmp})
	c.at(cond).y = c.here()
	c.node(n.subs[1])
	c.at(end).x = c.here()
}

// enterAtomic sets the region for the body of an atomic group and gives what ends it.
func (c *compiler) enterAtomic() func() {
	outer := c.region
	if c.region == regionTop {
		c.region = regionAtomic
	} else {
		c.region = regionWalk
		c.prog.budgeted = true // the same way may be walked again from every position
	}
	return func() { c.region = outer }
}

func (c *compiler) look(n *node) {
	body := n.subs[0]
	if c.peek(n, body) {
		return
	}
	keeps := !n.neg && body.captures()
	// Nothing inside leads back to a loop outside, so the answer depends on the position only.
	outer, nest, uncut := c.region, c.nest, c.uncut
	c.nest, c.uncut = nil, 0
	look := c.emit(inst{op: opLook, neg: n.neg, behind: n.behind, n: int32(min(body.lo, maxRepeat>>1)), keeps: keeps})
	c.region = regionLook
	if keeps {
		c.region = regionWalk
		c.prog.budgeted = true
	}
	c.node(body)
	c.emit(inst{op: opLookEnd})
	c.at(look).y = c.here()
	c.region, c.nest, c.uncut = outer, nest, uncut
}

// peek compiles look-arounds for a plain text or for one character: by far the most, and they
// need no stack.
func (c *compiler) peek(n, body *node) bool {
	if unit, ok := body.single(); ok {
		c.emit(inst{op: opPeekSet, set: c.set(unit), neg: n.neg, behind: n.behind})
		return true
	}
	if n.behind || body.op != nSeq || len(body.subs) == 0 {
		return false
	}
	var text []byte
	for _, s := range body.subs {
		if !s.plain() {
			return false
		}
		text = utf8.AppendRune(text, s.r)
	}
	c.emit(inst{op: opPeekStr, str: string(text), neg: n.neg})
	return true
}

func (n *node) captures() bool {
	if n.op == nGroup && n.group >= 0 {
		return true
	}
	for _, s := range n.subs {
		if s.captures() {
			return true
		}
	}
	return false
}
