package filter

import (
	"errors"
	"fmt"
	"strings"

	"gaol/internal/pattern"
)

// Rule is a regular expression with fail2ban's tags, and the place it was written at.
type Rule struct {
	Expr  string
	Where string // "file:line"; "" for one from a command line
}

// Spec is a filter as configuration describes it.
type Spec struct {
	Name        string
	Prefregex   Rule // Expr "" is none
	Failregex   []Rule
	Ignoreregex []Rule
	MaxLines    int    // lines a failregex may span; below 2: one
	UseDNS      string // yes, warn, no, raw; anything else is no
}

// Program is a compiled filter. It is immutable and shared.
type Program struct {
	Spec
	pref   *rule
	fail   []*rule
	ignore []*rule
	early  bool   // ignoreregexes are tried on the whole line first (§2.1 step 5)
	sieve  *sieve // which of the failregexes can match a text at all
	heads  *heads // the same by how it begins, where that tells enough; else nil
}

// rule is one compiled expression with its named groups.
type rule struct {
	re      *pattern.Regexp
	where   string
	expr    string // with the tags expanded
	groups  []group
	content int // group of <F-CONTENT>; -1: none

	alternates bool // has alt_… or tuple_… groups
}

type group struct {
	name string
	at   int
	key  key
}

// Err is a rule that does not compile.
type Err struct {
	Rule Rule
	Err  error
}

func (e *Err) Error() string {
	if e.Rule.Where == "" {
		return e.Err.Error()
	}
	return e.Rule.Where + ": " + e.Err.Error()
}

func (e *Err) Unwrap() error { return e.Err }

// NoIDError is a failregex that captures nothing a ban could be imposed on (§2.2).
type NoIDError struct{ Expr string }

func (e *NoIDError) Error() string {
	return fmt.Sprintf("no failure-id group in %q: expected <HOST>, <ADDR>, <F-ID> or the like in it or in prefregex", e.Expr)
}

// Compile compiles a filter. All rules that fail are named, each as an *Err, joined.
func Compile(s Spec) (*Program, error) {
	p := &Program{Spec: s}
	var errs []error
	compile := func(r Rule, o pattern.Options) *rule {
		c, err := compileRule(r, s.UseDNS, o)
		if err != nil {
			errs = append(errs, &Err{Rule: r, Err: err})
		}
		return c
	}
	if s.Prefregex.Expr != "" {
		p.pref = compile(s.Prefregex, pattern.Options{})
	}
	for _, r := range s.Failregex {
		c := compile(r, pattern.Options{Multiline: s.MaxLines > 1})
		if c != nil && !c.identifies() && (p.pref == nil || !p.pref.identifies()) {
			errs = append(errs, &Err{Rule: r, Err: &NoIDError{Expr: c.expr}})
		}
		p.fail = append(p.fail, c)
	}
	for _, r := range s.Ignoreregex {
		p.ignore = append(p.ignore, compile(r, pattern.Options{}))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.early = len(p.ignore) > 0 && len(p.ignore) < len(p.fail)-2
	p.sieve = newSieve(p.fail)
	if p.pref != nil {
		p.heads = newHeads(p.fail)
	}
	return p, nil
}

// tagOptions says what <HOST> means under a value of usedns.
func tagOptions(usedns string) pattern.TagOptions {
	if usedns != "yes" && usedns != "warn" && usedns != "raw" {
		usedns = "no"
	}
	return pattern.TagOptions{UseDNS: usedns}
}

func compileRule(r Rule, usedns string, o pattern.Options) (*rule, error) {
	c := &rule{where: r.Where, content: -1}
	c.expr = pattern.Expand(r.Expr, tagOptions(usedns))
	re, err := pattern.Compile(c.expr, o)
	if err != nil {
		return nil, err
	}
	c.re = re
	for i, name := range re.Names() {
		switch {
		case name == "content":
			c.content = i
			fallthrough
		case name != "":
			c.groups = append(c.groups, group{name: name, at: i, key: keyOf(name)})
			c.alternates = c.alternates || strings.HasPrefix(name, "alt_") || strings.HasPrefix(name, "tuple_")
		}
	}
	return c, nil
}

// identifies reports a group that can hold a ban id, or the key of a connection that gets one.
func (r *rule) identifies() bool {
	for _, g := range r.groups {
		switch g.name {
		case "fid", "ip4", "ip6", "dns", "mlfid":
			return true
		}
	}
	return false
}

// PrefregexExpanded is the prefregex with fail2ban's tags expanded; "" where there is none.
func (p *Program) PrefregexExpanded() string {
	if p.pref == nil {
		return ""
	}
	return p.pref.expr
}
