package pattern

import "sync"

// lazyProgram is an expression's program, made when it is asked for first: making them all was a
// fifth of the start of a program that reads one log.
type lazyProgram struct {
	once   sync.Once
	made   *program
	tree   *node // nil since it is made
	groups int
	linear bool
}

func (l *lazyProgram) get() *program {
	l.once.Do(l.make)
	return l.made
}

func (l *lazyProgram) make() {
	l.made, l.tree = compile(l.tree, l.groups), nil
}

// budgeted is the program's. Nearly always the tree shows that it is not.
func (l *lazyProgram) budgeted() bool { return !l.linear && l.get().budgeted }

// widens reports a look-behind for texts of different lengths, which Python refuses.
func (n *node) widens() bool {
	if n.op == nLook && n.behind && n.subs[0].lo != n.subs[0].hi {
		return true
	}
	for _, s := range n.subs {
		if s.widens() {
			return true
		}
	}
	return false
}

// linear reports that no program of the tree needs a budget: it has nothing that compile, look or
// assignMemo give one for, and is so small that the memo holds it.
func (n *node) linear() bool {
	if loops := n.loops(); loops < maxLive && n.ordinary() && n.unrolled() < maxUnrolled/2 {
		return 2*n.choices()<<loops <= maxPlanes // two planes each, twice as many in each loop around
	}
	return false
}

// choices is how many instructions that choose the tree becomes, at most.
func (n *node) choices() int {
	sum := 0
	for _, s := range n.subs {
		sum += s.choices()
	}
	switch n.op {
	case nAlt:
		return sum + len(n.subs)
	case nLook:
		return sum + 1
	case nRepeat:
		if _, single := n.subs[0].single(); single {
			return 2
		}
		return (sum + 1) * max(n.min+1, n.max)
	}
	return sum
}

// ordinary reports that the tree has nothing whose future depends on more than the position.
func (n *node) ordinary() bool {
	switch n.op {
	case nRef, nCond, nAtomic:
		return false
	case nLook:
		if n.subs[0].captures() {
			return false
		}
	case nRepeat:
		if _, single := n.subs[0].single(); n.mode == possessive && !single {
			return false
		}
	}
	for _, s := range n.subs {
		if !s.ordinary() {
			return false
		}
	}
	return true
}

// loops is how deep repetitions of what can be empty stand in each other.
func (n *node) loops() int {
	deepest := 0
	for _, s := range n.subs {
		deepest = max(deepest, s.loops())
	}
	if n.op == nRepeat && n.subs[0].lo == 0 {
		deepest++
	}
	return deepest
}
