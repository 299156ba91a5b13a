package cli

import (
	"fmt"
	"strings"

	"gaol/internal/engine"
	"gaol/internal/event"
)

// rows is a text of lines that begin with a label. What it prints may quote attackers, so each line
// is made printable here.
type rows struct{ b strings.Builder }

const labelWidth = 12

func (r *rows) say(format string, args ...any) {
	r.b.WriteString(engine.Printable(fmt.Sprintf(format, args...)))
	r.b.WriteByte('\n')
}

func (r *rows) row(label, format string, args ...any) {
	r.say("%s", strings.TrimRight(fmt.Sprintf("%-*s", labelWidth, label)+fmt.Sprintf(format, args...), " "))
}

// more goes on under the last row.
func (r *rows) more(format string, args ...any) { r.row("", format, args...) }

// lineName is what a line is called among others.
func lineName(e *event.Explanation, of int) string {
	name := "this line"
	if of > 1 {
		name = fmt.Sprintf("line %d", e.Number)
	}
	if e.Jail != "" {
		return name + " in jail " + e.Jail
	}
	return name
}

// headline is what becomes of a line, in one.
func headline(e *event.Explanation, of int) string {
	name := lineName(e, of)
	switch e.Outcome {
	case event.LineCounts:
		text := fmt.Sprintf("%s counts: failregex %s takes it for a failure of %s", name, whereOf(e.Rule), e.ID)
		if e.Count != nil {
			text += ", " + countText(e.Count)
		}
		return text
	case event.LineSpared:
		return fmt.Sprintf("%s counts for nothing: failregex %s takes it for a failure of %s, who is not banned: %s", name, whereOf(e.Rule), e.ID, e.Spared)
	case event.LineHelps:
		if e.Tag == "<F-MLFGAINED>" {
			return fmt.Sprintf("%s is only a helper (F-MLFGAINED): failregex %s matches, but tells of a login that succeeded", name, whereOf(e.Rule))
		}
		return fmt.Sprintf("%s is only a helper (F-NOFAIL): failregex %s matches, but <F-NOFAIL> in it took %q, so it is no failure by itself", name, whereOf(e.Rule), e.TagText)
	case event.LineWaits:
		return fmt.Sprintf("%s waits: failregex %s takes it for a failure, and no line of its connection has told the address yet", name, whereOf(e.Rule))
	case event.LineIgnored:
		return fmt.Sprintf("%s is ignored: ignoreregex %s matches", name, whereOf(e.Ignore))
	}
	n := e.Nearest
	switch {
	case n == nil:
		return name + " matches nothing: the filter has no failregex"
	case n.Kind == "prefregex":
		return fmt.Sprintf("%s matches nothing: prefregex %s stops at character %d, so that no failregex is tried", name, whereOf(n), n.Stop.At+1)
	case !tells(n):
		return name + " matches nothing: no failregex knows how it begins"
	}
	return fmt.Sprintf("%s matches nothing: failregex %s came furthest, to character %d", name, whereOf(n), n.Stop.At+1)
}

// tells says whether it means anything that an expression came furthest.
func tells(s *event.RuleStep) bool { return s.Stop.Literal > 0 || s.Where == "" }

// whereOf names an expression by its place, or by its number where it was given as text.
func whereOf(s *event.RuleStep) string {
	switch {
	case s == nil:
		return "of before" // the connection's
	case s.Where == "":
		return fmt.Sprintf("#%d", s.Number)
	}
	return s.Where
}

func countText(c *event.Count) string {
	text := fmt.Sprintf("%d of %d within %s", c.Failures, c.MaxRetry, showSpan(c.FindTime))
	switch {
	case c.Bans && c.Until.IsZero():
		return text + ": banned for ever"
	case c.Bans:
		return text + ": banned for " + showSpan(c.BanTime)
	}
	return text
}

// whatCounts says which lines count, and which would.
func whatCounts(all []event.Explanation) string {
	var count, would []string
	of := len(all)
	for i := range all {
		e := &all[i]
		if e.Outcome == event.LineCounts {
			count = append(count, fmt.Sprintf("line %d (failregex %s)", e.Number, whereOf(e.Rule)))
			continue
		}
		var edits []string
		for _, c := range e.Cures {
			if c.Write != "" {
				edits = append(edits, c.What)
			}
		}
		if len(edits) > 0 {
			would = append(would, fmt.Sprintf("line %d too under %s", e.Number, strings.Join(edits, " or ")))
		}
	}
	text := strings.Join(count, ", ")
	switch {
	case len(count) == 0 && len(would) > 0:
		text = "nothing here; " + strings.ReplaceAll(strings.Join(would, ", "), " too ", " would ")
	case len(count) == 0:
		text = "nothing here"
	case len(would) > 0:
		text += "; " + strings.Join(would, ", ")
	}
	if of == 1 {
		text = strings.NewReplacer("line 1 ", "this line ").Replace(text)
	}
	return "what counts: " + text
}

// explain is the way of one line.
func (r *rows) explain(e *event.Explanation) {
	r.row(fmt.Sprintf("line %d", e.Number), "%s", e.Line)
	r.date(e)
	if p := e.Prefix; p != nil {
		r.step("prefregex", p)
		if p.Matched && e.Content != "" {
			r.more("leaves: %q", e.Content)
		}
	}
	switch {
	case e.Rule != nil:
		r.step("failregex", e.Rule)
	case e.Nearest != nil && e.Nearest.Kind != "prefregex" && tells(e.Nearest):
		r.step("failregex", e.Nearest)
	}
	if e.Ignore != nil {
		r.step("ignoreregex", e.Ignore)
	}
	for i := range e.Tried {
		r.step(e.Tried[i].Kind, &e.Tried[i])
	}
	r.outcome(e)
}

func (r *rows) date(e *event.Explanation) {
	d := &e.Date
	switch {
	case d.Stamp == "" && d.Template == "":
		r.row("date", "none")
	case d.Time.IsZero():
		r.row("date", "%q", d.Stamp)
	default:
		zone := "in this machine's time zone or logtimezone"
		if d.Zoned {
			zone = "it names its zone"
		}
		r.row("date", "%q is %s (%s)", d.Stamp, d.Time.Local().Format("2006-01-02 15:04:05 -0700"), zone)
	}
	if d.Template != "" {
		r.more("template: %s", d.Template)
	}
	if d.Effect != "" {
		r.more("%s", d.Effect)
	}
	if d.Stamp != "" {
		r.more("leaves: %q", e.Text)
	}
}

// step is one expression: that it matches, or where it stopped.
func (r *rows) step(label string, s *event.RuleStep) {
	number := ""
	if s.Kind == "failregex" {
		number = fmt.Sprintf("#%d ", s.Number)
		if s.Where == "" {
			number = ""
		}
	}
	switch {
	case s.Matched:
		r.row(label, "%s%s matches", number, whereOf(s))
		r.more("%s", s.Expr)
	case s.Aborted:
		r.row(label, "%s%s gave up: it took too many steps on this line", number, whereOf(s))
	case s.Stop == nil:
		r.row(label, "%s%s was not tried", number, whereOf(s))
	default:
		r.row(label, "%s%s stops at character %d", number, whereOf(s), s.Stop.At+1)
		text, at := window(engine.Printable(s.Stop.Text), s.Stop.At)
		r.more("%s", text)
		r.more("%s^", strings.Repeat(" ", at))
		rest := s.Stop.Rest
		if rest == "" {
			rest = "the end"
		}
		r.more("expected here: %s", rest)
		if s.Stop.Cut {
			r.more("the line is too long to follow every way that the regex could go: another may have come further")
		}
	}
}

// window is the part of a long text around a character, and where that stands in it.
func window(text string, at int) (string, int) {
	const before, behind, width = 70, 40, 110
	chars := []rune(text)
	from, to := 0, len(chars)
	cut := func(s string, from int) (string, int) { return s, at - from }
	if at > before {
		from = at - before
	}
	to = min(to, max(at+behind, from+width))
	s := string(chars[from:to])
	if to < len(chars) {
		s += "…"
	}
	if from > 0 {
		return cut("…"+s, from-1)
	}
	return cut(s, from)
}

// outcome is what follows from a line.
func (r *rows) outcome(e *event.Explanation) {
	if e.Tag != "" {
		r.row("tag", "%s took %q", e.Tag, e.TagText)
	}
	if names := fieldsText(e.Fields); names != "" {
		r.row("names", "%s", names)
	}
	if e.Connection != "" {
		r.row("connection", "%q: lines that begin like this are read together (F-MLFID)", strings.TrimSpace(e.Connection))
	}
	for i, l := range e.Evidence {
		if i == 0 {
			r.row("evidence", "%s", l)
		} else {
			r.more("%s", l)
		}
	}
	switch {
	case e.Spared != "":
		r.row("spared", "%s", e.Spared)
	case e.Count != nil:
		r.row("decision", "%s", e.Count.Decision)
	}
	r.cures(e)
}

func (r *rows) cures(e *event.Explanation) {
	label := "to count"
	say := func(format string, args ...any) {
		r.row(label, format, args...)
		label = ""
	}
	alone := true
	for _, c := range e.Cures {
		if c.Write == "" {
			say("%s %s", c.What, c.Why)
			alone = false
			continue
		}
		say("write %s: then failregex %s counts it", c.Write, c.Where)
	}
	if e.Tag == "<F-MLFGAINED>" {
		return
	}
	if alone && e.Outcome == event.LineHelps && e.Connection != "" {
		say("a later line of the same connection that counts takes this one along; it is remembered for 5 minutes")
	}
	if alone && e.Outcome == event.LineWaits {
		say("a later line of the same connection that names the address, within 5 minutes")
	}
	if label != "" && e.Modes > 0 {
		say("no other form of the filter counts it (%d tried)", e.Modes)
	}
}

// fieldsText are what the groups took, without what is told elsewhere.
func fieldsText(f event.Fields) string {
	var parts []string
	for _, x := range f {
		switch x.Name {
		case "nofail", "mlfgained", "mlfforget", "users", "content":
		default:
			parts = append(parts, fmt.Sprintf("%s=%q", x.Name, x.Value))
		}
	}
	return strings.Join(parts, " ")
}
