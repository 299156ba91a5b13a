// Package config reads fail2ban's configuration language into typed values that remember the
// file and line they come from. Section numbers (§) in comments are those of the project's
// description of fail2ban's behaviour; the language itself is described in jail.conf(5).
//
// Where fail2ban lets one bad value kill the whole configuration, Load reports a Problem that
// names file, line and mend, marks the jail that uses the value as broken and goes on.
package config

import (
	"fmt"
	"strings"
)

// Pos is a place in a configuration file. File is the path as the user wrote the directory,
// or "embedded:NAME" for the tree inside the binary; Line counts from 1, 0 is the whole file.
type Pos struct {
	File string
	Line int
}

// String is file:line, the form editors jump to.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Severity of a Problem.
type Severity int

// Error: something does not run as written. Warning: it runs, but probably not as meant.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one finding. Jail is the jail it breaks or concerns, empty when it is none's own.
// Msg says what is wrong and what was expected, Hint the edit or command that mends it.
type Problem struct {
	Pos      Pos
	Severity Severity
	Jail     string
	Msg      string
	Hint     string
}

// String is "file:line: severity: message", without the hint.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s: %s", p.Pos, p.Severity, p.Msg)
}

// Error makes a Problem usable as the error that stops one value.
func (p *Problem) Error() string { return p.Pos.String() + ": " + p.Msg }

func fault(at Pos, hint, format string, args ...any) *Problem {
	return &Problem{Pos: at, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// Line is one line of a value and where it stands.
type Line struct {
	Text string
	Pos  Pos
}

// Rule is a regular expression with fail2ban's tags unexpanded, and where it stands.
type Rule struct {
	Expr string
	Pos  Pos
}

// Value is the text of an option, line by line. Lines that came in by %(...)s or by a <tag>
// keep the place where they were written, so that a bad failregex is named by its own line.
type Value struct {
	Lines []Line
}

// Text joins the lines with newlines, as fail2ban sees the value.
func (v Value) Text() string {
	if len(v.Lines) == 1 {
		return v.Lines[0].Text
	}
	all := make([]string, len(v.Lines))
	for i, l := range v.Lines {
		all[i] = l.Text
	}
	return strings.Join(all, "\n")
}

// String is Text, so that a Value prints as what it says.
func (v Value) String() string { return v.Text() }

// Pos is the place of the first line.
func (v Value) Pos() Pos {
	if len(v.Lines) == 0 {
		return Pos{}
	}
	return v.Lines[0].Pos
}

// rules splits into one rule per non-empty line, in order (§1.5).
func (v Value) rules() []Rule {
	var out []Rule
	for _, l := range v.Lines {
		if l.Text != "" {
			out = append(out, Rule{l.Text, l.Pos})
		}
	}
	return out
}

// trimmed drops what fail2ban strips from a value: blanks and empty lines at both ends.
func (v Value) trimmed() Value {
	lines := append([]Line(nil), v.Lines...)
	for len(lines) > 1 && strings.TrimSpace(lines[0].Text) == "" {
		lines = lines[1:]
	}
	for len(lines) > 1 && strings.TrimSpace(lines[len(lines)-1].Text) == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) > 0 {
		lines[0].Text = strings.TrimLeft(lines[0].Text, " \t")
		last := len(lines) - 1
		lines[last].Text = strings.TrimRight(lines[last].Text, " \t")
	}
	return Value{lines}
}

// text makes a value of s whose lines all stand at one place.
func text(s string, at Pos) Value {
	parts := strings.Split(s, "\n")
	v := Value{make([]Line, len(parts))}
	for i, p := range parts {
		v.Lines[i] = Line{p, at}
	}
	return v
}

// weave builds a value out of pieces and keeps every line's place.
type weave struct {
	lines []Line
}

func (w *weave) newline(at Pos) { w.lines = append(w.lines, Line{Pos: at}) }

func (w *weave) add(s string) { w.lines[len(w.lines)-1].Text += s }

// splice puts v at the end of the current line. Where the reference stood alone on its line
// the place of what it stands for is the better one; inside a line the line's own is.
func (w *weave) splice(v Value, alone bool) {
	for i, l := range v.Lines {
		switch {
		case i > 0:
			w.lines = append(w.lines, l)
		default:
			w.add(l.Text)
			if alone {
				w.lines[len(w.lines)-1].Pos = l.Pos
			}
		}
	}
}
