package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
)

// testOptions are the arguments of `gaol test`.
type testOptions struct {
	config, log, filter, datepattern, usedns, encoding string
	json                                               bool
}

// testCommand is `gaol test LOG FILTER`: what the daemon would take for failures.
func testCommand() *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:   "test LOG FILTER",
		Short: "Show which lines of a log a filter takes for failures, and whose",
		Long: "Reads a log from its start and tries a filter on it as the daemon does, whatever the\n" +
			"lines' age. LOG is a file or one line of a log, FILTER a jail's name, a filter's name\n" +
			"with its parameters, the path of a filter file, or a failregex.",
		Example: "  gaol test /var/log/auth.log 'sshd[mode=aggressive]'",
		Args:    needs("LOG", "FILTER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.log, o.filter = args[0], args[1]
			return runTest(o, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.config, "config", "c", "", "configuration directory (default /etc/gaol, else /etc/fail2ban, else the one inside gaol)")
	f.StringVarP(&o.datepattern, "datepattern", "d", "", "how timestamps look, instead of what the filter says")
	f.StringVar(&o.usedns, "usedns", "", "yes, warn, no or raw: what becomes of host names (default: the jail's, else warn)")
	f.StringVarP(&o.encoding, "encoding", "e", "", "how the log is written, as logencoding names it (default UTF-8)")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// testReport is the outcome of `gaol test`.
type testReport struct {
	Log      string     `json:"log"`
	Filter   string     `json:"filter"`
	Lines    int        `json:"lines"`
	Undated  int        `json:"undated"`  // lines without a timestamp
	Failures int        `json:"failures"` // what the jail would count
	Quiet    int        `json:"quiet"`    // lines that only prepare a failure, or tell of a success
	Ignored  int        `json:"ignored"`  // by ignoreregex
	Missed   int        `json:"missed"`
	Aborted  int        `json:"aborted,omitempty"` // searches that took too many steps
	Rules    []ruleHits `json:"rules"`
	IDs      []idHits   `json:"ids"`
	Samples  []string   `json:"missed_samples,omitempty"`
	Seconds  float64    `json:"seconds"`
}

type ruleHits struct {
	Where string `json:"where,omitempty"`
	Expr  string `json:"failregex"`
	Hits  int    `json:"hits"`
}

type idHits struct {
	ID    string    `json:"id"`
	Hits  int       `json:"failures"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// missedSamples is how many lines that matched nothing are shown.
const missedSamples = 5

func runTest(o testOptions, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		// What is alive is a few MB; collecting it for each few MB of garbage was a tenth of the time.
		defer debug.SetGCPercent(debug.SetGCPercent(400))
	}
	report, err := testLog(o)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(out, report)
	}
	return report.print(out)
}

// testLog tries the filter on every line of the log.
func testLog(o testOptions) (*testReport, error) {
	started := time.Now()
	if o.config == "" {
		o.config = config.DefaultDir()
	}
	p, err := prepareFilter(o.config, o.filter)
	if err != nil {
		return nil, err
	}
	if o.datepattern != "" {
		p.date = o.datepattern
	}
	if p.jail == "" || o.usedns != "" {
		p.spec.UseDNS = cmp.Or(o.usedns, "warn")
	}
	if err := p.finish("", o.encoding); err != nil {
		return nil, err
	}
	t := &tester{
		report: testReport{Log: o.log, Filter: o.filter, Rules: make([]ruleHits, len(p.spec.Failregex)), IDs: []idHits{}},
		filter: filter.New(p.program),
		cutter: date.Cutter{Detector: date.NewDetector(p.templates), Lenient: true, Decode: p.decode},
		ids:    newNumbers(),
	}
	for i, r := range p.spec.Failregex {
		t.report.Rules[i] = ruleHits{Where: r.Where, Expr: r.Expr}
	}
	err = eachLogLine(o.log, isFile(o.log), p.units, func(text string) { t.line(text, started) })
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	t.report.IDs = byHits(t.report.IDs)
	t.report.Seconds = time.Since(started).Seconds()
	return &t.report, nil
}

// byHits puts the ids with most failures first, others as they came. It sorts numbers: moving the
// ids about was a thirtieth of the time a log of 100,000 lines takes.
func byHits(ids []idHits) []idHits {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(ids[b].Hits, ids[a].Hits), cmp.Compare(a, b)) })
	sorted := make([]idHits, len(ids))
	for i, at := range order {
		sorted[i] = ids[at]
	}
	return sorted
}

// tester counts.
type tester struct {
	report testReport
	filter *filter.Filter
	cutter date.Cutter
	entry  event.Entry // of the last line
	ids    numbers
}

// line tries one line. text is only valid during the call.
func (t *tester) line(text string, now time.Time) {
	if text == "" || text[0] == '#' {
		return
	}
	r := &t.report
	r.Lines++
	e := &t.entry
	e.Line.Text = text
	t.cutter.CutInto(e, now)
	if t.cutter.Seen == date.Undated {
		r.Undated++
	}
	m := t.filter.MatchEntry(e, e.Time)
	r.Aborted += len(t.filter.Aborts())
	switch m.Verdict {
	case filter.Failed:
		r.Failures++
		r.Rules[m.Rule].Hits++
		t.id(m.ID, e.Time)
	case filter.Quiet, filter.Pending:
		r.Quiet++
		r.Rules[m.Rule].Hits++
	case filter.Ignored:
		r.Ignored++
	default:
		r.Missed++
		if len(r.Samples) < missedSamples {
			r.Samples = append(r.Samples, strings.Clone(e.Line.Text))
		}
	}
}

func (t *tester) id(id string, at time.Time) {
	n := t.ids.number(id)
	if n == len(t.report.IDs) {
		if n == cap(t.report.IDs) { // append's own steps are a quarter each: twice the garbage
			t.report.IDs = slices.Grow(t.report.IDs, n+1000)
		}
		t.report.IDs = append(t.report.IDs, idHits{ID: strings.Clone(id), First: at, Last: at})
	}
	h := &t.report.IDs[n]
	h.Hits++
	if at.Before(h.First) {
		h.First = at
	}
	if at.After(h.Last) {
		h.Last = at
	}
}

// numbers numbers texts in the order in which they come. Short ones, as IPv4 addresses are, lie in
// the table itself: a look-up waits for memory once, not three times.
type numbers struct {
	short map[[16]byte]int32
	long  map[string]int32
}

func newNumbers() numbers {
	return numbers{short: map[[16]byte]int32{}, long: map[string]int32{}}
}

func (m *numbers) number(text string) int {
	next := int32(len(m.short) + len(m.long))
	if len(text) >= 16 {
		n, ok := m.long[text]
		if !ok {
			n = next
			m.long[strings.Clone(text)] = n
		}
		return int(n)
	}
	var k [16]byte
	copy(k[:], text)
	k[15] = byte(len(text))
	n, ok := m.short[k]
	if !ok {
		n = next
		m.short[k] = n
	}
	return int(n)
}

// shownIDs is how many offenders the report lists.
const shownIDs = 20

func (r *testReport) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, filter %s\n", quoteControl(r.Log), r.Filter)
	fmt.Fprintf(&b, "%d lines: %d failures of %d ids, %d without failure, %d ignored, %d missed\n",
		r.Lines, r.Failures, len(r.IDs), r.Quiet, r.Ignored, r.Missed)
	if r.Undated > 0 {
		fmt.Fprintf(&b, "%d lines carry no timestamp that datepattern finds: the daemon would drop them in old logs\n", r.Undated)
	}
	if r.Aborted > 0 {
		fmt.Fprintf(&b, "%d searches were given up: they took too many steps\n", r.Aborted)
	}
	if r.Failures+r.Quiet > 0 {
		fmt.Fprintf(&b, "\n   lines  failregex\n")
	}
	for _, h := range r.Rules {
		if h.Hits > 0 {
			fmt.Fprintf(&b, "%8d  %s\n", h.Hits, strings.TrimLeft(h.Where+"  "+h.Expr, " "))
		}
	}
	if len(r.IDs) > 0 {
		fmt.Fprintf(&b, "\nfailures  id\n")
	}
	for _, h := range r.IDs[:min(len(r.IDs), shownIDs)] {
		fmt.Fprintf(&b, "%8d  %s  %s to %s\n", h.Hits, quoteControl(h.ID), h.First.Format(time.DateTime), h.Last.Format(time.DateTime))
	}
	if more := len(r.IDs) - shownIDs; more > 0 {
		fmt.Fprintf(&b, "          and %d more (--json lists all)\n", more)
	}
	if len(r.Samples) > 0 {
		fmt.Fprintf(&b, "\nmissed, the first %d of %d lines\n", len(r.Samples), r.Missed)
	}
	for _, s := range r.Samples {
		fmt.Fprintf(&b, "          %s\n", quoteControl(s))
	}
	fmt.Fprintf(&b, "\n%.2f s\n", r.Seconds)
	_, err := io.WriteString(out, b.String())
	return err
}

// quoteControl shows text of a log on a terminal: control characters, which could command it, as
// escapes.
func quoteControl(text string) string {
	if !strings.ContainsFunc(text, steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case steers(r) && r > 0xff:
			fmt.Fprintf(&b, "\\u%04x", r)
		case steers(r):
			fmt.Fprintf(&b, "\\x%02x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
