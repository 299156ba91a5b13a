package pattern

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// DecodeUTF8 gives b as Python's bytes.decode('utf-8', 'replace') would: each maximal part
// that could have begun a character (Unicode 15, section 3.9, U+FFFD substitution) becomes one
// U+FFFD. Go's own conversions count otherwise. Valid text comes back as it is.
func DecodeUTF8(b string) string {
	if n := ascii(b); n == len(b) || utf8.ValidString(b[n:]) {
		return b
	}
	var out strings.Builder
	for i := 0; i < len(b); {
		r, w := utf8.DecodeRuneInString(b[i:])
		if r == utf8.RuneError && w == 1 {
			w = badPart(b[i:])
		}
		out.WriteRune(r)
		i += w
	}
	return out.String()
}

// ascii is how many bytes b begins with that are ASCII, or fewer: a multiple of 32, or all. It is
// twice as fast as the loop in utf8.ValidString.
func ascii(b string) int {
	const high = 0x8080808080808080
	text := unsafe.Slice(unsafe.StringData(b), len(b)) // only read
	n := 0
	for ; n+32 <= len(text); n += 32 {
		p := (*[32]byte)(text[n:])
		if (binary.LittleEndian.Uint64(p[:])|binary.LittleEndian.Uint64(p[8:])|binary.LittleEndian.Uint64(p[16:])|binary.LittleEndian.Uint64(p[24:]))&high != 0 {
			return n
		}
	}
	for i := n; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return n
		}
	}
	return len(b)
}

// badPart gives the length of the maximal subpart at the start of b, at least 1: a lead byte
// and as many bytes as a character that begins so could have (Unicode 15, table 3-7).
func badPart(b string) int {
	lo, hi, size := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		size = 2
	case c >= 0xe0 && c <= 0xef:
		size = 3
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		size = 4
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	}
	n := 1
	for n < size && n < len(b) && b[n] >= lo && b[n] <= hi {
		n, lo, hi = n+1, 0x80, 0xbf
	}
	return n
}
