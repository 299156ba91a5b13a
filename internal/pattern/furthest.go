package pattern

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Stop is how far a search came that found nothing: the attempt that took most of the text for
// what the expression says literally. `.*` takes anything, so what it takes counts for nothing.
type Stop struct {
	At      int  // where it stopped: bytes into the text
	Expr    int  // what was expected there: bytes into the expression
	Literal int  // how many characters of the text stood literally in the expression
	Cut     bool // the text is too long to tell: what was found out until then
}

// maxTraced bounds how many states Furthest looks at: some ten milliseconds.
const maxTraced = 100_000

// Furthest follows every way a search of the expression can go on the text, and returns the one
// that came furthest. It is for explaining and slow; Search finds matches. What an atomic group
// or a possessive loop would not give back is given back here. The error is a *SyntaxError.
func Furthest(expr string, o Options, text string) (Stop, error) {
	t, err := follow(expr, o, text)
	if err != nil {
		return Stop{}, err
	}
	s := Stop{At: t.best.pos, Literal: t.best.literal, Cut: *t.left <= 0}
	s.Expr = len(string([]rune(expr)[:max(t.best.from, 0)]))
	return s, nil
}

// follow goes every way from every place of the text.
func follow(expr string, o Options, text string) (*tracer, error) {
	var f flag
	if o.Multiline {
		f |= flagM
	}
	if o.IgnoreCase {
		f |= flagI
	}
	tree, _, err := parse(expr, f)
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	left := maxTraced
	t := &tracer{text: text, left: &left, steps: map[step]*step{}, seen: map[place]int{}, sets: map[*node]*charset{}}
	t.best.at = -1
	for from := 0; from <= len(text) && *t.left > 0; from += runeLen(text, from) {
		t.explore(tree, from)
	}
	return t, nil
}

// runeLen is how many bytes the character at pos has, 1 at the end.
func runeLen(text string, pos int) int {
	if pos >= len(text) {
		return 1
	}
	_, w := utf8.DecodeRuneInString(text[pos:])
	return w
}

// step is a piece of the expression with what comes behind it. Equal ones are one, so that the
// tracer sees where it has been.
type step struct {
	n     *node
	part  int // of a sequence: the next item; of a loop: how often its body matched, as far as that matters
	close int // group to close instead; 0: none
	next  *step
}

type place struct {
	s   *step
	pos int
}

// attempt is one way of matching, up to a place.
type attempt struct {
	place
	literal   int
	from      int  // where the piece that begins at entry begins in the expression
	entry     int  // where in the text the outermost piece that is tried now began
	literally bool // the last character was taken by a literal one
	caps      *capture
}

// capture is a bound of a group, newest first.
type capture struct {
	group, pos int
	open       bool
	older      *capture
}

// failure is where an attempt ended.
type failure struct {
	pos, literal, at, from int
	within                 bool // behind literal characters, of which it is the next
}

type tracer struct {
	text  string
	left  *int
	steps map[step]*step
	seen  map[place]int // with so many literal characters
	sets  map[*node]*charset
	todo  []attempt
	best  failure
	found bool
}

func (t *tracer) step(s step) *step {
	if known := t.steps[s]; known != nil {
		return known
	}
	t.steps[s] = &s
	return &s
}

// explore follows all ways from one place.
func (t *tracer) explore(tree *node, from int) {
	t.todo = append(t.todo[:0], attempt{place: place{t.step(step{n: tree}), from}, entry: -1})
	for len(t.todo) > 0 && *t.left > 0 {
		*t.left--
		a := t.todo[len(t.todo)-1]
		t.todo = t.todo[:len(t.todo)-1]
		if a.s == nil {
			t.found = true
			continue
		}
		if before, seen := t.seen[a.place]; seen && before >= a.literal {
			continue
		}
		t.seen[a.place] = a.literal
		t.follow(a)
	}
}

// to goes on with s at pos. The last one said is the first one tried.
func (t *tracer) to(a attempt, s *step) { a.s = s; t.todo = append(t.todo, a) }

func (t *tracer) follow(a attempt) {
	s := a.s
	n, next := s.n, s.next
	if s.close > 0 {
		a.caps = &capture{group: s.close, pos: a.pos, older: a.caps}
		t.to(a, next)
		return
	}
	if a.entry != a.pos && s.begins() {
		a.entry, a.from = a.pos, n.at
	}
	switch n.op {
	case nSeq:
		if s.part == len(n.subs) {
			t.to(a, next)
			return
		}
		t.to(a, t.step(step{n: n.subs[s.part], next: t.step(step{n: n, part: s.part + 1, next: next})}))
	case nAlt:
		for i := len(n.subs) - 1; i >= 0; i-- {
			t.to(a, t.step(step{n: n.subs[i], next: next}))
		}
	case nGroup:
		if n.group > 0 {
			a.caps = &capture{group: n.group, pos: a.pos, open: true, older: a.caps}
			next = t.step(step{n: n, close: n.group, next: next})
		}
		t.to(a, t.step(step{n: n.subs[0], next: next}))
	case nAtomic:
		t.to(a, t.step(step{n: n.subs[0], next: next}))
	case nRepeat:
		t.repeat(a)
	case nCond:
		t.condition(a)
	default:
		t.leaf(a)
	}
}

// begins says whether a piece made of others begins here: where its first one fails, all of it
// was expected.
func (s *step) begins() bool {
	switch s.n.op {
	case nAlt, nGroup, nCond:
		return true
	case nRepeat:
		return s.part == 0
	}
	return false
}

func (t *tracer) repeat(a attempt) {
	s, n := a.s, a.s.n
	again := func() {
		if n.max >= 0 && s.part >= n.max {
			return
		}
		done := s.part + 1
		if n.max < 0 {
			done = min(done, max(n.min, 1))
		}
		t.to(a, t.step(step{n: n.subs[0], next: t.step(step{n: n, part: done, next: s.next})}))
	}
	if n.mode == lazy {
		again()
	}
	if s.part >= n.min {
		out := a
		if s.part == 0 && a.from == n.at {
			out.entry = -1 // what follows an optional piece is expected by itself
		}
		t.to(out, s.next)
	}
	if n.mode != lazy {
		again()
	}
}

func (t *tracer) condition(a attempt) {
	n, branch := a.s.n, 1
	if _, took := t.group(a, n.group); took {
		branch = 0
	}
	if branch >= len(n.subs) {
		t.to(a, a.s.next)
		return
	}
	t.to(a, t.step(step{n: n.subs[branch], next: a.s.next}))
}

// group is the text that a group took.
func (t *tracer) group(a attempt, group int) (text string, took bool) {
	end := -1
	for c := a.caps; c != nil; c = c.older {
		switch {
		case c.group != group:
		case !c.open && end < 0:
			end = c.pos
		case c.open && end >= 0:
			return t.text[c.pos:end], true
		}
	}
	return "", false
}

// leaf tries what has no parts to go on with.
func (t *tracer) leaf(a attempt) {
	n, ok := a.s.n, false
	switch n.op {
	case nAssert:
		ok = t.holds(n, a.pos)
	case nLook:
		ok = t.look(n, a.pos) != n.neg
	case nRef:
		was, took := t.group(a, n.group)
		if ok = took && strings.HasPrefix(t.text[a.pos:], was); ok {
			a.pos += len(was)
		}
	default:
		if ok = t.takes(n, a.pos); ok {
			a.pos += runeLen(t.text, a.pos)
			if a.literally = n.op == nLit; a.literally {
				a.literal++
			}
		}
	}
	if ok {
		t.to(a, a.s.next)
		return
	}
	f := failure{pos: a.pos, literal: a.literal, at: n.at, from: n.at, within: a.literally && n.op == nLit}
	if a.entry == a.pos {
		f.from = a.from
	}
	if t.best.before(f) {
		t.best = f
	}
}

// before says whether g came further: by what it took literally, else by what it had matched of
// the expression, else by where in the text it stands. Where a word broke off, the first such
// place is the telling one: in "for root with 192.0.2.1 port" `.* from ` breaks off at "with".
func (f failure) before(g failure) bool {
	switch {
	case f.literal != g.literal:
		return f.literal < g.literal
	case f.at != g.at:
		return f.at < g.at
	}
	return g.within == (g.pos < f.pos) && f.pos != g.pos
}

// takes says whether a node of one character takes the one at pos.
func (t *tracer) takes(n *node, pos int) bool {
	if pos >= len(t.text) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(t.text[pos:])
	if n.plain() {
		return r == n.r
	}
	s := t.sets[n]
	if s == nil {
		s = setOf(n)
		t.sets[n] = s
	}
	return s.has(r)
}

func (t *tracer) holds(n *node, pos int) bool {
	m := Memory{text: t.text}
	return m.assert(&inst{assert: n.assertion(), ascii: n.flags&flagA != 0, neg: n.flags&flagM != 0}, pos)
}

// look says whether the body of a look-around matches at pos, or up to pos.
func (t *tracer) look(n *node, pos int) bool {
	inner := &tracer{text: t.text, left: t.left, steps: map[step]*step{}, seen: map[place]int{}, sets: t.sets}
	if n.behind {
		for range n.subs[0].lo {
			if pos == 0 {
				return false
			}
			_, w := utf8.DecodeLastRuneInString(t.text[:pos])
			pos -= w
		}
	}
	inner.explore(n.subs[0], pos)
	return inner.found
}

// Origin says where what stands at a byte of Expand(expr, o) comes from in expr: what a tag
// stands for, at the tag.
func Origin(expr string, o TagOptions, at int) int {
	from := 0
	for {
		begin, end := nextTag(expr[from:])
		if end == 0 {
			break
		}
		begin, end = from+begin, from+end
		if size := len(Expand(expr[:begin], o)); at < size {
			return near(expr[from:begin], at-(size-len(expr[from:begin]))) + from
		}
		if from = end; at < len(Expand(expr[:end], o)) {
			return begin
		}
	}
	rest := expr[from:]
	return from + near(rest, at-(len(Expand(expr, o))-len(rest)))
}

// near is at, as far as it lies in text: rewritten flags may have moved it a little.
func near(text string, at int) int {
	at = min(max(at, 0), len(text))
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}
