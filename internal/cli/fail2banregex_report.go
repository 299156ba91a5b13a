package cli

import (
	"fmt"
	"strings"
	"time"

	"gaol/internal/filter"
	"gaol/internal/pattern"
)

// say prints a line of the report; nothing where only failures are wanted (-o).
func (r *regexRun) say(format string, args ...any) {
	if r.args.out == "" {
		fmt.Fprintf(r.out, format, args...)
	}
}

// sayDate names the datepattern and what it is called.
func (r *regexRun) sayDate(text string) error {
	name, err := dateName(text)
	if err != nil {
		return err
	}
	r.say("Use      datepattern : %s : %s\n", text, name)
	return nil
}

func (r *regexRun) sayLog(file bool) {
	log := r.args.log
	lines := strings.Split(log, "\n")
	switch {
	case file:
		r.say("Use         log file : %s\n", log)
		encoding := r.args.encoding
		if encoding == "" {
			encoding = "UTF-8"
		}
		r.say("Use         encoding : %s\n\n", encoding)
	case len(lines) == 1:
		r.say("Use      single line : %s\n\n", shorten(log))
	default:
		r.say("Use      multi line : %d line(s)\n", len(lines))
		for i, l := range lines {
			r.say("| %2d: %s\n", i+1, shorten(l))
		}
		r.say("`-\n\n")
	}
}

// shorten is how the report shows what may be long.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 53 {
		return string(runes[:50]) + "..."
	}
	return text
}

// report prints what was found.
func (r *regexRun) report(took time.Duration) {
	r.say("\nResults\n=======\n\n")
	if r.probe.spec.Prefregex.Expr != "" {
		r.say("Prefregex: %d total\n|  %s\n", r.prefixHits, r.probe.program.PrefregexExpanded())
		for i, p := range r.prefixes {
			if i == manyLines {
				r.say("|      ...\n")
				break
			}
			r.say("|      %s\n", dict(p))
		}
		r.say("`-\n\n")
	}
	r.reportRules("Failregex", r.probe.spec.Failregex, r.hits)
	ignores := make([]regexHits, len(r.ignoreHits))
	for i, n := range r.ignoreHits {
		ignores[i].count = n
	}
	r.reportRules("Ignoreregex", r.probe.spec.Ignoreregex, ignores)
	r.reportDates()
	r.say("Lines: %d lines, %d ignored, %d matched, %d missed\n", r.lines, r.ignored, r.matched, r.missed)
	r.say("[processed in %.2f sec]\n\n", took.Seconds())
	r.reportLines("Matched", r.matchedLines, r.matched, r.args.allMatched, true)
	r.reportLines("Ignored", r.ignoredLines, r.ignored, !r.args.noIgnored, r.args.allIgnored)
	r.reportLines("Missed", r.missedLines, r.missed, !r.args.noMissed, r.args.allMissed)
}

func (r *regexRun) reportRules(title string, rules []filter.Rule, hits []regexHits) {
	total, shown := 0, false
	for _, h := range hits {
		total += h.count
		shown = shown || h.count > 0 || r.args.verbose > 0
	}
	r.say("%s: %d total\n", title, total)
	if shown {
		r.say("|-  #) [# of hits] regular expression\n")
		for i, h := range hits {
			if h.count == 0 && r.args.verbose == 0 {
				continue
			}
			r.say("|  %2d) [%d] %s\n", i+1, h.count, rules[i].Expr)
			for _, f := range h.failures {
				r.say("|      %s\n", f)
			}
		}
		r.say("`-\n")
	}
	r.say("\n")
}

func (r *regexRun) reportDates() {
	r.say("Date template hits:\n")
	hits := r.cutter.Detector.Hits()
	shown := false
	for _, h := range hits {
		if h.Count == 0 && r.args.verbose == 0 {
			continue
		}
		if !shown {
			r.say("|- [# of hits] date format\n")
			shown = true
		}
		r.say("|  [%d] %s\n", h.Count, h.Name)
	}
	if shown {
		r.say("`-\n")
	}
	r.say("\n")
}

// reportLines lists lines, unless there are too many of them.
func (r *regexRun) reportLines(title string, lines []string, count int, wanted, all bool) {
	switch {
	case !wanted || count == 0:
	case count >= r.many() && !all:
		lower := strings.ToLower(title)
		r.say("%s line(s): too many to print.  Use --print-all-%s to print all %d lines\n", title, lower, count)
	default:
		r.say("|- %s line(s):\n", title)
		for _, l := range lines {
			r.say("|  %s\n", l)
		}
		r.say("`-\n")
	}
}

// dict shows fields as Python shows a dict.
func dict(fields filter.Fields) string {
	shown := make([]string, 0, len(fields))
	for _, f := range fields {
		shown = append(shown, pattern.Repr(f.Name)+": "+value(f))
	}
	return "{" + strings.Join(shown, ", ") + "}"
}

func value(f filter.Field) string {
	switch {
	case !f.Set:
		return "None"
	case f.Name == "users", strings.HasPrefix(f.Value, "(") && strings.HasSuffix(f.Value, ")") && f.Name == "fid":
		return f.Value
	}
	return pattern.Repr(f.Value)
}
