package filter

// heads are the failregexes by the first byte of the texts they match. Where prefregex cuts the
// text out and each failregex begins with a word of its own, that tells as much as looking for their
// literals does, and costs nothing.
type heads [256][]uint16

// newHeads gives nil where failregexes match anywhere, or what begins with anything.
func newHeads(rules []*rule) *heads {
	h := new(heads)
	for i, r := range rules {
		// A search with a budget must not be begun in vain: it may be given up.
		b := r.re.Begin()
		if !b.Anchored || !b.Few() || r.re.Bounded() {
			return nil
		}
		for c := range h {
			if b.Has(byte(c)) {
				h[c] = append(h[c], uint16(i))
			}
		}
	}
	return h
}

// sift is what sieve.sift is, for the text behind prefregex.
func (h *heads) sift(text string, hit []bool) {
	clear(hit)
	if text == "" {
		return
	}
	for _, i := range h[text[0]] {
		hit[i] = true
	}
}
