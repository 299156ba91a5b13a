package pattern

// stepBudget is how many steps a search may take where linear time cannot be promised.
const stepBudget = 500_000

// Memory is what a search works in, to be used again for the next one: then searching
// allocates nothing. The zero value is ready. One goroutine at a time.
//
// Its largest parts are the memo, one bit per byte of text and per way the expression can
// choose (8 KiB × planes for a line of 64 KiB: below 2 MiB for all filters that fail2ban ships,
// 16 MiB at most for any), and the stack, at most some 16 bytes per byte and group of a loop
// around single characters. What a long line made them grow to is given back after the search.
type Memory struct {
	// Steps that the last search took: instructions, characters scanned, frames taken back.
	Steps int64

	prog   *program
	text   string
	limit  int64
	active bool // the memo is in use
	eager  bool // tests: from the first step on
	auto   autoUse
	notes  []note
	solo   bool // what is tried while the stack is empty is tried once: nothing will be taken back
	caps   []int32
	slots  []int32
	stack  []frame
	bar    int32 // top barrier (look-around, atomic group) on the stack, -1: none
	memo   []uint64
	used   []bool // planes that hold marks of a loop's exits
}

// frame is what to do when everything tried since has failed.
type frame struct {
	kind frameKind
	pc   int32
	pos  int32
	aux  int32
}

type frameKind int32

const (
	frameAlt    frameKind = iota // go on at pc, pos
	frameCap                     // bound pc was pos
	frameSlot                    // slot pc was pos
	frameFail                    // state (plane pc, pos) has failed: remember
	frameLook                    // barrier of look-around pc, begun at pos; aux: barrier below
	frameAtomic                  // barrier of an atomic group; aux: barrier below
	frameIter                    // lazy loop pc: now the body
	frameGreedy                  // loop pc: next exit at pos or below, aux at the lowest
	frameLazy                    // loop pc: next exit behind pos; aux: how many more, -1 any
)

// reset makes the memory ready for one search.
func (m *Memory) reset(p *program, text string) {
	m.prog, m.text, m.Steps = p, text, 0
	m.active, m.solo = false, p.anchored
	m.limit = patience(text)
	m.caps = sized(m.caps, 2*p.groups)
	for i := range m.caps {
		m.caps[i] = -1
	}
	m.slots = sized(m.slots, p.slots)
	if m.eager {
		m.limit = 0
	}
}

// patience is how many steps a search takes before it begins to use the memo. Nearly every search
// is over by then, and the memo costs as much as the rest of it. States from before are explored
// once more at most, so the time stays linear.
func patience(text string) int64 { return 256 + 4*int64(len(text)) }

// late is called when limit is reached; false: the budget has run out.
func (m *Memory) late() bool {
	if m.active {
		return false
	}
	p := m.prog
	m.active, m.limit = true, 1<<62
	if p.budgeted {
		m.limit = stepBudget
	}
	m.memo = sized(m.memo, (p.planes*(len(m.text)+1)+63)/64)
	clear(m.memo)
	m.used = sized(m.used, p.planes)
	clear(m.used)
	return m.Steps <= m.limit
}

// rest lets go of the text, which an idle memory must not keep alive, and of what only a very
// long line needed.
func (m *Memory) rest() {
	const keep = 1 << 20 // bytes
	m.text = ""
	if cap(m.memo) > keep/8 {
		m.memo = nil
	}
	if cap(m.stack) > keep/16 {
		m.stack = nil
	}
	if cap(m.notes) > keep/8 {
		m.notes = nil
	}
}

// sized gives s n elements of any value, in the same memory where it suffices.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

func (m *Memory) push(kind frameKind, pc, pos, aux int) {
	m.stack = append(m.stack, frame{kind, int32(pc), int32(pos), int32(aux)})
}

func (m *Memory) setCap(n int32, pos int) {
	m.push(frameCap, int(n), int(m.caps[n]), 0)
	m.caps[n] = int32(pos)
}

func (m *Memory) setSlot(n int32, v int32) {
	m.push(frameSlot, int(n), int(m.slots[n]), 0)
	m.slots[n] = v
}

// took reports whether group g took part in the match so far. Python compares the bounds: in
// a group that is open again the old end may lie before the new start.
func (m *Memory) took(g int32) bool {
	return m.caps[2*g] >= 0 && m.caps[2*g+1] >= m.caps[2*g]
}

// plane gives the plane of the memo for in, in the present state.
func (m *Memory) plane(in *inst, pos int) int {
	plane := int(in.memo)
	for i, l := range in.live {
		if l.slot && int(m.slots[l.n]) == pos || !l.slot && m.took(l.n) {
			plane += 1 << i
		}
	}
	return plane
}

func (m *Memory) marked(plane, pos int) bool {
	k := plane*(len(m.text)+1) + pos
	return m.memo[k>>6]>>(k&63)&1 != 0
}

func (m *Memory) mark(plane, pos int) {
	k := plane*(len(m.text)+1) + pos
	m.memo[k>>6] |= 1 << (k & 63)
}

// markRange marks the positions from lo to hi, both included.
func (m *Memory) markRange(plane, lo, hi int) {
	base := plane * (len(m.text) + 1)
	a, b := base+lo, base+hi
	i, j := a>>6, b>>6
	first, last := ^uint64(0)<<(a&63), ^uint64(0)>>(63-b&63)
	if i == j {
		m.memo[i] |= first & last
		return
	}
	m.memo[i] |= first
	for k := i + 1; k < j; k++ {
		m.memo[k] = ^uint64(0)
	}
	m.memo[j] |= last
}

// verdict is what the memo knows about a state.
type verdict uint8

const (
	fresh     verdict = iota // not been there, or its result is of no use: go on
	failed                   // no match that way
	holds                    // the look-around around matches
	committed                // the atomic group around would end as it did, and that failed
)

// enter asks the memo about the state (in, pos) and marks it as visited.
func (m *Memory) enter(in *inst, pos int) verdict {
	if in.memo < 0 || !m.active {
		return fresh
	}
	plane := int(in.memo)
	if in.live != nil {
		plane = m.plane(in, pos)
	}
	been := m.marked(plane, pos)
	if in.region == regionTop {
		if been {
			return failed
		}
		m.mark(plane, pos)
		return fresh
	}
	lost := plane + int(in.states)
	switch {
	case !been:
		m.mark(plane, pos)
	case m.marked(lost, pos):
		return failed
	case in.region == regionLook:
		return holds
	case in.region == regionAtomic:
		return committed
	}
	m.push(frameFail, lost, pos, 0)
	return fresh
}
