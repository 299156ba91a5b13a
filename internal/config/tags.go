package config

import (
	"strings"
)

// maxTagUse is how often one tag may be replaced in one option before it counts as referring
// to itself (§1.5). All places at which it stands at that moment are one time.
const maxTagUse = 25

var tagForm = lazyRegexp(`<([^ <>]+)>`)

// tagLookup resolves a tag; ok false leaves it as it stands (unknown, or left for run time).
type tagLookup func(tag string) (v Value, ok bool, err error)

// substitute replaces <tag> in an option's value until nothing changes (§1.5). Inner tags go
// first, so <a-<b>> works. own is the option's own name: a value that reaches itself is an error.
func substitute(v Value, own string, get tagLookup) (Value, error) {
	used := map[string]int{}
	v = Value{append([]Line(nil), v.Lines...)}
	for i := 0; i < len(v.Lines); {
		line := v.Lines[i]
		from, to, by, err := firstTag(line, get)
		if err != nil {
			return Value{}, err
		}
		if to == 0 {
			i++
			continue
		}
		tag := line.Text[from+1 : to-1]
		used[tag]++
		if used[tag] > maxTagUse || tag == own || strings.Contains(by.Text(), "<"+tag+">") {
			return Value{}, fault(line.Pos, "take <"+tag+"> out of the value it stands for",
				"<%s> refers to itself in option %q", tag, own)
		}
		for j := len(v.Lines) - 1; j >= i; j-- {
			v.Lines = replacedAll(v.Lines, j, line.Text[from:to], by)
		}
	}
	return v, nil
}

// replacedAll puts by in the place of each tag of line i, from the last to the first: what by and
// the text around it make together is left for the next round.
func replacedAll(lines []Line, i int, tag string, by Value) []Line {
	for rest := lines[i].Text; ; {
		from := strings.LastIndex(rest, tag)
		if from < 0 {
			return lines
		}
		lines = replaced(lines, i, from, from+len(tag), by)
		rest = rest[:from]
	}
}

// firstTag finds the first tag of a line that has a value; to is 0 when there is none.
func firstTag(l Line, get tagLookup) (from, to int, by Value, err error) {
	for at := 0; ; {
		m := tagForm().FindStringSubmatchIndex(l.Text[at:])
		if m == nil {
			return 0, 0, Value{}, nil
		}
		by, ok, err := get(l.Text[at+m[2] : at+m[3]])
		if err != nil {
			return 0, 0, Value{}, err
		}
		if ok {
			return at + m[0], at + m[1], by, nil
		}
		at += m[0] + 1
	}
}

// replaced puts by in the place of bytes from..to of line i.
func replaced(lines []Line, i, from, to int, by Value) []Line {
	line := lines[i]
	w := weave{}
	w.newline(line.Pos)
	w.add(line.Text[:from])
	w.splice(by, strings.TrimSpace(line.Text[:from]+line.Text[to:]) == "")
	w.add(line.Text[to:])
	out := append([]Line(nil), lines[:i]...)
	out = append(out, w.lines...)
	return append(out, lines[i+1:]...)
}
