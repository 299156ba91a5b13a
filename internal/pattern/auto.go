package pattern

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// An automaton runs an expression without going back: it is in all of the backtracker's ways at
// once, in the order in which that would try them. A set of ways becomes a state when a text
// leads to it for the first time (lazily, as RE2's DFA), so a known text costs one look-up a
// byte. Which way is the match, and where its groups begin and end, is read from notes that
// are only taken where ways part, end or pass a group's bound.
//
// It reads ASCII. At any other character, and where the states run out, the backtracker does the
// whole search; so it does for what is not regular (backreferences) or rare (loops around what can
// be empty, look-around for more than a text, atomic groups).
type automaton struct {
	prog   *program
	class  [256]uint8 // byte → symbol; bytes above ASCII: high
	bytes  []byte     // symbol → one of its bytes
	high   int        // the symbol that is no ASCII
	last   int        // a newline that ends the text
	end    int        // the text's end
	width  int        // number of symbols
	tails  []*charset // by instruction, for a loop that is followed by a character of its set: that
	behind []bool     // by instruction: what is decided there depends on the character before
	bits   []int32    // groups that conditionals ask about

	table atomic.Pointer[tables]

	build sync.Mutex // guards what follows, and writing
	index map[string]int
	state []state
	pends [][]pending // sets of them by number; 0 is the empty one
}

const (
	maxStates  = 800 // of one expression: 12 bytes a symbol each, 350 KB at worst
	maxThreads = 60
	maxCount   = 200 // limits of counted loops: each count is a way of its own
	warmUp     = 24  // searches before states are built: most expressions are never searched
	goodSkip   = 4   // characters of a text that are compared at once
)

// What a state's row holds for a symbol is 0 while the transition is not known, the next state's
// row where there is nothing else to know about it, or isRich: then it is in more.
const isRich = 1 << 31

// transition is one with something to know about it.
type transition struct {
	row  uint32
	edge uint32 // where its moves begin; 0: the way back is straight
	flag uint8
}

const (
	isMatch = 1 << iota // a match ends in front of the character
	isDead              // there is no next state
	isSkip              // in the next state nothing changes up to a byte
	isText              // there is one way on: a text
)

// tables are what searches read. They are replaced by larger ones, and only written where nothing
// was known.
type tables struct {
	next  []uint32     // row + symbol
	more  []transition // the same
	skip  []byte       // by number of a state: the byte up to which nothing changes
	text  []string     // the text that it has to go on with
	after []uint32     // row of the state behind that
	moves []move       // of an edge: of the way that matched, and of each slot
}

// thread is one way of a state: where it is, and what else its future depends on. It keeps its
// slot as long as it goes on, so that nothing has to be noted then.
type thread struct {
	pc   int32  // restart: nowhere yet, a match may begin at any character to come
	n    int32  // characters of opStr that matched, turns of opLoop
	took uint32 // conditionals' groups that took part
	pend int32  // look-aheads that are not decided yet
	slot uint8
}

const restart = -1

// pending is a look-ahead of which n characters were seen.
type pending struct{ pc, n int32 }

type state struct {
	threads []thread
	prev    int // symbol before, where it matters; noSymbol
}

const (
	noSymbol = -1
	atFirst  = -2 // instead of a symbol: the text's start
)

// move tells where a way behind a transition came from, and which bounds it passed. All of them are
// at the position in front of the transition's character.
type move struct {
	bounds uint64
	from   uint8 // its slot
}

// newAutomaton gives nil for what it cannot run.
func newAutomaton(p *program) *automaton {
	a := &automaton{prog: p, index: map[string]int{}, pends: [][]pending{nil}}
	for pc := range p.ins {
		if !a.runs(&p.ins[pc]) {
			return nil
		}
	}
	if len(a.bits) > 32 || 2*p.groups > 64 || a.looped() {
		return nil
	}
	a.symbols()
	a.lookBehind()
	a.findTails()
	a.table.Store(&tables{moves: []move{{}}})
	a.add(nil, noSymbol) // state 0 is dead
	start := thread{}
	if !p.anchored {
		start.pc = restart
	}
	a.add([]thread{start}, atFirst)
	return a
}

// runs reports whether the automaton can run an instruction.
func (a *automaton) runs(in *inst) bool {
	switch in.op {
	case opChar, opStr, opSet, opSplit, opJmp, opSave, opAssert, opPeekSet, opMatch, opFail:
		return true
	case opPeekStr:
		return len(in.str) > 0
	case opLoop:
		return (in.mode != possessive || in.auto || in.min == in.max) && in.min <= maxCount && in.max <= maxCount
	case opCond:
		a.bits = append(a.bits, in.n)
		return !in.keeps
	}
	return false
}

// looped reports whether a group that a conditional asks about can be entered twice: then whether
// it took part is more than one bit.
func (a *automaton) looped() bool {
	for pc := range a.prog.ins {
		if in := &a.prog.ins[pc]; in.op == opSave && slices.Contains(a.bits, in.n>>1) && a.prog.returns(pc) {
			return true
		}
	}
	return false
}

// returns reports whether pc can be reached again from behind it.
func (p *program) returns(pc int) bool {
	seen := make([]bool, len(p.ins))
	list, n := p.next(pc)
	todo := append([]int32(nil), list[:n]...)
	for len(todo) > 0 {
		at := int(todo[len(todo)-1])
		todo = todo[:len(todo)-1]
		if at == pc {
			return true
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		list, n := p.next(at)
		todo = append(todo, list[:n]...)
	}
	return false
}

// symbols puts bytes that no instruction tells apart into one symbol.
func (a *automaton) symbols() {
	var sign [utf8.RuneSelf][]byte
	split := func(in func(b byte) bool) {
		for b := range byte(utf8.RuneSelf) {
			bit := byte('0')
			if in(b) {
				bit = '1'
			}
			sign[b] = append(sign[b], bit)
		}
	}
	one := func(c byte) { split(func(b byte) bool { return b == c }) }
	one('\n')
	seen := map[*charset]bool{}
	chars := map[byte]bool{}
	for pc := range a.prog.ins {
		in := &a.prog.ins[pc]
		switch {
		case in.set != nil && !seen[in.set]:
			seen[in.set] = true
			split(func(b byte) bool { return in.set.table[b] != 0 })
		case in.op == opChar:
			chars[in.c] = true
		case in.op == opStr || in.op == opPeekStr:
			for i := range len(in.str) {
				chars[in.str[i]] = true
			}
		case in.op == opAssert && (in.assert == atWord || in.assert == atNotWord):
			split(func(b byte) bool { return catWord.has(rune(b), false) })
		}
	}
	for c := range chars {
		one(c)
	}
	number := map[string]uint8{}
	for b := range sign {
		n, ok := number[string(sign[b])]
		if !ok {
			n = uint8(len(a.bytes))
			number[string(sign[b])] = n
			a.bytes = append(a.bytes, byte(b))
		}
		a.class[b] = n
	}
	a.high = len(a.bytes)
	a.last, a.end, a.width = a.high+1, a.high+2, a.high+3
	for b := utf8.RuneSelf; b < len(a.class); b++ {
		a.class[b] = uint8(a.high)
	}
}

// lookBehind marks the instructions from which one that looks at the character before is reached
// without passing a character.
func (a *automaton) lookBehind() {
	ins := a.prog.ins
	a.behind = make([]bool, len(ins))
	for changed := true; changed; {
		changed = false
		for pc := len(ins) - 1; pc >= 0; pc-- {
			in := &ins[pc]
			is := false
			switch in.op {
			case opAssert:
				is = in.assert != atEnd && in.assert != atStop || a.behind[pc+1]
			case opPeekSet:
				is = in.behind || a.behind[pc+1]
			case opChar, opStr, opSet, opMatch, opFail:
			case opLoop:
				is = a.behind[pc+1]
			default:
				list, n := a.prog.next(pc)
				for _, to := range list[:n] {
					is = is || a.behind[to]
				}
			}
			if is && !a.behind[pc] {
				a.behind[pc], changed = true, true
			}
		}
	}
}

// findTails finds loops such as that of \S*\w: it is one loop that may end behind a \w, which
// saves a way that begins at each character.
func (a *automaton) findTails() {
	ins := a.prog.ins
	a.tails = make([]*charset, len(ins))
	for pc := range ins {
		in := &ins[pc]
		if in.op != opLoop || in.min != 0 || in.max >= 0 || in.mode == possessive || ins[pc+1].op != opSet {
			continue
		}
		tail, within := ins[pc+1].set, true
		for b := range utf8.RuneSelf {
			within = within && tail.table[b] <= in.set.table[b]
		}
		if within {
			a.tails[pc] = tail
		}
	}
}

// row gives the state of the threads, and makes it where there is none; false: too many.
func (a *automaton) row(threads []thread, prev int) (int, bool) {
	if len(threads) == 0 {
		return 0, true
	}
	needs := false
	for _, t := range threads {
		needs = needs || a.behind[max(t.pc, 0)]
	}
	if !needs {
		prev = noSymbol
	}
	key := make([]byte, 0, 17*len(threads)+2)
	key = binary.LittleEndian.AppendUint16(key, uint16(prev))
	for _, t := range threads {
		key = binary.LittleEndian.AppendUint32(key, uint32(t.pc))
		key = binary.LittleEndian.AppendUint32(key, uint32(t.n))
		key = binary.LittleEndian.AppendUint32(key, t.took)
		key = binary.LittleEndian.AppendUint32(key, uint32(t.pend))
		key = append(key, t.slot)
	}
	n, ok := a.index[string(key)]
	if !ok {
		if len(a.state) >= maxStates {
			return 0, false
		}
		n = a.add(threads, prev)
		a.index[string(key)] = n
	}
	return n * a.width, true
}

// add appends a state.
func (a *automaton) add(threads []thread, prev int) int {
	n := len(a.state)
	a.state = append(a.state, state{threads: threads, prev: prev})
	t := *a.table.Load()
	if need := len(a.state) * a.width; need > len(t.next) {
		size := max(need, 2*len(t.next))
		t.next = append(make([]uint32, 0, size), t.next...)[:size]
		t.more = append(make([]transition, 0, size), t.more...)[:size]
	}
	skip, text, pc := a.shortcut(threads, prev)
	t.skip, t.text, t.after = append(t.skip, skip), append(t.text, text), append(t.after, 0)
	a.table.Store(&t)
	if text == "" {
		return n
	}
	// The state behind the text is the only one that the text leads to.
	on := threads[0]
	on.pc, on.n = pc, 0
	after, ok := a.row([]thread{on}, int(a.class[text[len(text)-1]]))
	t = *a.table.Load()
	if !ok {
		t.text[n] = ""
		return n
	}
	t.after[n] = uint32(after)
	a.table.Store(&t)
	return n
}

// shortcut says what a state with one thread can do at once: pass all up to a byte (no shortcut: 0xff),
// or compare a text, behind which it is at pc.
func (a *automaton) shortcut(threads []thread, prev int) (skip byte, text string, pc int32) {
	const none = 0xff
	if len(threads) != 1 || prev != noSymbol || threads[0].pc == restart || threads[0].pend != 0 {
		return none, "", 0
	}
	t := threads[0]
	switch in := &a.prog.ins[t.pc]; {
	case in.op == opLoop && in.plain && in.set.stop >= 0 && t.n >= in.min:
		return byte(in.set.stop), "", 0
	case in.op == opStr && len(in.str)-int(t.n) >= goodSkip:
		return none, in.str[t.n:], t.pc + 1
	}
	return none, "", 0
}
