package engine

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
)

// timing finds the dates of a reader's lines, once for all jails that want them found alike and
// have read the same. It belongs to its reader.
type timing struct {
	dates    *date.Templates
	findTime time.Duration
	encoding string
	decode   func(string) string
	bare     bool // lines have a stamp of their own (journal): their text is UTF-8

	cutters map[string]*date.Cutter // by source
	goesOn  map[string]bool         // cutters that were in use before: they know whether the log was
	groups  []*group
	set     *filter.Set // which groups a line can concern; nil: to be made anew
}

// group is the jails that have the same filter and remember the same: it runs once for them.
type group struct {
	program *filter.Program
	filter  *filter.Filter
	start   string // what the filter remembers, while the reader has not begun
	members []*listener

	failures  []event.Failure // of the batch
	aborted   int
	abort     filter.Abort
	abortLine string
}

// like says whether two timings find the same date in the same line, after the same lines.
func (c *timing) like(o *timing) bool {
	return c.dates == o.dates && c.findTime == o.findTime && c.encoding == o.encoding && c.bare == o.bare
}

// agrees says whether the timings, of readers that stand at the same place, go on alike.
func (c *timing) agrees(o *timing) bool {
	if !c.like(o) {
		return false
	}
	for name, cutter := range c.cutters {
		if other := o.cutters[name]; other != nil && !cutter.Agrees(other) {
			return false
		}
	}
	return true
}

// learn takes over what only the other timing has met.
func (c *timing) learn(o *timing) {
	for name, cutter := range o.cutters {
		if own := c.cutters[name]; own == nil || own.Fresh() {
			c.cutters[name] = cutter
		}
	}
}

func (c *timing) clone() map[string]*date.Cutter {
	all := make(map[string]*date.Cutter, len(c.cutters))
	for name, cutter := range c.cutters {
		all[name] = cutter.Clone()
	}
	return all
}

func (c *timing) cutter(source string) *date.Cutter {
	one := c.cutters[source]
	if one == nil {
		one = &date.Cutter{Detector: date.NewDetector(c.dates), FindTime: c.findTime}
		if !c.bare {
			one.Decode = c.decode
		}
		c.cutters[source] = one
	}
	return one
}

// deal runs the batch's lines through the filters.
func (c *timing) deal(b *event.Batch, now time.Time) {
	cutter := c.cutter(b.Source)
	if b.Known && !c.goesOn[b.Source] { // what stands behind a mark was written since
		cutter.InOperation = true
	}
	cutter.Behind = !b.End // results must not depend on our speed
	if c.set == nil && len(c.groups) > 1 {
		c.set = c.sift()
	}
	for i := range b.Lines {
		e, ok := cutter.Cut(b.Lines[i], b.Source, now)
		if !ok {
			continue
		}
		if len(c.groups) == 1 {
			c.groups[0].feed(&e, now)
			continue
		}
		for n, hit := range c.set.Candidates(&e) {
			if hit {
				c.groups[n].feed(&e, now)
			}
		}
	}
	if b.End {
		cutter.InOperation = true
	}
}

func (c *timing) sift() *filter.Set {
	var programs []*filter.Program
	for _, g := range c.groups {
		programs = append(programs, g.program)
	}
	return filter.NewSet(programs)
}

func (g *group) feed(e *event.Entry, now time.Time) {
	failures, aborts := g.filter.Feed(*e, now)
	g.failures = append(g.failures, failures...)
	for _, a := range aborts {
		g.aborted, g.abort, g.abortLine = g.aborted+1, a, strings.Clone(clip(e.Line.Text, 200))
	}
}

// portion is what the batch came to for the members; quiet is that of a batch that concerned
// nobody.
func (g *group) portion(quiet *portion, log *slog.Logger) *portion {
	delta, err := g.filter.Delta()
	if err != nil {
		log.Error("changes of a filter's memory", "logger", "filter", "error", err)
	}
	if len(g.failures) == 0 && g.aborted == 0 && delta.Empty() {
		return quiet
	}
	p := *quiet
	p.failures, p.memory = slices.Clone(g.failures), delta
	p.aborted, p.abort, p.abortLine = g.aborted, g.abort, g.abortLine
	clear(g.failures)
	g.failures, g.aborted, g.abortLine = g.failures[:0], 0, ""
	return &p
}

// clone is a filter that goes on as the group's does.
func (g *group) clone() *filter.Filter {
	f := filter.New(g.program)
	if memory, err := g.filter.Snapshot(); err == nil {
		_ = f.Restore(memory) // what Snapshot wrote can be read
	}
	f.Track()
	return f
}

// remembers is the filter's memory, for comparing.
func (g *group) remembers() string {
	memory, err := g.filter.Snapshot()
	if err != nil {
		return "?" + err.Error()
	}
	return string(memory)
}
