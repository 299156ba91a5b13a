package jail

import (
	"errors"
	"strings"
)

var errPower = errors.New("cannot read what stands beside **")

// withPow writes a ** b as pow(a, b), for Starlark has no such operator. Python's binds tighter
// than a sign at its left, not at its right, and from right to left.
func withPow(text string) (string, error) {
	for {
		at := strings.LastIndex(text, "**")
		if at < 0 {
			return text, nil
		}
		left := operandBefore(text, at)
		right := operandAfter(text, at+2)
		base, exponent := strings.TrimSpace(text[left:at]), strings.TrimSpace(text[at+2:right])
		if base == "" || exponent == "" {
			return "", errPower
		}
		text = text[:left] + "pow(" + base + ", " + exponent + ")" + text[right:]
	}
}

// operandBefore is where the name, number, call or group that ends before at begins.
func operandBefore(text string, at int) int {
	i := len(strings.TrimRight(text[:at], " \t"))
	for i > 0 {
		switch c := text[i-1]; {
		case c == ')' || c == ']':
			depth := 0
			for i > 0 {
				i--
				if c := text[i]; c == ')' || c == ']' {
					depth++
				} else if c == '(' || c == '[' {
					depth--
				}
				if depth == 0 {
					break
				}
			}
		case isWord(c):
			i--
		default:
			return i
		}
	}
	return i
}

// operandAfter is where the signed name, number, call or group behind at ends.
func operandAfter(text string, at int) int {
	i := at
	for i < len(text) && strings.IndexByte(" \t+-~", text[i]) >= 0 {
		i++
	}
	for i < len(text) {
		switch c := text[i]; {
		case c == '(' || c == '[':
			depth := 0
			for i < len(text) {
				if c := text[i]; c == '(' || c == '[' {
					depth++
				} else if c == ')' || c == ']' {
					depth--
				}
				i++
				if depth == 0 {
					break
				}
			}
		case isWord(c):
			i++
		default:
			return i
		}
	}
	return i
}

func isWord(c byte) bool {
	return c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
