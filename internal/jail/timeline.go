package jail

// timeline holds places of a table in the order of a time, as a heap. The zero value is ready.
type timeline struct{ heap []int32 }

// timed is a table with a timeline.
type timed interface {
	// before says whether a comes before b. Equal times go by id, so that what leaves first does
	// not depend on chance.
	before(a, b int32) bool
	// moved notes where in the heap an entry is.
	moved(at int32, pos int)
}

func (l *timeline) add(t timed, at int32) {
	l.heap = append(l.heap, at)
	l.up(t, len(l.heap)-1)
}

// fix puts right the entry at a place of the heap whose time has changed.
func (l *timeline) fix(t timed, pos int) {
	if !l.down(t, pos) {
		l.up(t, pos)
	}
}

// drop takes out the entry at a place of the heap.
func (l *timeline) drop(t timed, pos int) {
	last := len(l.heap) - 1
	l.heap[pos] = l.heap[last]
	l.heap = l.heap[:last]
	if pos < last {
		l.fix(t, pos)
	}
}

// first is the entry with the earliest time; false: the timeline is empty.
func (l *timeline) first() (at int32, ok bool) {
	if len(l.heap) == 0 {
		return 0, false
	}
	return l.heap[0], true
}

func (l *timeline) up(t timed, pos int) {
	at := l.heap[pos]
	for pos > 0 {
		parent := (pos - 1) / 2
		if !t.before(at, l.heap[parent]) {
			break
		}
		l.put(t, pos, l.heap[parent])
		pos = parent
	}
	l.put(t, pos, at)
}

func (l *timeline) down(t timed, pos int) (moved bool) {
	at := l.heap[pos]
	for {
		child := 2*pos + 1
		if child >= len(l.heap) {
			break
		}
		if child+1 < len(l.heap) && t.before(l.heap[child+1], l.heap[child]) {
			child++
		}
		if !t.before(l.heap[child], at) {
			break
		}
		l.put(t, pos, l.heap[child])
		pos, moved = child, true
	}
	l.put(t, pos, at)
	return moved
}

func (l *timeline) put(t timed, pos int, at int32) {
	l.heap[pos] = at
	t.moved(at, pos)
}
