package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/pattern"
)

// regexRun is one run of fail2ban-regex.
type regexRun struct {
	args   *regexArgs
	probe  *probe
	out    *bufio.Writer
	filter *filter.Filter
	cutter *date.Cutter
	names  *names

	lines, matched, ignored, missed int
	prefixHits                      int
	prefixes                        []filter.Fields // the first ones
	hits                            []regexHits
	ignoreHits                      []int
	matchedLines                    []string
	ignoredLines                    []string
	missedLines                     []string
	recent                          []string // missed lines that a match may still span
}

// regexHits are the failures of one failregex.
type regexHits struct {
	count    int
	failures []string // "IP  time"
}

// Lists of this many lines are not printed unless asked for. fail2ban-regex takes -L for it too.
const manyLines = 20

func (r *regexRun) many() int {
	if r.args.maxlines > 0 {
		return r.args.maxlines
	}
	return manyLines
}

func runRegex(a *regexArgs, out io.Writer) error {
	started := time.Now()
	if strings.HasPrefix(a.log, "systemd-journal") {
		return errors.New("gaol does not read the journal here: try  journalctl -o short-iso SYSLOG_IDENTIFIER=sshd > FILE  and test FILE")
	}
	r := &regexRun{args: a, out: bufio.NewWriter(out), names: newNames()}
	defer r.out.Flush()
	if err := r.prepare(); err != nil {
		r.out.Flush()
		return compileError(err)
	}
	file := isFile(a.log)
	r.sayLog(file)
	err := eachLogLine(a.log, file, r.probe.units, func(text string) {
		if text == "" || text[0] == '#' {
			return
		}
		r.line(text, time.Now())
	})
	if err != nil {
		return err
	}
	if a.out == "" {
		r.report(time.Since(started))
	}
	return nil
}

// prepare reads and compiles what is to be tried, saying what it uses.
func (r *regexRun) prepare() error {
	a := r.args
	r.say("\nRunning tests\n=============\n\n")
	if a.config == "" {
		a.config = config.DefaultDir()
	}
	if _, err := date.ParseZone(a.zone); err != nil {
		return fmt.Errorf("Unknown or unsupported time zone: %s", pattern.Repr(a.zone))
	}
	if a.maxlines > 0 {
		r.say("Use         maxlines : %d\n", a.maxlines)
	}
	if a.datepattern != "" {
		if err := r.sayDate(a.datepattern); err != nil {
			return err
		}
	}
	p, err := prepareFilter(a.config, a.regex)
	if err != nil {
		return err
	}
	r.probe = p
	if err := r.options(); err != nil {
		return err
	}
	if err := p.finish(a.zone, a.encoding); err != nil {
		return err
	}
	r.filter = filter.New(p.program)
	r.cutter = &date.Cutter{Detector: date.NewDetector(p.templates), Lenient: true, Decode: p.decode}
	r.hits = make([]regexHits, len(p.spec.Failregex))
	r.ignoreHits = make([]int, len(p.spec.Ignoreregex))
	return nil
}

// options puts the command line's options over the filter's.
func (r *regexRun) options() error {
	a, p := r.args, r.probe
	switch {
	case p.jail != "":
		r.say("Use             jail : %s\n", p.jail)
	case p.where.name == "":
		r.say("Use   failregex line : %s\n", shorten(a.regex))
	case p.where.alone:
		r.say("Use   failregex file : %s\n", p.where.name)
	default:
		r.say("Use   failregex filter file : %s, basedir: %s\n", p.where.name, cmp.Or(p.where.shown, a.config))
	}
	if p.params != "" {
		r.say("Use   filter options : %s\n", p.params)
	}
	switch {
	case a.maxlines > 0:
		p.spec.MaxLines = a.maxlines
	case p.maxGiven:
		r.say("Use         maxlines : %d\n", p.spec.MaxLines)
	}
	if a.datepattern != "" {
		p.date = a.datepattern
	} else if p.dateGiven {
		if err := r.sayDate(p.date); err != nil {
			return err
		}
	}
	switch {
	case a.usedns != "":
		p.spec.UseDNS = a.usedns
	case p.jail == "":
		p.spec.UseDNS = "warn"
	}
	return r.ignoreOption()
}

// ignoreOption takes IGNOREREGEX: the path of a filter's file, whose ignoreregex is used, as
// fail2ban-regex(1) has it, or an expression.
func (r *regexRun) ignoreOption() error {
	a := r.args
	if a.ignore == "" {
		return nil
	}
	if w := findFilter(a.config, a.ignore); w.name != "" && strings.Contains(a.ignore, "/") {
		p, err := prepareFilter(a.config, a.ignore)
		if err != nil {
			return err
		}
		r.say("Use ignoreregex file : %s\n", a.ignore)
		r.probe.spec.Ignoreregex = p.spec.Ignoreregex
		return nil
	}
	r.say("Use ignoreregex line : %s\n", shorten(a.ignore))
	r.probe.spec.Ignoreregex = []filter.Rule{{Expr: a.ignore}}
	return nil
}

// line tries one line. text is only valid during the call.
func (r *regexRun) line(text string, now time.Time) {
	r.lines++
	e, _ := r.cutter.Cut(event.Line{Text: text, Arrived: now}, r.args.log, now)
	if r.args.out != "" {
		r.print(e, now)
		return
	}
	t := r.filter.Try(e, now, !r.args.firstOnly)
	if t.Matched && r.probe.spec.Prefregex.Expr != "" {
		r.prefix(&t)
	}
	if t.Ignore >= 0 {
		r.ignoreHits[t.Ignore]++
	}
	switch r.count(&t, e) {
	case filter.Ignored:
		r.ignored++
		r.keep(&r.ignoredLines, e, !r.args.noIgnored, r.args.allIgnored)
	case filter.Missed:
		r.missed++
		if n := r.probe.spec.MaxLines; n > 1 {
			r.recent = append(r.recent[max(len(r.recent)-n+1, 0):], strings.Clone(e.Line.Text))
		}
		r.keep(&r.missedLines, e, !r.args.noMissed, r.args.allMissed)
	default:
		r.earlier(&t)
		r.matched++
		r.keep(&r.matchedLines, e, r.args.allMatched, r.args.allMatched)
	}
}

// count counts the hits of the failregexes and says what the line is.
func (r *regexRun) count(t *filter.Tested, e event.Entry) filter.Verdict {
	kept := t.Matches[:0]
	for _, m := range t.Matches {
		if r.args.firstOnly && m.Verdict == filter.Quiet {
			continue // the server says nothing of them
		}
		ids := r.names.resolve(&m)
		if len(ids) == 0 {
			continue // a host name without address: fail2ban has nothing to ban
		}
		kept = append(kept, m)
		h := &r.hits[m.Rule]
		for _, id := range ids {
			h.count++
			if r.args.verbose > 0 {
				h.failures = append(h.failures, fmt.Sprintf("%s  %s", id, e.Time.Local().Format("Mon Jan 02 15:04:05 2006")))
			}
		}
	}
	t.Matches = kept
	return t.Verdict()
}

// earlier takes the lines before that a match spans for matched ones: they were missed alone.
func (r *regexRun) earlier(t *filter.Tested) {
	for _, m := range t.Matches {
		for _, l := range m.Spanned {
			at := slices.Index(r.recent, l)
			if at < 0 {
				continue
			}
			r.recent = slices.Delete(r.recent, at, at+1)
			r.missed--
			r.matched++
			if at := slices.Index(r.missedLines, shown(l)); at >= 0 {
				r.missedLines = slices.Delete(r.missedLines, at, at+1)
			}
			if r.args.allMatched {
				r.matchedLines = append(r.matchedLines, shown(l))
			}
		}
	}
}

func (r *regexRun) prefix(t *filter.Tested) {
	r.prefixHits++
	if r.args.verbose > 0 && len(r.prefixes) <= manyLines {
		r.prefixes = append(r.prefixes, t.Prefix.Clone())
	}
}

// keep remembers a line for the report's lists.
func (r *regexRun) keep(list *[]string, e event.Entry, wanted, all bool) {
	if wanted && (all || len(*list) < r.many()) {
		*list = append(*list, strings.Clone(shown(e.Line.Text)))
	}
}

func shown(line string) string { return strings.TrimRight(line, " \t\r\n\v\f") }
