// Package pattern makes matchers of Python regular expressions with fail2ban's tags.
//
// It accepts and refuses what Python 3.11's re.compile does for text patterns, and finds what
// re.search finds, with the same groups. The engine is a backtracker that remembers which
// states it has been in, so that text written by an attacker costs time linear in its length.
// Where that cannot be exact a budget of steps bounds the time instead (Regexp.Bounded): in
// expressions with backreferences, and in some that no filter of fail2ban's has: groups that
// capture inside of a look-ahead, atomic groups inside of atomic groups or look-arounds, a
// conditional inside of its own group, repetitions of more than 20,000 instructions.
package pattern

import (
	"errors"
	"fmt"
	"strings"
)

// Options are the flags an expression is compiled with, beside those it carries itself.
type Options struct {
	Multiline  bool // ^ and $ match at every line, re.MULTILINE
	IgnoreCase bool // re.IGNORECASE
}

// SyntaxError says why an expression is refused, in Python's words.
type SyntaxError struct {
	Expr string
	Pos  int // code points into Expr, as Python's re.error.pos; -1: unknown
	Msg  string
}

// Error is the message with its place, as str(re.error) gives it.
func (e *SyntaxError) Error() string {
	if e.Pos < 0 {
		return e.Msg
	}
	text := fmt.Sprintf("%s at position %d", e.Msg, e.Pos)
	if !strings.Contains(e.Expr, "\n") {
		return text
	}
	before := []rune(e.Expr)[:e.Pos]
	line, column := 1, 1
	for _, r := range before {
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("%s (line %d, column %d)", text, line, column)
}

// ErrBudget is what Search returns when an expression for which linear time cannot be promised
// took too many steps. The text may or may not match.
var ErrBudget = errors.New("the expression took too many steps on this text")

// Regexp is a compiled expression. It may be used by several goroutines. Its program is made when it
// is searched for the first time: most failregexes of most jails never are.
type Regexp struct {
	expr     string
	code     lazyProgram
	names    []string
	literals []string
	also     [][]string
	begin    Begin
	lazy     lazyAutomaton
}

// Compile parses expr, so that it can be searched for. The error is a *SyntaxError where Python refuses it too.
func Compile(expr string, o Options) (*Regexp, error) {
	var f flag
	if o.Multiline {
		f |= flagM
	}
	if o.IgnoreCase {
		f |= flagI
	}
	tree, p, err := parse(expr, f)
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	if tree.widens() {
		err := &SyntaxError{Expr: p.expr, Pos: -1, Msg: "look-behind requires fixed-width pattern"}
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	re := &Regexp{expr: expr, code: lazyProgram{tree: tree, groups: len(p.groups), linear: tree.linear()}, begin: beginOf(tree)}
	re.literals, re.also = mandatory(tree)
	for _, g := range p.groups {
		re.names = append(re.names, g.name)
	}
	return re, nil
}

// String gives the expression as it was compiled.
func (re *Regexp) String() string { return re.expr }

// Names gives the groups' names by number, "" for unnamed ones and for 0, the whole match.
func (re *Regexp) Names() []string { return re.names }

// Index gives the number of the group name, -1 if there is none.
func (re *Regexp) Index(name string) int {
	for i, n := range re.names {
		if n == name && n != "" {
			return i
		}
	}
	return -1
}

// Literals gives texts of which every match contains at least one. nil: none are known.
func (re *Regexp) Literals() []string { return re.literals }

// Also gives further such sets: every match contains at least one text of each.
func (re *Regexp) Also() [][]string { return re.also }

// Bounded reports whether searches are limited by a budget of steps instead of being linear.
func (re *Regexp) Bounded() bool { return re.code.budgeted() }
