package filter

import (
	"strings"

	"gaol/internal/event"
)

// taken is what a match stands on.
type taken struct {
	text      string   // for ignoreregex
	originals []string // the log lines, whole
}

// take says which lines a match stands on and removes them from the window; those skipped by
// <SKIPLINES> stay (§2.9).
func (f *Filter) take(r *rule, text string, spans []int32) taken {
	if f.program.MaxLines <= 1 {
		return taken{text: text, originals: append(f.lines[:0], f.line)}
	}
	if int(spans[1]) > len(text) || len(text) != len(f.buf) {
		// <F-CONTENT> was cut out: the lines it came from are not known; it is the newest's.
		last := f.window[len(f.window)-1]
		f.window = f.window[:len(f.window)-1]
		return taken{text: text, originals: []string{last.Line.Text}}
	}
	first, last := lineOf(text, spans[0]), lineOf(text, max(spans[1]-1, spans[0]))
	skipped := make([]bool, len(f.window))
	for _, g := range r.groups {
		if strings.HasPrefix(g.name, "skiplines") && spans[2*g.at] >= 0 && spans[2*g.at] < spans[2*g.at+1] {
			for n := lineOf(text, spans[2*g.at]); n <= lineOf(text, spans[2*g.at+1]-1); n++ {
				skipped[n] = true
			}
		}
	}
	var t taken
	var kept []event.Entry
	var b strings.Builder
	for n, w := range f.window {
		if n < first || n > last || skipped[n] {
			kept = append(kept, w)
			continue
		}
		t.originals = append(t.originals, w.Line.Text)
		b.WriteString(w.Before + w.After + "\n")
	}
	f.window = kept
	t.text = b.String()
	return t
}

// lineOf is the number of the line, from 0, that holds the byte offset.
func lineOf(text string, at int32) int {
	return strings.Count(text[:at], "\n")
}
