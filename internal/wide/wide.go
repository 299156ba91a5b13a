// Package wide reads logs whose characters are made of units of two or four bytes: UTF-16 and
// UTF-32. Their newline is a unit, never a byte: U+0A0A or U+0A00 inside a user name has the
// byte 0x0A as well, and who split there would let an attacker write whole lines.
package wide

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Units says how the bytes of a log make text. The zero value is every encoding whose units are
// bytes and whose lines end in the byte 0x0A.
type Units struct {
	Width int  // bytes of one unit: 2 or 4; 0: one
	Big   bool // the high byte of a unit comes first
	// Marked says that the byte order mark at the beginning of a log, if it has one, decides
	// over Big, and that one at the beginning of a line is no text (a writer may begin anew).
	Marked bool
}

const bom = "\ufeff"

// Size is Width, at least 1. All offsets in a log are multiples of it.
func (u Units) Size() int { return max(u.Width, 1) }

// Wide says whether units are more than bytes.
func (u Units) Wide() bool { return u.Width > 1 }

// Whole is n without the bytes of an unfinished unit.
func (u Units) Whole(n int64) int64 { return n - n%int64(u.Size()) }

// Ordered is u with the byte order that a log shows which begins with head, its first Size bytes.
func (u Units) Ordered(head []byte) Units {
	if u.Marked && u.Wide() && len(head) >= u.Width {
		switch {
		case u.unit(head, false) == 0xfeff:
			u.Big = false
		case u.unit(head, true) == 0xfeff:
			u.Big = true
		}
	}
	return u
}

func (u Units) unit(b []byte, big bool) uint32 {
	var order binary.ByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	if u.Width == 4 {
		return order.Uint32(b)
	}
	return uint32(order.Uint16(b))
}

// Index is where the first newline of b begins, -1 if there is none. As everywhere here, b
// begins with a whole unit; half of one at its end is passed over.
func (u Units) Index(b []byte) int {
	if !u.Wide() {
		return bytes.IndexByte(b, '\n')
	}
	for at := 0; at < len(b); {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		at = int(u.Whole(int64(at + i)))
		if u.newline(b[at:]) {
			return at
		}
		at += u.Width
	}
	return -1
}

// LastIndex is where the last newline of b begins, -1 if there is none.
func (u Units) LastIndex(b []byte) int {
	for {
		at := bytes.LastIndexByte(b, '\n')
		if !u.Wide() || at < 0 {
			return at
		}
		at = int(u.Whole(int64(at)))
		if u.newline(b[at:]) {
			return at
		}
		b = b[:at]
	}
}

// Count is how many newlines b has.
func (u Units) Count(b []byte) int {
	if !u.Wide() {
		return bytes.Count(b, []byte{'\n'})
	}
	n := 0
	for {
		i := u.Index(b)
		if i < 0 {
			return n
		}
		n++
		b = b[i+u.Width:]
	}
}

func (u Units) newline(b []byte) bool { return len(b) >= u.Width && u.unit(b, u.Big) == '\n' }

// TrimLeft is b without the characters U+0000 that it begins with.
func (u Units) TrimLeft(b []byte) []byte {
	n := len(b) - len(bytes.TrimLeft(b, "\x00"))
	return b[u.Whole(int64(n)):]
}

// Text is the text of b in UTF-8, with U+FFFD for each unit that is no character or half of one,
// as Python's bytes.decode has it with errors="replace".
func (u Units) Text(b []byte) string {
	if !u.Wide() {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b)/u.Width + 8)
	var high rune // half of a pair
	for len(b) >= u.Width {
		r := rune(u.unit(b, u.Big))
		b = b[u.Width:]
		if high != 0 {
			if pair := utf16.DecodeRune(high, r); pair != utf8.RuneError {
				out.WriteRune(pair)
				high = 0
				continue
			}
			out.WriteRune(utf8.RuneError)
			high = 0
		}
		if u.Width == 2 && r >= 0xd800 && r < 0xdc00 {
			high = r
			continue
		}
		out.WriteRune(r) // U+FFFD for half a pair and what is no character
	}
	if high != 0 || len(b) > 0 {
		out.WriteRune(utf8.RuneError)
	}
	if u.Marked {
		return strings.TrimPrefix(out.String(), bom)
	}
	return out.String()
}
