package action

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gaol/internal/event"
)

// Bounds of values. Linux refuses an argument of 128 KiB or more (execve(2), MAX_ARG_STRLEN),
// and a refused actionban is an attacker who escaped by writing long lines.
const (
	maxValue  = 64 << 10  // of one value
	maxValues = 512 << 10 // of all values of one command
	maxInline = 1 << 10   // longer values go by variable, so that the script stays short
)

// maxRounds bounds how often one tag is replaced: more means that it holds itself.
const maxRounds = 26

// tag finds the next "<name>" at or behind from; name has no space, '<' or '>' in it (§1.5).
func tag(text string, from int) (start, end int, name string, ok bool) {
	start = -1
	for i := from; i < len(text); i++ {
		switch c := text[i]; {
		case c == '<':
			start = i
		case c == '>' && start >= 0 && i > start+1:
			return start, i + 1, text[start+1 : i], true
		case c == '>' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			start = -1
		}
	}
	return 0, 0, "", false
}

// expand is the static pass: properties into properties until nothing changes. A property
// under a family goes before the general one. Unknown tags stay; they may be dynamic, or
// redirections of the shell.
func expand(props map[string]string, fam, text string) (string, error) {
	for range maxRounds {
		var out strings.Builder
		rest, changed := 0, false
		for from := 0; ; {
			start, end, name, ok := tag(text, from)
			if !ok {
				break
			}
			from = end
			value, known := "", false
			if fam != "" {
				value, known = props[name+"?family="+fam]
			}
			if !known && name != "bantime" { // <bantime> is the ban's, whatever the action has of that name
				value, known = props[name]
			}
			if !known {
				continue
			}
			out.WriteString(text[rest:start])
			out.WriteString(value)
			rest, changed = end, true
		}
		if !changed {
			return text, nil
		}
		out.WriteString(text[rest:])
		text = out.String()
		if len(text) > 1<<20 {
			break
		}
	}
	return "", fmt.Errorf("tags refer to themselves: %.80q", text)
}

// fill is the dynamic pass: one scan, and what it puts in is not scanned again. value gives a
// tag's text; ok = false leaves the tag as it stands. A text that the shell could read as
// anything but words goes by variable, and the script says $f2bV_... (§1.7).
func fill(script string, value func(name string) (text string, ok bool)) event.Command {
	v := variables{values: map[string]string{}}
	var out strings.Builder
	rest := 0
	for from := 0; ; {
		start, end, name, ok := tag(script, from)
		if !ok {
			break
		}
		from = end
		text, ok := value(name)
		if !ok {
			continue
		}
		out.WriteString(script[rest:start])
		rest = end
		if text = sound(text); isTrusted(name) || !needsVariable(text) {
			out.WriteString(text)
		} else {
			out.WriteString("$" + v.add(name, text))
		}
	}
	out.WriteString(script[rest:])
	return v.command(out.String())
}

// isTrusted are the tags that stand for layout and not for anybody's text.
func isTrusted(name string) bool { return name == "br" || name == "sp" }

// sound makes a text that an argument can carry: no NUL (an argument ends there), and UTF-8,
// since in some locales half a character would swallow the quote behind it.
func sound(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func needsVariable(text string) bool {
	return len(text) > maxInline || strings.ContainsAny(text, "`\r\n\\#&;|*?~<>^()[]{}$'\"")
}

// variables are the values that travel beside a script.
type variables struct {
	names  []string
	values map[string]string
}

// add returns the variable of a tag. Two tags whose names differ only in signs get two.
func (v *variables) add(tagName, text string) string {
	name := "f2bV_" + word(tagName)
	if group, ok := strings.CutPrefix(tagName, "F-"); ok {
		name = "f2bV_F_" + word(strings.ToLower(group))
	}
	for {
		old, taken := v.values[name]
		if taken && old == text {
			return name
		}
		if !taken {
			v.names = append(v.names, name)
			v.values[name] = text
			return name
		}
		name += "_"
	}
}

func word(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// command puts the line in front that takes the arguments into variables. From the tenth on
// they need braces: fail2ban writes $10, which is $1 and a zero to every shell but dash.
func (v *variables) command(script string) event.Command {
	if len(v.names) == 0 {
		return event.Command{Script: script}
	}
	var head strings.Builder
	limit := min(maxValue, maxValues/len(v.names))
	values := make([]string, len(v.names))
	for i, name := range v.names {
		number := strconv.Itoa(i)
		if i > 9 {
			number = "{" + number + "}"
		}
		head.WriteString(name + "=$" + number + " ")
		values[i] = shorten(v.values[name], limit)
	}
	return event.Command{Script: head.String() + "\n" + script, Values: values}
}

// shorten keeps the last whole lines that fit: the newest are what a reader of <matches>
// looks for. A single longer line keeps its beginning, where date and service stand.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	tail := text[len(text)-limit:]
	if text[len(text)-limit-1] == '\n' {
		return tail
	}
	if _, whole, ok := strings.Cut(tail, "\n"); ok && whole != "" {
		return whole
	}
	last := text[strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')+1:]
	cut := min(limit, len(last))
	for cut > 0 && cut < len(last) && !utf8.RuneStart(last[cut]) {
		cut--
	}
	return last[:cut]
}

// fingerprint tells whether two runs of gaol have the same commands.
func fingerprint(s Spec) string {
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(s.Props)) {
		fmt.Fprintf(sum, "%q=%q\n", key, s.Props[key])
	}
	fmt.Fprintf(sum, "%q %d", s.File, s.BanTime)
	return hex.EncodeToString(sum.Sum(nil))
}
