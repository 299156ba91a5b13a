package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/host"
	"gaol/internal/jail"
)

// Subject is what lines are held against: a filter, and the jail that has it.
type Subject struct {
	Filter      string // as people name it
	Spec        filter.Spec
	DatePattern string
	Zone        string       // logtimezone
	Encoding    string       // logencoding
	Jail        *config.Jail // whose filter it is; nil: none's
	Others      []Other      // the same filter with other values of its parameters
	Daemon      string       // which programs the filter expects, as a regex; empty: it does not say
	// With is the filter with another value of a parameter. nil: it has no parameters.
	With func(param, value string) (Other, bool)
}

// Other is a filter in another mode.
type Other struct {
	What  string // "mode=aggressive"
	Write string // the edit that brings it
	Spec  filter.Spec
}

// SubjectOfJail is a jail's filter, with its other modes.
func SubjectOfJail(opts config.LoadOptions, j config.Jail) Subject {
	s := Subject{Filter: j.FilterName, Spec: specOf(j), DatePattern: j.Filter.DatePattern, Zone: j.LogTimezone, Encoding: j.LogEncoding, Jail: &j}
	for _, key := range []string{"failregex", "prefregex", "ignoreregex"} {
		if _, own := j.Options[key]; own {
			return s // the jail's own expressions know no mode
		}
	}
	s.vary(opts, j.Filter, j.UseDNS, fmt.Sprintf("in jail %s: filter = ", j.Name))
	return s
}

// SubjectOfFilter is a filter alone, with its other modes.
func SubjectOfFilter(opts config.LoadOptions, f config.FilterSpec, given string) Subject {
	j := config.Jail{Filter: f, FilterName: f.Name, UseDNS: cmp.Or(f.UseDNS, "warn")}
	s := Subject{Filter: given, Spec: specOf(j), DatePattern: f.DatePattern}
	s.vary(opts, f, j.UseDNS, "filter = ")
	return s
}

// vary adds the other forms of a filter. write is what stands before its name in an edit.
func (s *Subject) vary(opts config.LoadOptions, f config.FilterSpec, usedns, write string) {
	other := func(v config.Variant) Other {
		what := v.Param + "=" + v.Value
		return Other{What: what, Write: write + f.Name + "[" + what + "]",
			Spec: specOf(config.Jail{Filter: v.Filter, FilterName: f.Name, UseDNS: usedns})}
	}
	for _, v := range config.Variants(opts, f) {
		s.Others = append(s.Others, other(v))
	}
	s.Daemon = f.Daemon
	s.With = func(param, value string) (Other, bool) {
		v, ok := config.With(opts, f, param, value)
		return other(v), ok
	}
}

// ExplainOptions say which lines are to be explained, and by which clock.
type ExplainOptions struct {
	Lines []string
	Now   time.Time
	All   bool // also what every expression made of a line
	// Spared says whom nobody bans; nil: that is not looked at.
	Spared func(id string, kind event.IDKind) (why string, spared bool)
}

// Explain takes the lines, in their order, through a filter that remembers nothing, and says what
// becomes of each. Without a jail nothing is counted.
func Explain(ctx context.Context, s Subject, o ExplainOptions) ([]event.Explanation, error) {
	x, err := newExplainer(s, o)
	if err != nil {
		return nil, err
	}
	for i, text := range o.Lines {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("explain line %d: %w", i+1, ctx.Err())
		}
		e := x.line(text, i+1)
		x.all = append(x.all, e)
	}
	for i := range x.all {
		x.beside(i)
	}
	return x.all, x.cure()
}

type explainer struct {
	s         Subject
	o         ExplainOptions
	cutter    date.Cutter
	templates *date.Detector
	filter    *filter.Filter
	jail      *jail.Jail // nil: nobody counts
	all       []event.Explanation
}

func newExplainer(s Subject, o ExplainOptions) (*explainer, error) {
	x := &explainer{s: s, o: o}
	program, dates, decode, err := s.compile(s.Spec, o.Now)
	if err != nil {
		return nil, err
	}
	x.filter = filter.New(program)
	x.cutter = date.Cutter{Detector: date.NewDetector(dates), Lenient: true, Decode: decode}
	x.templates = date.NewDetector(dates)
	if j := s.Jail; j != nil {
		x.jail = jail.New(jail.Options{Name: j.Name, MaxRetry: j.MaxRetry, FindTime: j.FindTime, BanTime: j.BanTime,
			MaxMatches: j.MaxMatches, Width: jail.Width(j.Prefix)})
	}
	return x, nil
}

func (s *Subject) compile(spec filter.Spec, now time.Time) (*filter.Program, *date.Templates, func(string) string, error) {
	p, err := filter.Compile(spec)
	if err != nil {
		return nil, nil, nil, err
	}
	zone, err := date.ParseZone(s.Zone)
	if err != nil {
		return nil, nil, nil, err
	}
	dates, err := date.Parse(s.DatePattern, date.Options{Zone: zone, Year: now.Year()})
	if err != nil {
		return nil, nil, nil, err
	}
	decode, err := date.Decoder(s.Encoding)
	return p, dates, decode, err
}

// line explains one line by itself and what the lines before it left.
func (x *explainer) line(text string, number int) event.Explanation {
	text = strings.TrimRight(text, "\r\n")
	if len(text) > event.MaxLine {
		text = text[:event.MaxLine]
	}
	entry, _ := x.cutter.Cut(event.Line{Text: text}, "", x.o.Now)
	e := event.Explanation{Line: entry.Line.Text, Number: number, Filter: x.s.Filter, Date: x.date(entry)}
	if x.s.Jail != nil {
		e.Jail = x.s.Jail.Name
	}
	r := x.filter.Explain(entry, entry.Time)
	m := &r.Match
	e.Text, e.Prefix, e.ID = r.Text, r.Prefix, m.ID
	if r.Content != r.Text {
		e.Content = r.Content
	}
	e.Connection = m.Fields.Get("mlfid")
	for _, f := range m.Fields {
		if f.Set && f.Name != "mlfid" {
			e.Fields.Set(f.Name, f.Value)
		}
	}
	if matched := m.Rule < len(r.Rules) && r.Rules[m.Rule].Matched; matched {
		e.Rule = &r.Rules[m.Rule]
	}
	switch m.Verdict {
	case filter.Failed:
		e.Outcome = event.LineCounts
		x.count(&e, m, entry)
	case filter.Quiet:
		e.Outcome, e.Tag, e.TagText = event.LineHelps, r.Tag, r.TagText
	case filter.Pending:
		e.Outcome = event.LineWaits
	case filter.Ignored:
		e.Outcome = event.LineIgnored
		if m.Ignore < len(r.Ignores) {
			e.Ignore = &r.Ignores[m.Ignore]
		}
	default:
		e.Outcome = event.LineMissed
		e.Rule = nil
		e.Nearest = filter.Nearest(r.Rules)
		if r.Prefix != nil && !r.Prefix.Matched {
			e.Nearest = r.Prefix
		}
	}
	if x.o.All {
		e.Tried = append(append(e.Tried, r.Rules...), r.Ignores...)
	}
	return e
}

// date says what was found out about a line's time, and what a running jail makes of it.
func (x *explainer) date(entry event.Entry) event.DateStep {
	s, found := x.templates.Find(entry.Line.Text, x.o.Now)
	d := event.DateStep{Stamp: entry.Stamp, At: utf8.RuneCountInString(entry.Before)}
	if found {
		d.Template, d.Zoned = s.Template, s.Zoned
	}
	journal := x.s.Jail != nil && strings.HasPrefix(x.s.Jail.Backend, "systemd")
	switch {
	case !found && journal:
		d.Effect = "the journal tells the time of a line beside its text"
		return d
	case !found && x.cutter.Seen == date.Undated:
		d.Effect = "no timestamp: a jail takes such a line for one of now, but drops it while it reads a log for the first time"
		return d
	case !found:
		d.Effect, d.Time = "no timestamp: the line is of the same time as the one before it", entry.Time
		return d
	case !s.OK:
		d.Effect = "there is no such date: the line is taken as one without"
		return d
	}
	d.Time = s.Time
	off := x.o.Now.Sub(s.Time)
	switch j := x.s.Jail; {
	case off < -time.Minute:
		d.Effect = fmt.Sprintf("it is %s ahead of this machine's clock: a jail that runs takes the line for one of now", spanText(-off))
	case j != nil && off > j.FindTime:
		d.Effect = fmt.Sprintf("it is %s old, more than findtime (%s): a jail that starts drops the line, one that runs takes it for one of now", spanText(off), spanText(j.FindTime))
	}
	return d
}

// spanText is a duration for people: its two largest units.
func spanText(d time.Duration) string {
	d = d.Round(time.Second)
	day := 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour >= time.Minute:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute > 0:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// count has a jail that knows only these lines count the failure.
func (x *explainer) count(e *event.Explanation, m *filter.Match, entry event.Entry) {
	f := m.Failure(entry, entry.Time)
	if len(f.Matches) > 1 {
		e.Evidence = f.Matches
	}
	if x.o.Spared != nil {
		if why, spared := x.o.Spared(f.ID, f.Kind); spared {
			e.Outcome, e.Spared = event.LineSpared, why
			return
		}
	}
	j := x.s.Jail
	if j == nil {
		return
	}
	c := &event.Count{MaxRetry: j.MaxRetry, FindTime: j.FindTime, BanTime: j.BanTime}
	e.Count = c
	f.Jail = j.Name
	decided := x.jail.Fail(f, f.Time)
	for _, d := range decided {
		if d.Kind == event.Impose || d.Kind == event.Prolong {
			c.Bans, c.Until, c.Failures = true, d.Ban.End, d.Ban.Count
		}
	}
	if t, counted := x.jail.Counted(f.ID); counted && !c.Bans {
		c.Failures = t.Count
	}
	c.Decision = decisionText(f.ID, c)
	if j.IgnoreCommand != "" {
		c.Decision += "; " + j.Where("ignorecommand").String() + ": ignorecommand is asked first, and may spare it"
	}
}

// decisionText is what a count leads to.
func decisionText(id string, c *event.Count) string {
	count := fmt.Sprintf("%d of %d failures within %s", c.Failures, c.MaxRetry, spanText(c.FindTime))
	switch {
	case !c.Bans:
		return "none yet by these lines: " + count
	case c.Until.IsZero():
		return id + " is banned for ever: " + count
	}
	return fmt.Sprintf("%s is banned: %s, until %s", id, count, clock(c.Until))
}

// SparedBy says whom a jail spares by its configuration and by what this machine is, without a
// daemon: whose allow-list is not known then.
func SparedBy(j config.Jail) (func(id string, kind event.IDKind) (why string, spared bool), error) {
	list, bad := host.ParseList(j.IgnoreIP, host.NewResolver())
	proxies, err := readProxies(j.TrustedProxies)
	own, errFloor := host.ReadFloor()
	if err := errors.Join(errors.Join(bad...), err, errFloor); err != nil {
		return nil, err
	}
	return func(id string, kind event.IDKind) (string, bool) {
		if why, ok := own.Protects(id, kind); ok {
			return why, true
		}
		if why, ok := proxies.Protects(id, time.Now()); ok {
			return j.Where("trusted_proxies").String() + ": " + why, true
		}
		if j.IgnoreSelf && own.Own(id) {
			return "it is this machine's own address (ignoreself)", true
		}
		if entry, ok := list.Contains(id, kind); ok {
			return j.Where("ignoreip").String() + ": ignoreip has " + entry, true
		}
		return "", false
	}, nil
}
