package pattern

func (c *compiler) repeat(n *node) {
	body := n.subs[0]
	if unit, ok := body.single(); ok {
		c.repeatSingle(n, c.set(unit))
		return
	}
	if n.unrolled() > maxUnrolled || len(c.prog.ins) > maxUnrolled {
		c.counted(n, body)
		return
	}
	for range n.min {
		c.once(n, body)
	}
	if n.max < 0 {
		c.endless(n, body)
	} else if n.max > n.min {
		c.upTo(n, body, n.max-n.min)
	}
}

// unrolled estimates how many instructions n becomes.
func (n *node) unrolled() int {
	const tooMany = maxUnrolled + 1
	size := 3
	for _, s := range n.subs {
		size = min(tooMany, size+s.unrolled())
	}
	if n.op != nRepeat {
		return size
	}
	if _, ok := n.subs[0].single(); ok {
		return size
	}
	return min(tooMany, size*min(tooMany, max(n.min+1, n.max)))
}

// repeatSingle repeats one character. A loop without limit is one instruction only where the
// memo can mark its exits in one go: at the top level, outside of loops that can be empty.
func (c *compiler) repeatSingle(n *node, set *charset) {
	loop := inst{op: opLoop, set: set, min: int32(min(n.min, maxRepeat>>1)), max: int32(min(n.max, maxRepeat>>1)), mode: n.mode}
	if n.max >= 0 || c.uncut > 0 || c.region == regionTop && len(c.nest) == 0 {
		c.emit(loop)
		return
	}
	if n.min > 0 {
		loop.max, loop.mode = loop.min, possessive
		c.emit(loop)
	}
	if n.mode == possessive {
		c.emit(inst{op: opWhile, set: set})
		return
	}
	head := c.emit(inst{op: opSplit, head: true})
	body := c.emit(inst{op: opSet, set: set})
	c.emit(inst{op: opJmp, x: head})
	c.choose(head, body, c.here(), n.mode)
}

// choose sets which way a split goes first.
func (c *compiler) choose(pc, body, out int32, mode repeatMode) {
	in := c.at(pc)
	in.x, in.y, in.mode = body, out, mode
	if mode == lazy && in.op == opSplit {
		in.x, in.y = out, body
	}
}

// once compiles an iteration that has to be. A possessive loop never tries another way through
// an iteration that it has finished.
func (c *compiler) once(n, body *node) {
	if n.mode != possessive {
		c.node(body)
		return
	}
	defer c.enterAtomic()()
	c.emit(inst{op: opAtomic})
	c.node(body)
	c.emit(inst{op: opAtomicEnd})
}

// head emits the head of an iteration that may be: where the body can be empty, one that ends
// the loop after an empty iteration, as Python does.
func (c *compiler) head(body *node, slot int32, endless bool) int32 {
	if body.lo == 0 {
		return c.emit(inst{op: opIter, slot: slot, count: -1})
	}
	return c.emit(inst{op: opSplit, head: endless})
}

func (c *compiler) slot() int32 {
	s := int32(c.prog.slots)
	c.prog.slots++
	c.emit(inst{op: opEnter, n: s})
	return s
}

// inside compiles a loop's body, with the loop among those around if it can be empty.
func (c *compiler) inside(body *node, slot int32) {
	outer := c.nest
	if body.lo == 0 {
		c.nest = append(outer[:len(outer):len(outer)], live{slot: true, n: slot})
	}
	c.node(body)
	c.nest = outer
}

func (c *compiler) endless(n, body *node) {
	var slot int32
	if body.lo == 0 {
		slot = c.slot()
	}
	start := c.here()
	if n.mode == possessive {
		defer c.enterAtomic()()
		c.emit(inst{op: opAtomic})
	}
	head := c.head(body, slot, true)
	first := c.here()
	c.inside(body, slot)
	if n.mode == possessive {
		c.emit(inst{op: opAtomicEnd})
	}
	c.emit(inst{op: opJmp, x: start})
	c.choose(head, first, c.here(), n.mode)
	if n.mode == possessive {
		c.emit(inst{op: opAtomicEnd})
	}
}

func (c *compiler) upTo(n, body *node, times int) {
	var slot int32
	if body.lo == 0 {
		slot = c.slot()
	}
	if n.mode == possessive {
		defer c.enterAtomic()()
	}
	var heads, firsts []int32
	for range times {
		if n.mode == possessive {
			c.emit(inst{op: opAtomic})
		}
		heads = append(heads, c.head(body, slot, false))
		firsts = append(firsts, c.here())
		c.inside(body, slot)
		if n.mode == possessive {
			c.emit(inst{op: opAtomicEnd})
		}
	}
	if n.mode == possessive {
		// Behind the last iteration no barrier is open; the heads come out inside of one.
		over := c.emit(inst{op: opJmp})
		defer func() {
			end := c.emit(inst{op: opAtomicEnd})
			c.at(over).x = end + 1
		}()
	}
	for i, h := range heads {
		c.choose(h, firsts[i], c.here(), n.mode)
	}
}

// counted compiles a repetition that is too large to unroll: iterations are counted at run
// time. The count would belong to the memo's key, so inside there is none, and a budget.
func (c *compiler) counted(n, body *node) {
	c.prog.budgeted = true
	slot, count := c.slot(), c.slot()
	start := c.here()
	c.uncut++
	defer func() { c.uncut-- }()
	if n.mode == possessive {
		defer c.enterAtomic()()
		c.emit(inst{op: opAtomic})
	}
	head := c.emit(inst{op: opIter, slot: slot, count: count,
		min: int32(min(n.min, maxRepeat>>1)), max: int32(min(n.max, maxRepeat>>1))})
	first := c.here()
	c.node(body)
	if n.mode == possessive {
		c.emit(inst{op: opAtomicEnd})
	}
	c.emit(inst{op: opJmp, x: start})
	c.choose(head, first, c.here(), n.mode)
	if n.mode == possessive {
		c.emit(inst{op: opAtomicEnd})
	}
}
