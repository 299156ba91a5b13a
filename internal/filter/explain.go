package filter

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gaol/internal/event"
	"gaol/internal/pattern"
)

// Report is what each rule made of an entry.
type Report struct {
	Match   Match  // what Feed makes of it
	Text    string // what was searched
	Content string // what the failregexes were tried on; empty where prefregex did not match
	Prefix  *event.RuleStep
	Rules   []event.RuleStep // one for each failregex
	Ignores []event.RuleStep
	Tag     string // of a Quiet match: the tag that makes it no failure
	TagText string // what the tag took of the line
}

// Explain is Match for people: it also says how far each expression came. It remembers what Match
// remembers, and is slow.
func (f *Filter) Explain(e event.Entry, at time.Time) Report {
	text := f.joined(e)
	m := f.Match(e, at)
	m.Fields, m.Lines, m.Spanned = m.Fields.Clone(), cloneAll(m.Lines), cloneAll(m.Spanned)
	m.ID, m.IP = strings.Clone(m.ID), strings.Clone(m.IP)
	r := Report{Match: m, Text: strings.TrimSuffix(text, "\n"), Content: text}
	p := f.program
	if p.pref != nil {
		s, spans := p.trace("prefregex", 0, p.Prefregex, p.pref, text)
		r.Prefix, r.Content = &s, ""
		if s.Matched {
			r.Content = text
			if n := p.pref.content; n >= 0 && spans[2*n] >= 0 && spans[2*n] < spans[2*n+1] {
				r.Content = text[spans[2*n]:spans[2*n+1]] + "\n"
			}
		}
	}
	searched := text
	if r.Content != "" {
		searched = r.Content
		for i, rule := range p.fail {
			s, spans := p.trace("failregex", i, p.Failregex[i], rule, searched)
			r.Rules = append(r.Rules, s)
			if i == m.Rule && m.Verdict == Quiet && s.Matched {
				r.Tag, r.TagText = rule.excuse(searched, spans)
			}
		}
	}
	if m.Verdict == Quiet && r.Tag == "" && p.pref != nil && r.Content != "" {
		_, spans := p.trace("prefregex", 0, p.Prefregex, p.pref, text)
		r.Tag, r.TagText = p.pref.excuse(text, spans)
	}
	for i, rule := range p.ignore {
		s, _ := p.trace("ignoreregex", i, p.Ignoreregex[i], rule, searched)
		r.Ignores = append(r.Ignores, s)
	}
	r.Content = strings.TrimSuffix(r.Content, "\n")
	return r
}

// joined is what fill will make of the entry: with the lines of the window, if there is one.
func (f *Filter) joined(e event.Entry) string {
	var b strings.Builder
	if most := f.program.MaxLines; most > 1 {
		for _, w := range f.window[max(0, len(f.window)-most+1):] {
			b.WriteString(w.Before + w.After + "\n")
		}
	}
	b.WriteString(e.Before + e.After + "\n")
	return b.String()
}

// trace runs one expression and says where it stopped.
func (p *Program) trace(kind string, i int, written Rule, r *rule, text string) (event.RuleStep, []int32) {
	s := event.RuleStep{Kind: kind, Number: i + 1, Where: r.where, Expr: written.Expr}
	var mem pattern.Memory
	spans, err := r.re.Search(&mem, text)
	s.Matched, s.Aborted = spans != nil, err != nil
	if s.Matched {
		return s, slices.Clone(spans)
	}
	multi := kind == "failregex" && p.MaxLines > 1
	stop, err := pattern.Furthest(r.expr, pattern.Options{Multiline: multi}, text)
	if err != nil {
		return s, nil // it was compiled, so it cannot be
	}
	at := pattern.Origin(written.Expr, tagOptions(p.UseDNS), stop.Expr)
	s.Stop = &event.Stop{
		Text: strings.TrimSuffix(text, "\n"), At: utf8.RuneCountInString(text[:stop.At]), Literal: stop.Literal,
		Done: written.Expr[:at], Rest: written.Expr[at:], Cut: stop.Cut,
	}
	return s, nil
}

// excuse is the tag of a match that says it is no failure, and what it took.
func (r *rule) excuse(text string, spans []int32) (tag, took string) {
	for _, name := range []string{"mlfgained", "nofail"} {
		for _, g := range r.groups {
			if from, to := spans[2*g.at], spans[2*g.at+1]; g.name == name && from >= 0 && from < to {
				return "<F-" + strings.ToUpper(name) + ">", text[from:to]
			}
		}
	}
	return "", ""
}

// Nearest is the step that came furthest of those that did not match: the one with most literal
// text, then the one that came farthest in it.
func Nearest(steps []event.RuleStep) *event.RuleStep {
	var best *event.RuleStep
	for i := range steps {
		s := &steps[i]
		if s.Stop == nil {
			continue
		}
		if best == nil || s.Stop.Literal > best.Stop.Literal || s.Stop.Literal == best.Stop.Literal && s.Stop.At > best.Stop.At {
			best = s
		}
	}
	return best
}
