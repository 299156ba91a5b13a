package config

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// section is one [section] of a file or of several merged files. Keys are lower case.
type section struct {
	name  string
	pos   Pos
	keys  map[string]Value
	order []string
	known map[string]Value // raw text a later file overrode, one level (§1.1)
	bad   []*Problem       // errors that stand in this section
}

func newSection(name string, at Pos) *section {
	return &section{name: name, pos: at, keys: map[string]Value{}, known: map[string]Value{}}
}

func (s *section) set(key string, v Value) {
	if _, old := s.keys[key]; !old {
		s.order = append(s.order, key)
	}
	s.keys[key] = v
}

// file is one parsed file. Sections stand in order; [DEFAULT] is among them.
type file struct {
	name     string
	sections []*section
	problems []*Problem
}

func (f *file) section(name string) *section {
	i := slices.IndexFunc(f.sections, func(s *section) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return f.sections[i]
}

const defaultSection = "DEFAULT"

// parser is the state of parse: the reader of Python's strict ConfigParser as fail2ban
// configures it (§1.2), except that an error is noted and the next line is read.
type parser struct {
	file   *file
	sect   *section
	key    string // option whose continuation lines may follow
	lines  []Line
	indent int
	seen   map[string]int // section, NUL, key: line
}

// parse reads one file. It always returns what could be understood; the errors are in the
// file's problems and, where they stand in a section, in that section's bad.
func parse(name string, data []byte) *file {
	f := &file{name: name}
	if at, ok := undecodable(data); ok {
		f.problems = append(f.problems, fault(Pos{name, at},
			"convert it: iconv -f LATIN1 -t UTF-8 "+name, "file is not UTF-8; it is left out as a whole"))
		return f
	}
	p := &parser{file: f, seen: map[string]int{}}
	if rest, ok := bytes.CutPrefix(data, []byte("\ufeff")); ok {
		data = rest
		f.problems = append(f.problems, &Problem{Pos: Pos{name, 1}, Severity: Warning,
			Msg: "file begins with a byte order mark, which fail2ban refuses", Hint: "save it as UTF-8 without BOM"})
	}
	body := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	for i, line := range strings.Split(body, "\n") {
		p.line(line, Pos{name, i + 1})
	}
	p.flush()
	return f
}

// undecodable finds the line of the first byte that is not UTF-8.
func undecodable(data []byte) (line int, bad bool) {
	if utf8.Valid(data) {
		return 0, false
	}
	line = 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			return line, true
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return 0, false
}

func (p *parser) line(line string, at Pos) {
	value, comment := uncomment(line)
	if value == "" {
		if !comment && p.key != "" {
			p.lines = append(p.lines, Line{"", at})
		}
		return
	}
	indent := len([]rune(line)) - len([]rune(strings.TrimLeftFunc(line, unicode.IsSpace)))
	if p.key != "" && indent > p.indent {
		p.lines = append(p.lines, Line{value, at})
		return
	}
	p.flush()
	p.indent = indent
	if end := strings.LastIndexByte(value, ']'); value[0] == '[' && end > 1 {
		p.begin(value[1:end], at)
		return
	}
	p.option(value, at)
}

// uncomment strips blanks and comments: whole lines that begin with # or ;, and a ; behind
// white space. # inside a line is text. comment tells an empty line from a comment line, which
// vanishes inside a value.
func uncomment(line string) (value string, comment bool) {
	value = strings.TrimSpace(line)
	if strings.HasPrefix(value, "#") || strings.HasPrefix(value, ";") {
		return "", true
	}
	if strings.IndexByte(line, ';') < 0 {
		return value, false
	}
	space := true
	for i, r := range line {
		if r == ';' && space {
			return strings.TrimSpace(line[:i]), true
		}
		space = unicode.IsSpace(r)
	}
	return value, false
}

func (p *parser) begin(name string, at Pos) {
	if old := p.file.section(name); old != nil {
		p.sect = old
		if name != defaultSection {
			p.fail(fault(at, "merge the two into one section", "section [%s] stands a second time in this file, first in line %d; "+
				"fail2ban refuses that", name, old.pos.Line))
		}
		return
	}
	p.sect = newSection(name, at)
	p.file.sections = append(p.file.sections, p.sect)
}

func (p *parser) option(value string, at Pos) {
	if p.sect == nil {
		p.fail(fault(at, "write a section such as [DEFAULT] above it", "text %s stands before the first [section]", quote(value)))
		return
	}
	sign := strings.IndexAny(value, "=:")
	if sign < 1 {
		p.fail(fault(at, "write key = value, indent the line if it goes on the value above, or put # in front of it",
			"line %s is neither [section], key = value, a comment nor an indented continuation", quote(value)))
		return
	}
	key, now := strings.ToLower(strings.TrimSpace(value[:sign])), strings.TrimSpace(value[sign+1:])
	if strings.ContainsAny(key, `^$<>|\`) {
		p.file.problems = append(p.file.problems, &Problem{Pos: at, Severity: Warning,
			Msg:  "line " + quote(value) + " is read as the key " + quote(key) + "; it looks like a line of the value above that lost its indentation",
			Hint: "put blanks in front of the line"})
	}
	if first, dup := p.seen[p.sect.name+"\x00"+key]; dup {
		p.duplicate(key, first, now, at)
	}
	p.seen[p.sect.name+"\x00"+key] = at.Line
	p.key, p.lines = key, []Line{{now, at}}
}

// duplicate reports a key written twice. Where it stands in [DEFAULT] the later one is taken, as
// across files; a jail, filter or action of which nobody knows what is meant does not run.
func (p *parser) duplicate(key string, first int, now string, at Pos) {
	p.fail(fault(at, "delete one of the two lines", "key %q stands a second time in [%s], first in line %d; fail2ban refuses "+
		"the whole configuration for it", key, p.sect.name, first))
}

func (p *parser) fail(e *Problem) {
	p.file.problems = append(p.file.problems, e)
	if p.sect != nil {
		p.sect.bad = append(p.sect.bad, e)
	}
}

// flush ends the open option: trailing empty lines go, inner ones stay (§1.2).
func (p *parser) flush() {
	if p.key == "" {
		return
	}
	n := len(p.lines)
	for n > 1 && p.lines[n-1].Text == "" {
		n--
	}
	p.sect.set(p.key, Value{p.lines[:n]})
	p.key, p.lines = "", nil
}

// quote shows a text of a file in a message, cut to a readable length.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "..."
	}
	return "“" + s + "”"
}
