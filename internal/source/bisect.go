package source

import "strings"

// bisectBlock is what one probe reads; a stretch shorter than it is simply read.
const bisectBlock = 64 << 10

// bisect finds the beginning of a line in front of which everything is too old, not before
// from. Where a probe meets no line whose age is known, it takes the part in front of it, so
// that it skips too little rather than too much.
func (t *tail) bisect(from int64, tooOld func(string) (old, known bool)) int64 {
	t.order()
	size, _ := t.stat()
	buf := make([]byte, bisectBlock)
	lo, hi := from, size // lo begins a line
	for hi-lo > bisectBlock {
		mid := t.units.Whole(lo + (hi-lo)/2)
		n, err := pread(t.fd, buf, mid)
		if err != nil {
			return from
		}
		next, old := t.probe(buf[:n], tooOld)
		if old && mid+next <= hi {
			lo = mid + next
		} else {
			hi = mid
		}
	}
	return lo
}

// probe looks at the complete lines of a block, which begins at any character: whether the first
// one whose age is known is too old, and where the line behind it begins.
func (t *tail) probe(block []byte, tooOld func(string) (old, known bool)) (next int64, old bool) {
	at := t.units.Index(block) + t.units.Size()
	for at >= t.units.Size() {
		i := t.units.Index(block[at:])
		if i < 0 {
			return 0, false
		}
		text := strings.TrimRight(t.units.Text(block[at:at+i]), "\r")
		at += i + t.units.Size()
		if old, known := tooOld(text); known {
			return int64(at), old
		}
	}
	return 0, false
}
