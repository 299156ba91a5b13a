package pattern

import "unicode"

// lower is the simple lower case mapping that Python's re uses. Unicode's full mapping of
// U+0130 is two characters; Python, like Go, takes the first, an i.
func lower(r rune, ascii bool) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	if ascii || r < 0x80 {
		return r
	}
	return unicode.ToLower(r)
}

// equivalents are lower case characters that share their upper case, which Python's re takes
// for each other under IGNORECASE. Computed from the Unicode data by that rule; the test
// compares every cased character with Python's answer.
func equivalents(low rune) string {
	switch low {
	case 'i', 'ı':
		return "iı"
	case 's', 'ſ':
		return "sſ"
	case 'µ', 'μ':
		return "µμ"
	case 0x345, 0x3b9, 0x1fbe:
		return "\u0345\u03b9\u1fbe"
	case 0x390, 0x1fd3:
		return "\u0390\u1fd3"
	case 0x3b0, 0x1fe3:
		return "\u03b0\u1fe3"
	case 0x3b2, 0x3d0:
		return "\u03b2\u03d0"
	case 0x3b5, 0x3f5:
		return "\u03b5\u03f5"
	case 0x3b8, 0x3d1:
		return "\u03b8\u03d1"
	case 0x3ba, 0x3f0:
		return "\u03ba\u03f0"
	case 0x3c0, 0x3d6:
		return "\u03c0\u03d6"
	case 0x3c1, 0x3f1:
		return "\u03c1\u03f1"
	case 0x3c2, 0x3c3:
		return "\u03c2\u03c3"
	case 0x3c6, 0x3d5:
		return "\u03c6\u03d5"
	case 0x432, 0x1c80:
		return "\u0432\u1c80"
	case 0x434, 0x1c81:
		return "\u0434\u1c81"
	case 0x43e, 0x1c82:
		return "\u043e\u1c82"
	case 0x441, 0x1c83:
		return "\u0441\u1c83"
	case 0x442, 0x1c84, 0x1c85:
		return "\u0442\u1c84\u1c85"
	case 0x44a, 0x1c86:
		return "\u044a\u1c86"
	case 0x463, 0x1c87:
		return "\u0463\u1c87"
	case 0x1c88, 0xa64b:
		return "\u1c88\ua64b"
	case 0x1e61, 0x1e9b:
		return "\u1e61\u1e9b"
	case 0xfb05, 0xfb06:
		return "\ufb05\ufb06"
	}
	return ""
}

// caseVariants reports whether ok holds for any character that lowers to low or to an
// equivalent of it.
func caseVariants(low rune, ascii bool, ok func(rune) bool) bool {
	if ascii {
		return ok(low) || low >= 'a' && low <= 'z' && ok(low-'a'+'A')
	}
	same := equivalents(low)
	if same == "" {
		return lowersTo(low, ok)
	}
	for _, r := range same {
		if lowersTo(r, ok) {
			return true
		}
	}
	return false
}

// lowersTo reports whether ok holds for any character whose lower case is low.
func lowersTo(low rune, ok func(rune) bool) bool {
	if ok(low) || low == 'i' && ok(0x130) {
		return true
	}
	for r := unicode.SimpleFold(low); r != low; r = unicode.SimpleFold(r) {
		if lower(r, false) == low && ok(r) {
			return true
		}
	}
	return false
}

// cased reports whether IGNORECASE lets r match anything but itself.
func cased(r rune, ascii bool) bool {
	low := lower(r, ascii)
	return low != r || caseVariants(low, ascii, func(x rune) bool { return x != r })
}
