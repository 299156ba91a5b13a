package pattern

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// Finder looks for one text, eight places at once: at each it compares three bytes, those of the
// text that are rarest in logs. strings.Index looks for the first byte only, and a log is full of
// quotes and blanks. A long text is looked for by two bytes near its end, and skips most of s
// (Horspool's search, with pairs of bytes).
type Finder struct {
	text    string
	at      int // of the three bytes
	a, b, c uint64
	rare    bool        // text[at] hardly ever stands in a log: it alone is looked for
	skip    *[256]uint8 // of a long text: how far on its end may be, by what pair of bytes stands there
}

// rareBytes stand in few lines more than once or twice: the processor compares 32 bytes with one.
const rareBytes = "[]{}<>@#|^~$!"

// longText is from what length on skipping is faster than comparing eight places at once.
const longText = 16

const everyByte = 0x0101010101010101

// NewFinder makes a finder for the text.
func NewFinder(text string) Finder {
	f := Finder{text: text}
	if len(text) < 3 {
		return f
	}
	if len(text) >= longText {
		f.skip = new([256]uint8)
		for i := range f.skip {
			f.skip[i] = uint8(min(len(text)-1, 255))
		}
		for i := 1; i < len(text); i++ {
			f.skip[pair(text[i-1], text[i])] = uint8(min(len(text)-1-i, 255))
		}
		return f
	}
	if f.at = strings.IndexAny(text, rareBytes); f.at >= 0 {
		f.rare = true
		return f
	}
	f.at = 0
	best := 1 << 20
	for i := range len(text) - 2 {
		if n := usual(text[i]) * usual(text[i+1]) * usual(text[i+2]); n < best {
			best, f.at = n, i
		}
	}
	f.a, f.b, f.c = everyByte*uint64(text[f.at]), everyByte*uint64(text[f.at+1]), everyByte*uint64(text[f.at+2])
	return f
}

// usual says how often a byte stands in logs, roughly.
func usual(c byte) int {
	switch {
	case strings.IndexByte(" etaoinsr0123", c) >= 0:
		return 12
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '/', c == '"', c == ':':
		return 6
	case c >= 'A' && c <= 'Z', c == '-', c == '=', c == '[', c == ']':
		return 3
	}
	return 1
}

// In reports whether s contains the text.
func (f *Finder) In(s string) bool {
	if len(f.text) < 3 {
		return strings.Contains(s, f.text)
	}
	if f.skip != nil {
		return f.skipTo(s)
	}
	if f.rare {
		return f.rareIn(s)
	}
	i := f.at
	if i > len(s) {
		return false
	}
	b := unsafe.Slice(unsafe.StringData(s), len(s)) // only read
	for ; i+18 <= len(b); i += 16 {
		p := (*[18]byte)(b[i:])
		x := binary.LittleEndian.Uint64(p[0:8]) ^ f.a | binary.LittleEndian.Uint64(p[1:9]) ^ f.b | binary.LittleEndian.Uint64(p[2:10]) ^ f.c
		y := binary.LittleEndian.Uint64(p[8:16]) ^ f.a | binary.LittleEndian.Uint64(p[9:17]) ^ f.b | binary.LittleEndian.Uint64(p[10:18]) ^ f.c
		x, y = zeroBytes(x), zeroBytes(y)
		if x|y != 0 && (f.marked(s, i, x) || f.marked(s, i+8, y)) {
			return true
		}
	}
	return i-f.at < len(s) && strings.Contains(s[i-f.at:], f.text)
}

// rareIn is In for a text with a rare byte.
func (f *Finder) rareIn(s string) bool {
	for i := f.at; i < len(s); i++ {
		next := strings.IndexByte(s[i:], f.text[f.at])
		if next < 0 {
			return false
		}
		i += next
		if strings.HasPrefix(s[i-f.at:], f.text) {
			return true
		}
	}
	return false
}

func pair(a, b byte) byte { return a<<3 ^ b }

// skipTo is In for a long text.
func (f *Finder) skipTo(s string) bool {
	size := len(f.text)
	for i := size - 1; i < len(s); {
		n := int(f.skip[pair(s[i-1], s[i])])
		if n == 0 {
			if s[i+1-size:i+1] == f.text {
				return true
			}
			n = 1
		}
		i += n
	}
	return false
}

// zeroBytes sets the highest bit of each byte that is zero; behind one, also of some that are 1.
func zeroBytes(x uint64) uint64 { return (x - everyByte) &^ x & (everyByte << 7) }

// marked reports whether the text stands where one of the marks from place i on says.
func (f *Finder) marked(s string, i int, marks uint64) bool {
	for ; marks != 0; marks &= marks - 1 {
		if strings.HasPrefix(s[i+bits.TrailingZeros64(marks)>>3-f.at:], f.text) {
			return true
		}
	}
	return false
}
