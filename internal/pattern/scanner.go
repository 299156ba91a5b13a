package pattern

// scanLength is how much of a literal the scanner looks for: enough to be rare, and short
// texts keep the automaton small.
const scanLength = 8

// Scanner finds in one pass over a text which of many sets of literals it contains one of
// (Aho and Corasick 1975, as a table over classes of bytes). Immutable.
type Scanner struct {
	sets   int
	always []int      // sets without literals
	class  [256]uint8 // class 0: bytes in no literal
	width  int        // number of classes
	next   []uint32   // state*width + class → next state times width; outBit: it has output
	out    [][]int    // per state: the sets whose literal ends here
}

const outBit = 1 << 31

// NewScanner makes a scanner for sets, each the Literals of one expression. A nil or empty
// set, or an empty literal, is always hit.
func NewScanner(sets [][]string) *Scanner {
	s := &Scanner{sets: len(sets)}
	s.classes(sets)
	b := trie{width: s.width, children: make([]int, s.width), out: [][]int{nil}}
	for id, set := range sets {
		if quality(set) == 0 {
			s.always = append(s.always, id)
			continue
		}
		for _, lit := range set {
			b.add(lit[:min(len(lit), scanLength)], &s.class, id)
		}
	}
	b.link()
	s.out = b.out
	s.next = make([]uint32, len(b.children))
	for i, to := range b.children {
		s.next[i] = uint32(to * s.width)
		if len(b.out[to]) > 0 {
			s.next[i] |= outBit
		}
	}
	return s
}

// classes numbers the bytes that occur in literals.
func (s *Scanner) classes(sets [][]string) {
	var used [256]bool
	for _, set := range sets {
		for _, lit := range set {
			for i := range min(len(lit), scanLength) {
				used[lit[i]] = true
			}
		}
	}
	s.width = 1
	for b, u := range used {
		if u && s.width < 256 {
			s.class[b] = uint8(s.width)
			s.width++
		}
	}
}

// Scan sets hit[i] to whether text can match expression i: it contains one of the literals, or
// there are none. hit must have one element per set.
//
// Each state has to wait for the one before to come out of the cache; so four parts of the text
// are read at once, each as far into the next as a literal can reach: half the time on a log
// line.
func (s *Scanner) Scan(text string, hit []bool) {
	const reach = scanLength - 1
	clear(hit[:s.sets])
	for _, id := range s.always {
		hit[id] = true
	}
	if len(text) < 4*scanLength {
		s.scan(text, hit)
		return
	}
	part := (len(text) + 3*reach + 3) / 4
	a, b := text[:part], text[part-reach:][:part]
	c, d := text[2*(part-reach):][:part], text[len(text)-part:][:part]
	next, class := s.next, &s.class
	var w, x, y, z uint32
	for i := range part {
		w = next[w+uint32(class[a[i]])]
		x = next[x+uint32(class[b[i]])]
		y = next[y+uint32(class[c[i]])]
		z = next[z+uint32(class[d[i]])]
		if (w|x|y|z)&outBit != 0 {
			w, x, y, z = s.output(w, hit), s.output(x, hit), s.output(y, hit), s.output(z, hit)
		}
	}
}

func (s *Scanner) scan(text string, hit []bool) {
	state := uint32(0)
	for i := range len(text) {
		state = s.next[state+uint32(s.class[text[i]])]
		if state&outBit != 0 {
			state = s.output(state, hit)
		}
	}
}

// output notes what ends in the state, and gives it without the bit that says so.
func (s *Scanner) output(state uint32, hit []bool) uint32 {
	if state&outBit == 0 {
		return state
	}
	state &^= outBit
	for _, id := range s.out[int(state)/s.width] {
		hit[id] = true
	}
	return state
}

// trie becomes the automaton. children: state*width + class → state, 0 is none or the root.
type trie struct {
	width    int
	children []int
	out      [][]int
}

func (t *trie) add(lit string, class *[256]uint8, id int) {
	state := 0
	for i := range len(lit) {
		slot := state*t.width + int(class[lit[i]])
		if t.children[slot] == 0 {
			t.children[slot] = len(t.out)
			t.children = append(t.children, make([]int, t.width)...)
			t.out = append(t.out, nil)
		}
		state = t.children[slot]
	}
	t.out[state] = append(t.out[state], id)
}

// link completes the table: where a state has no child it goes where its longest proper
// suffix goes, breadth first, so that the suffix is complete already.
func (t *trie) link() {
	suffix := make([]int, len(t.out))
	queue := []int{0}
	for head := 0; head < len(queue); head++ {
		state := queue[head]
		for c := range t.width {
			slot := state*t.width + c
			child := t.children[slot]
			back := 0
			if state != 0 {
				back = t.children[suffix[state]*t.width+c]
			}
			if child == 0 {
				t.children[slot] = back
				continue
			}
			suffix[child] = back
			t.out[child] = append(t.out[child], t.out[back]...)
			queue = append(queue, child)
		}
	}
}
