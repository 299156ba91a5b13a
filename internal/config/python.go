package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// smtp is fail2ban's only Python action; gaol has a native twin of it.
const smtp = "smtp.py"

// SMTPParams are the parameters of smtp.py (§7), as its constructor takes them.
func SMTPParams() []string {
	return []string{"host", "ssl", "user", "password", "sendername", "sender", "dest", "matches"}
}

// python takes over the parameters of smtp.py. Other programs, and parameters that smtp.py
// does not know, are told; the jail runs without them. fail2ban would stop its whole start.
func (l *loader) python(j *Jail, s *spec, a *Action) {
	a.Props = nil
	if s.name != smtp {
		l.r.note(&Problem{Pos: s.pos, Jail: j.Name, Msg: "action " + strconv.Quote(s.name) + " is a Python program, which gaol does not run; the jail runs without it",
			Hint: "use an action.d/*.conf action that does the same"})
		return
	}
	for _, key := range s.keys {
		if key != "name" && key != "actname" && !slices.Contains(SMTPParams(), key) {
			l.r.note(&Problem{Pos: s.pos, Jail: j.Name, Msg: "action smtp.py has no parameter " + strconv.Quote(key) + "; the jail runs without the action",
				Hint: "it knows " + strings.Join(SMTPParams(), ", ")})
			return
		}
	}
	a.Props = map[string]Value{}
	for _, key := range s.keys {
		if key != "actname" {
			a.set(key, s.params[key])
		}
	}
	a.path = filepath.Join(l.opts.Dir, "action.d", s.name)
}

// kwargs are the parameters as fail2ban-client sends them: Python's JSON.
func (a *Action) kwargs() string {
	var parts []string
	for _, key := range a.Order {
		parts = append(parts, ascii(key)+": "+ascii(a.Props[key].Text()))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// ascii is text as Python's json.dumps writes it: all but ASCII as \uXXXX.
func ascii(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
