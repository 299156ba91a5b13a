package filter

import (
	"strings"
	"time"
	"unsafe"

	"gaol/internal/event"
	"gaol/internal/pattern"
)

// Filter is a program with the state of one jail. It is not for concurrent use.
type Filter struct {
	program *Program
	memory  memory
	mem     pattern.Memory
	buf     []byte // the searched text
	data    Fields
	line    string        // the last line
	window  []event.Entry // the last lines, where a failregex may span several
	whole   Fields        // prefregex's, with <F-CONTENT>
	base    Fields        // prefregex's
	lines   [1]string
	hit     []bool // which failregexes can match the line
	aborts  []Abort
}

// Abort is a search that was given up because it took too many steps (pattern.ErrBudget): an
// expression with a backreference on a line made for it. The next expression was tried.
type Abort struct{ Where, Expr string }

// New starts a filter without memory.
func New(p *Program) *Filter { return &Filter{program: p, hit: make([]bool, len(p.fail))} }

// Feed takes the next entry and returns the failures it completes: none or one. The first
// failregex that matches wins, as in the server. Failures are never of later than now. Connections
// are remembered by the time of their lines, not of their reading, so that an old log that is
// read fast gives the same failures as it gave when it was written.
func (f *Filter) Feed(e event.Entry, now time.Time) (failures []event.Failure, aborts []Abort) {
	at := e.Time
	if at.After(now) {
		at = now
	}
	m := f.MatchEntry(&e, at)
	if m.Verdict != Failed {
		return nil, f.aborts
	}
	return []event.Failure{m.Failure(e, now)}, f.aborts
}

// Verdict is what a line comes to.
type Verdict int

// The verdicts.
const (
	Missed  Verdict = iota // no failregex matched
	Failed                 // a failure
	Ignored                // an ignoreregex matched
	Quiet                  // <F-NOFAIL>: no failure, though later lines may make it one
	Pending                // a failure of a connection whose address is not known yet
)

// Match is a line that some expression matched.
type Match struct {
	Verdict Verdict
	Rule    int    // index of the failregex
	Ignore  int    // of Ignored: index of the ignoreregex
	Where   string // of the failregex
	Alone   bool   // it has <F-NOFAIL>, but no connection: a failure all the same (§2.4)
	ID      string
	Kind    event.IDKind
	IP      string
	Fields  Fields   // valid until the filter is used again
	Lines   []string // the lines of the failure
	Spanned []string // lines before this one that the match spans (maxlines)
}

// Failure is the match as the jail counts it.
func (m *Match) Failure(e event.Entry, now time.Time) event.Failure {
	t := e.Time
	if t.After(now) {
		t = now
	}
	return event.Failure{
		ID: strings.Clone(m.ID), Kind: m.Kind, IP: strings.Clone(m.IP), Time: t, Fields: m.Fields.export(),
		Matches: cloneAll(m.Lines), Regex: m.Where, Source: e.Source,
	}
}

func cloneAll(lines []string) []string {
	c := make([]string, len(lines))
	for i, l := range lines {
		c[i] = strings.Clone(l)
	}
	return c
}

// Match is Feed for one that wants to know why a line is no failure. Connections expire by the
// time at.
func (f *Filter) Match(e event.Entry, at time.Time) Match { return f.MatchEntry(&e, at) }

// MatchEntry is Match for an entry that is not worth to be copied, for each of a million lines.
func (f *Filter) MatchEntry(e *event.Entry, at time.Time) Match {
	p := f.program
	f.aborts = nil
	f.memory.nextLine()
	text := f.fill(e)
	if p.heads == nil && !p.sieve.sift(text, f.hit) && !p.early {
		return Match{} // no failregex can match, whatever prefregex says
	}
	if p.early {
		if n := f.ignores(text); n >= 0 {
			return Match{Verdict: Ignored, Ignore: n}
		}
	}
	text, ok := f.prefix(text)
	if !ok {
		return Match{}
	}
	if p.heads != nil {
		p.heads.sift(text, f.hit)
	}
	f.data.drop(keyContent)
	base := len(f.data)
	for i, r := range p.fail {
		if !f.hit[i] {
			continue
		}
		spans := f.search(r, text)
		if spans == nil {
			continue
		}
		f.overlay(r, base, text, spans)
		lines := f.take(r, text, spans)
		if n := f.ignores(lines.text); n >= 0 {
			return Match{Verdict: Ignored, Ignore: n, Rule: i, Where: r.where}
		}
		return f.conclude(i, lines.originals, at)
	}
	return Match{}
}

// prefix runs prefregex; its fields become the base of the data, its <F-CONTENT> the text.
func (f *Filter) prefix(text string) (string, bool) {
	f.data = f.data[:0]
	r := f.program.pref
	if r == nil {
		return text, true
	}
	spans := f.search(r, text)
	if spans == nil {
		return "", false
	}
	f.data = r.capture(f.data, 0, text, spans)
	if r.content < 0 || spans[2*r.content] < 0 || spans[2*r.content] == spans[2*r.content+1] {
		return text, true
	}
	return f.contentOf(text, spans[2*r.content], spans[2*r.content+1]), true
}

// contentOf is a part of the buffer with a newline behind it. Where one stands there already, or
// the part ends the line, nothing is copied.
func (f *Filter) contentOf(text string, from, to int32) string {
	if int(to) < len(text) && text[to] == '\n' {
		return text[from : to+1]
	}
	return text[from:to] + "\n"
}

// overlay puts the failregex's groups over those of prefregex, of which there are base.
func (f *Filter) overlay(r *rule, base int, text string, spans []int32) {
	f.data = r.capture(f.data, base, text, spans)
	if r.alternates || f.program.pref != nil && f.program.pref.alternates {
		f.data.alternates()
	}
}

// conclude finds out what a match comes to: with the lines before it, if it names a connection.
func (f *Filter) conclude(i int, lines []string, at time.Time) Match {
	m := Match{Verdict: Failed, Rule: i, Where: f.program.fail[i].where, Fields: f.data, Lines: lines}
	told := f.data.told()
	m.Alone = told.nofail
	if len(lines) > 1 {
		m.Spanned = lines[:len(lines)-1]
	}
	if told.mlfid != "" {
		var c *connection
		c, m.Lines, m.Verdict = f.memory.merge(&f.data, told, lines[len(lines)-1:], at)
		m.Fields, m.Alone = c.Data, false
		told = c.Data.told()
	}
	who, ok := identify(told, f.program.UseDNS)
	m.ID, m.Kind, m.IP = who.id, who.kind, who.ip
	if !ok && m.Verdict == Failed {
		m.Verdict = Missed
	}
	return m
}

// search runs one expression; an abort counts as no match.
func (f *Filter) search(r *rule, text string) []int32 {
	spans, err := r.re.Search(&f.mem, text)
	if err != nil {
		f.aborts = append(f.aborts, Abort{Where: r.where, Expr: r.expr})
		return nil
	}
	return spans
}

// ignores is the index of the ignoreregex that matches; -1: none.
func (f *Filter) ignores(text string) int {
	for i, r := range f.program.ignore {
		if f.search(r, text) != nil {
			return i
		}
	}
	return -1
}

// fill puts the entry, behind the lines of the window if there is one, into the buffer: text
// before and after the timestamp, and a newline, which `$` is used to (§2.1 step 4).
func (f *Filter) fill(e *event.Entry) string {
	f.buf = f.buf[:0]
	if f.program.MaxLines > 1 {
		if len(f.window) >= f.program.MaxLines {
			f.window = append(f.window[:0], f.window[len(f.window)-f.program.MaxLines+1:]...)
		}
		kept := *e
		kept.Line.Text, kept.Before, kept.After = strings.Clone(e.Line.Text), strings.Clone(e.Before), strings.Clone(e.After)
		f.window = append(f.window, kept)
		for _, w := range f.window {
			f.buf = append(append(append(f.buf, w.Before...), w.After...), '\n')
		}
	} else {
		f.line = e.Line.Text
		f.buf = append(append(append(f.buf, e.Before...), e.After...), '\n')
	}
	// The text is not kept beyond the next call: what is kept is cloned.
	return unsafe.String(unsafe.SliceData(f.buf), len(f.buf))
}

// Aborts are the searches that the last call gave up.
func (f *Filter) Aborts() []Abort { return f.aborts }
