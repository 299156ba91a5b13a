package source

import (
	"fmt"
	"strings"
)

// journalMatches turns lines of fail2ban's journalmatch into journalctl's arguments. Each term
// is checked to be FIELD=value: a term that begins with '-' or '/' would mean something else
// to journalctl.
func journalMatches(lines []string) ([]string, error) {
	var args []string
	for _, line := range lines {
		words, err := shellWords(line)
		if err != nil {
			return nil, fmt.Errorf("journalmatch %q: %w", line, err)
		}
		words = append([]string{"+"}, words...)
		for i, w := range words {
			switch {
			case w != "+" && !isMatch(w):
				return nil, fmt.Errorf("journalmatch %q: %q is no match, expected FIELD=value", line, w)
			case w != "+":
				args = append(args, w)
			case len(args) > 0 && args[len(args)-1] != "+" && i+1 < len(words):
				args = append(args, "+")
			}
		}
	}
	return args, nil
}

func isMatch(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// shellWords splits as a POSIX shell does, quotes and backslashes but nothing else.
func shellWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	var escaped, open bool
	for _, r := range s {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, open = true, true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, open = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
