package pattern

import (
	"slices"
	"sync/atomic"
)

// stepper makes one transition.
type stepper struct {
	*automaton
	symbol int
	prev   int    // symbol before
	from   uint8  // slot of the thread whose ways are followed
	bounds uint64 // passed on the way
	next   []thread
	came   []move // by index of next
	match  bool
	ends   move            // of the way that matched
	seen   map[thread]bool // ways at the position in front of the symbol
	then   map[thread]bool // and behind it
}

// transition makes the transition from the state at row with symbol. false: the backtracker has to
// take over.
func (a *automaton) transition(row, symbol int) bool {
	a.build.Lock()
	defer a.build.Unlock()
	at := row + symbol
	if a.table.Load().next[at] != 0 {
		return true
	}
	from := &a.state[row/a.width]
	s := stepper{automaton: a, symbol: symbol, prev: from.prev, seen: map[thread]bool{}, then: map[thread]bool{}}
	for _, t := range from.threads {
		s.from, t.slot = t.slot, 0
		s.bounds = 0
		if !s.thread(t) {
			break
		}
	}
	if len(s.next) > maxThreads {
		return false
	}
	prev := symbol
	if symbol == a.last {
		prev = int(a.class['\n'])
	}
	s.seat()
	to, ok := a.row(s.next, prev)
	if !ok {
		return false
	}
	t := *a.table.Load()
	more := transition{row: uint32(to)}
	state := to / a.width
	switch {
	case to == 0:
		more.flag = isDead
	case t.skip[state] != 0xff:
		more.flag = isSkip
	case t.text[state] != "":
		more.flag = isText
	}
	if s.match {
		more.flag |= isMatch
	}
	if moves := s.moves(); moves != nil {
		more.edge = uint32(len(t.moves))
		t.moves = append(t.moves, moves...)
		a.table.Store(&t)
	}
	next := uint32(to)
	if more.flag|uint8(min(more.edge, 1)) != 0 {
		next = isRich
		t.more[at] = more
	}
	atomic.StoreUint32(&t.next[at], next)
	return true
}

// seat gives the new threads their slots: each thread of the state before leaves its own to one
// of those that come from it, one that passed no bound if it can.
func (s *stepper) seat() {
	var taken [maxThreads]bool
	seated := make([]bool, len(s.next))
	for _, passed := range []bool{false, true} {
		for i := range s.next {
			if from := s.came[i].from; !seated[i] && !taken[from] && (s.came[i].bounds != 0) == passed {
				s.next[i].slot, taken[from], seated[i] = from, true, true
			}
		}
	}
	free := uint8(0)
	for i := range s.next {
		if seated[i] {
			continue
		}
		for taken[free] {
			free++
		}
		s.next[i].slot, taken[free] = free, true
	}
}

// moves is what has to be known to go back from the new threads; nil: nothing.
func (s *stepper) moves() []move {
	matters, seats := s.match, uint8(0)
	for _, t := range s.next {
		seats = max(seats, t.slot+1)
	}
	list := make([]move, 1+seats)
	list[0] = s.ends
	for i, t := range s.next {
		list[1+t.slot] = s.came[i]
		matters = matters || s.came[i] != move{from: t.slot}
	}
	if !matters {
		return nil
	}
	return list
}

// thread follows one thread of the state; false: it matched, and those behind it are of no
// interest.
func (s *stepper) thread(t thread) bool {
	if t.pc == restart {
		if !s.follow(thread{}) {
			return false
		}
		s.bounds = 0
		if s.symbol != s.end {
			s.reach(t)
		}
		return true
	}
	var alive bool
	if t.pend, alive = s.advance(t.pend); !alive {
		return true
	}
	return s.follow(t)
}

// reach adds a thread behind the symbol.
func (s *stepper) reach(t thread) {
	if s.then[t] {
		return
	}
	s.then[t] = true
	s.next = append(s.next, t)
	s.came = append(s.came, move{bounds: s.bounds, from: s.from})
}

// in reports whether the symbol is a character of the set.
func (s *stepper) in(c *charset, symbol int) bool {
	b, ok := s.char(symbol)
	return ok && c.table[b] != 0
}

func (s *stepper) char(symbol int) (byte, bool) {
	switch {
	case symbol == s.last:
		return '\n', true
	case symbol < 0 || symbol >= s.high:
		return 0, false
	}
	return s.bytes[symbol], true
}

// follow goes on from t, with all that comes in front of the symbol, in the backtracker's order.
// It returns false where it came to a match.
func (s *stepper) follow(t thread) bool {
	if s.seen[t] {
		return true // the way was gone before, by one that goes first
	}
	s.seen[t] = true
	in := &s.prog.ins[t.pc]
	on := thread{pc: t.pc + 1, took: t.took, pend: t.pend}
	switch in.op {
	case opChar:
		if b, ok := s.char(s.symbol); ok && b == in.c {
			s.reach(on)
		}
	case opStr:
		if b, ok := s.char(s.symbol); ok && b == in.str[t.n] {
			if int(t.n) < len(in.str)-1 {
				on = t
				on.n++
			}
			s.reach(on)
		}
	case opSet:
		if s.in(in.set, s.symbol) {
			s.reach(on)
		}
	case opLoop:
		return s.loop(in, t, on)
	case opSplit:
		mark := s.bounds
		if !s.follow(thread{pc: in.x, took: t.took, pend: t.pend}) {
			return false
		}
		s.bounds = mark
		return s.follow(thread{pc: in.y, took: t.took, pend: t.pend})
	case opJmp:
		on.pc = in.x
		return s.follow(on)
	case opSave:
		s.bounds |= 1 << in.n
		if i := slices.Index(s.bits, in.n>>1); i >= 0 && in.n&1 == 1 {
			on.took |= 1 << i
		}
		return s.follow(on)
	case opCond:
		on.pc = in.y
		if t.took>>slices.Index(s.bits, in.n)&1 != 0 {
			on.pc = in.x
		}
		return s.follow(on)
	case opAssert:
		return !s.holds(in) || s.follow(on)
	case opPeekSet:
		symbol := s.symbol
		if in.behind {
			symbol = s.prev
		}
		return s.in(in.set, symbol) == in.neg || s.follow(on)
	case opPeekStr:
		var alive bool
		on.pend, alive = s.promise(t.pend, t.pc)
		return !alive || s.follow(on)
	case opMatch:
		if t.pend != 0 {
			if s.symbol != s.end {
				s.reach(t) // it stands if what was promised comes true
			}
			return true
		}
		s.match, s.ends = true, move{bounds: s.bounds, from: s.from}
		return false
	}
	return true
}

// loop is one more turn of a loop, or its end, in the order of its mode.
func (s *stepper) loop(in *inst, t, on thread) bool {
	tail := s.tails[t.pc]
	over := t.n >= in.min
	if tail != nil {
		on.pc++ // that character was the last of the loop's
		over = t.n > 0
	}
	turn := func() {
		if !s.in(in.set, s.symbol) || in.max >= 0 && t.n >= in.max {
			return
		}
		again := t
		switch {
		case tail != nil && s.in(tail, s.symbol):
			again.n = 1
		case tail != nil:
			again.n = 0
		case in.max >= 0 || t.n < in.min:
			again.n++
		}
		s.reach(again)
	}
	if in.mode != lazy {
		turn()
	}
	if over {
		mark := s.bounds
		if !s.follow(on) {
			return false
		}
		s.bounds = mark
	}
	if in.mode == lazy {
		turn()
	}
	return true
}

// holds evaluates an assertion between prev and symbol.
func (s *stepper) holds(in *inst) bool {
	switch in.assert {
	case atStart:
		return s.prev == atFirst
	case atBegin:
		return s.prev == atFirst || s.prev == int(s.class['\n'])
	case atStop:
		return s.symbol == s.end
	case atEnd:
		return s.symbol == s.end || s.symbol == s.last || in.neg && s.symbol == int(s.class['\n'])
	}
	return (s.word(s.prev) != s.word(s.symbol)) == (in.assert == atWord)
}

func (s *stepper) word(symbol int) bool {
	b, ok := s.char(symbol)
	return ok && catWord.has(rune(b), false)
}

// advance shows the symbol to look-aheads that are not decided yet; false: one of them failed.
func (s *stepper) advance(set int32) (int32, bool) {
	if set == 0 {
		return 0, true
	}
	var left []pending
	for _, p := range s.pends[set] {
		q, open, ok := s.look(p)
		if !ok {
			return 0, false
		}
		if open {
			left = append(left, q)
		}
	}
	return s.number(left), true
}

// promise adds a look-ahead that begins in front of the symbol.
func (s *stepper) promise(set, pc int32) (int32, bool) {
	q, open, ok := s.look(pending{pc: pc})
	if !ok || !open {
		return set, ok
	}
	all := append(slices.Clone(s.pends[set]), q)
	slices.SortFunc(all, func(a, b pending) int { return int(a.pc-b.pc)<<8 + int(a.n-b.n) })
	return s.number(slices.Compact(all)), true
}

// look shows the symbol to one look-ahead: is it still open, and has it not failed.
func (s *stepper) look(p pending) (q pending, open, ok bool) {
	in := &s.prog.ins[p.pc]
	b, char := s.char(s.symbol)
	if !char || b != in.str[p.n] {
		return p, false, in.neg
	}
	p.n++
	if int(p.n) < len(in.str) {
		return p, true, true
	}
	return p, false, !in.neg
}

// number gives the number of a set of open look-aheads.
func (s *stepper) number(set []pending) int32 {
	for i, have := range s.pends {
		if slices.Equal(have, set) {
			return int32(i)
		}
	}
	s.pends = append(s.pends, set)
	return int32(len(s.pends) - 1)
}
