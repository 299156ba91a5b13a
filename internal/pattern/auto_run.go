package pattern

import (
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
)

// autoUse says when a memory's searches use the automaton. Tests compare always and never.
type autoUse uint8

const (
	autoLater autoUse = iota // once the expression is searched for often
	autoAlways
	autoNever
)

// lazyAutomaton is an expression's automaton, made when it has been searched for warmUp times.
type lazyAutomaton struct {
	searches atomic.Int32
	once     sync.Once
	made     atomic.Pointer[automaton]
}

func (l *lazyAutomaton) get(p *program, use autoUse) *automaton {
	if a := l.made.Load(); a != nil && use != autoNever {
		return a
	}
	n := l.searches.Load()
	if use == autoNever || n > warmUp || n < warmUp && use == autoLater {
		if n < warmUp {
			l.searches.Store(n + 1) // an approximate count is enough
		}
		return nil
	}
	l.once.Do(func() {
		l.made.Store(newAutomaton(p))
		l.searches.Store(warmUp + 1)
	})
	return l.made.Load()
}

// note is where an edge that matters was passed.
type note struct{ pos, edge int32 }

// deterministic searches with the automaton. done is false where only the backtracker can.
func (m *Memory) deterministic(a *automaton, text string) (matched, done bool) {
	m.notes = m.notes[:0]
	m.caps = sized(m.caps, 2*a.prog.groups)
	for i := range m.caps {
		m.caps[i] = -1
	}
	best, n := -1, len(text)-1
	row := uint32(a.width)
	t := a.table.Load()
	for pos := 0; ; pos++ {
		next := t.next
		for pos < n {
			to := atomic.LoadUint32(&next[row+uint32(a.class[text[pos]])])
			if to == row { // most of a word: then the next look-up need not wait for this one
				pos++
				continue
			}
			if to-1 >= isRich-1 {
				break
			}
			row = to
			pos++
		}
		symbol := a.end
		if pos <= n {
			if symbol = int(a.class[text[pos]]); pos == n && text[pos] == '\n' {
				symbol = a.last
			}
		}
		at := row + uint32(symbol)
		to := atomic.LoadUint32(&next[at])
		if to == 0 {
			if symbol == a.high || !a.transition(int(row), symbol) {
				return false, false
			}
			to = atomic.LoadUint32(&a.table.Load().next[at])
		}
		row = to
		if to >= isRich || int(to) >= len(next) {
			t = a.table.Load() // it holds what others have found since
		}
		if to == isRich {
			more := &t.more[at]
			row = more.row
			if more.edge != 0 {
				if more.flag&isMatch != 0 {
					best = len(m.notes)
				}
				m.notes = append(m.notes, note{int32(pos), int32(more.edge)})
			}
			switch {
			case more.flag&isDead != 0:
				m.Steps += int64(pos)
				return best >= 0 && m.trace(t, best), true
			case more.flag&isSkip != 0:
				pos = skipTo(text, pos+1, n, t.skip[row/uint32(a.width)]) - 1
			case more.flag&isText != 0:
				state := row / uint32(a.width)
				if !strings.HasPrefix(text[min(pos+1, len(text)):], t.text[state]) {
					m.Steps += int64(pos)
					return best >= 0 && m.trace(t, best), true
				}
				pos += len(t.text[state])
				row = t.after[state]
			}
		}
		if pos > n {
			m.Steps += int64(pos)
			return best >= 0 && m.trace(t, best), true
		}
	}
}

// skipTo is where the byte stands from pos on, at most at n.
func skipTo(text string, pos, n int, stop byte) int {
	if pos >= n {
		return pos
	}
	if at := strings.IndexByte(text[pos:n], stop); at >= 0 {
		return pos + at
	}
	return n
}

// trace goes back from a match through the notes and gives the groups the bounds passed last.
func (m *Memory) trace(t *tables, best int) bool {
	seen := uint64(0)
	for i, way := best, 0; i >= 0; i-- {
		n := m.notes[i]
		move := &t.moves[int(n.edge)+way]
		for left := move.bounds &^ seen; left != 0; left &= left - 1 {
			m.caps[bits.TrailingZeros64(left)] = n.pos
		}
		seen |= move.bounds
		way = 1 + int(move.from)
	}
	return true
}
