package pattern

// op is an instruction of the matcher. Positions are byte offsets.
type op uint8

const (
	opChar      op = iota // one byte c
	opStr                 // str
	opSet                 // one code point of set
	opSplit               // try x, then y
	opIter                // head of a loop whose body can be empty: x body, y out
	opWhile               // set matches: x, else y; never gives back
	opLoop                // one code point of set, min to max times
	opJmp                 // x
	opSave                // n: which bound of which group
	opEnter               // a loop is entered anew: slot n forgets
	opAssert              // zero-width test
	opPeekStr             // look-ahead for str
	opPeekSet             // look for one code point of set, ahead or behind
	opLook                // look-around: body follows, n code points back, y behind it
	opLookEnd             // the body matched
	opAtomic              // what is tried up to opAtomicEnd is not tried otherwise later
	opAtomicEnd           //
	opRef                 // text of group n again
	opCond                // x if group n took part, else y
	opFail
	opMatch
)

// region says what it means to come again to a state that was explored before. At the top
// level it failed, or the search would be over. Inside of a look-around or an atomic group it
// may also have led to the end of that group.
type region uint8

const (
	regionTop    region = iota
	regionLook          // it matched then: the look-around matches now
	regionAtomic        // the group committed to it then, and what followed failed
	regionWalk          // nested cases and captures: walk the same way again
)

// inst is one instruction. Which fields it uses depends on op.
type inst struct {
	op     op
	c      byte
	assert assertion
	mode   repeatMode
	region region
	neg    bool
	behind bool
	ascii  bool
	fold   bool
	head   bool // opSplit at the head of a loop: always remembered, so that loops stay linear
	plain  bool // opLoop: as many as there are, none of them given back, at least one or none
	auto   bool // opLoop: possessive because giving back would not help, not as written
	few    bool // opLoop: up to max of them, none given back
	keeps  bool // opLook: its body has groups whose bounds outlive it
	memo   int32
	states int32 // planes of the memo per answer, a power of two
	x, y   int32
	n      int32
	min    int32
	max    int32
	slot   int32 // opIter: where the iteration began
	count  int32 // opIter: slot of the counter, -1: none
	set    *charset
	str    string
	live   []live
	first  *decision
	follow *firstSet // opLoop: what can come behind it
}

// live is a fact besides the position that the future of a state depends on: whether group n
// took part (a conditional asks later), or whether slot n holds this very position (the
// iteration was empty so far).
type live struct {
	slot bool
	n    int32
}

// program is a compiled expression. Immutable.
type program struct {
	ins      []inst
	groups   int // with group 0
	slots    int
	planes   int // of the memo, one bit per position each
	budgeted bool
	anchored bool // can only match at the start of the text
	lines    bool // can only match at the start of a line
	first    *firstSet
	prefix   string // every match begins with it
}
