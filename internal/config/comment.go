package config

import (
	"slices"
	"strings"
	"unicode"
)

// commented are the jail options behind whose value " # comment" is dropped with a warning.
// fail2ban takes it as part of the value, which is never meant in these; everywhere else a #
// stays text, since a regex or a command may hold one.
func commented() []string {
	return []string{"enabled", "port", "protocol", "chain", "filter", "banaction", "banaction_allports", "backend", "mode",
		"maxretry", "findtime", "bantime", "ignoreip", "usedns", "logpath"}
}

// dropComments takes the comments out of a jail file's values and adds a warning for each.
func dropComments(f *file) {
	keys := commented()
	for _, s := range f.sections {
		for key, v := range s.keys {
			if !slices.Contains(keys, key) {
				continue
			}
			lines := slices.Clone(v.Lines)
			for i, l := range lines {
				at := commentStart(l.Text)
				if at < 0 {
					continue
				}
				f.problems = append(f.problems, &Problem{Pos: l.Pos, Severity: Warning,
					Msg:  "comment " + quote(l.Text[at:]) + " behind the value of " + key + " is dropped; fail2ban would take it as part of the value",
					Hint: "put the comment on a line of its own"})
				lines[i].Text = strings.TrimRightFunc(l.Text[:at], unicode.IsSpace)
			}
			s.keys[key] = Value{lines}
		}
	}
}

// commentStart is the offset of a # behind white space (or at the start) that stands outside
// the quotes of a [key="value"], -1 when there is none.
func commentStart(s string) int {
	depth, quoted, space := 0, rune(0), true
	for i, r := range s {
		switch {
		case quoted != 0:
			if r == quoted {
				quoted = 0
			}
		case r == '#' && space:
			return i
		case depth > 0 && (r == '"' || r == '\''):
			quoted = r
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		}
		space = unicode.IsSpace(r)
	}
	return -1
}
