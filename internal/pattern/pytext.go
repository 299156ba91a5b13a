package pattern

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

func runes(s string) int { return utf8.RuneCountInString(s) }

// isIdentifier is Python's str.isidentifier, by the character classes it is defined with
// (Unicode annex 31: XID_Start, XID_Continue).
func isIdentifier(s string) bool {
	for i, r := range s {
		if r == '_' || !compatibility(r) && unicode.In(r, unicode.L, unicode.Nl, unicode.Other_ID_Start) &&
			!unicode.In(r, unicode.Pattern_Syntax, unicode.Pattern_White_Space) && !(i == 0 && onlyInside(r)) {
			continue
		}
		if i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue) {
			return false
		}
	}
	return s != ""
}

// compatibility and onlyInside are the letters that annex 31 (5.1.1, NFKC modifications) takes
// out, because their normal forms could not stand where they do.
func compatibility(r rune) bool {
	return r == 0x37a || r == 0x309b || r == 0x309c || r >= 0xfc5e && r <= 0xfc63 ||
		r == 0xfdfa || r == 0xfdfb || r >= 0xfe70 && r <= 0xfe7e && r%2 == 0
}

func onlyInside(r rune) bool {
	return r == 0xe33 || r == 0xeb3 || r == 0xff9e || r == 0xff9f
}

// Repr writes text as Python's repr does: in single quotes unless it holds some and no double
// ones; what cannot be printed as \x, \u or \U.
func Repr(text string) string {
	if plain(text) {
		return "'" + text + "'"
	}
	quote := '\''
	if strings.ContainsRune(text, '\'') && !strings.ContainsRune(text, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range text {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// plain reports ASCII that needs no escapes, as nearly every user name is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '\'' || c == '\\' {
			return false
		}
	}
	return true
}
