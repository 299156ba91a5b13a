package engine

import "gaol/internal/event"

// regexes is how many failures the failregexes of each place found, also where that is none. What
// an expression found before a reload that took it away is not told any more.
func (w *worker) regexes() (all []event.RegexStatus) {
	told := make(map[string]bool, len(w.program.Failregex))
	for _, r := range w.program.Failregex {
		if r.Where != "" && !told[r.Where] {
			told[r.Where] = true
			all = append(all, event.RegexStatus{Where: r.Where, Failures: w.matched[r.Where]})
		}
	}
	return all
}
