// Package replay runs logs of the past through jails, on the logs' own clock and without the
// kernel, the store or an action: who would have been banned, when, and what other rules would
// have changed. It uses the daemon's own rooms (date, filter, jail), one line after the other, so
// that its bans are those the daemon would have come to.
package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/jail"
)

// Lane is one jail made ready.
type Lane struct {
	Jail    string
	Program *filter.Program
	Dates   *date.Templates
	Decode  func(string) string // logencoding; nil: UTF-8
	// Rules are the jail's. past tells of the bans that the replay came to before, as the store
	// tells the daemon: of this jail, or of all jails together.
	Rules func(past func(id string, overall bool) jail.Record) jail.Options
}

// File is one log.
type File struct {
	Path  string
	Lanes []int // which of Options.Lanes read it
	// Read calls do for each line, in order. The text is valid during the call only.
	Read func(do func(text string)) error
}

// Change is what a variant changes in the rules of every jail; zero values change nothing.
type Change struct {
	MaxRetry int           `json:"maxretry,omitempty"`
	FindTime time.Duration `json:"findtime,omitempty"` // nanoseconds
	BanTime  time.Duration `json:"bantime,omitempty"`  // nanoseconds; negative: for ever
}

// Options are what Run needs. Several files are read as one log, in the order of their stamps.
type Options struct {
	Lanes []Lane
	Files []File
	Sweep []Change  // each is tried besides the rules as they stand
	Now   time.Time // stamps without a year are of the last one before it
}

// Run replays the logs to their ends. The error names the file that cannot be read.
func Run(ctx context.Context, o Options) (*Report, error) {
	if len(o.Lanes) == 0 {
		return nil, errors.New("replay: no jail to replay")
	}
	r := newRun(o)
	readers := make([]*reader, len(o.Files))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, f := range o.Files {
		readers[i] = open(ctx, f)
		for _, lane := range f.Lanes {
			readers[i].tracks = append(readers[i].tracks, r.lanes[lane].follow(r.clock.at))
		}
	}
	merged := merge{now: o.Now, readers: readers}
	if len(readers) > 1 {
		for _, rd := range readers {
			rd.order = date.NewDetector(o.Lanes[rd.file.Lanes[0]].Dates)
		}
	}
	if err := merged.each(r.line); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return r.report(), nil
}

// clock is what time it is in the logs: that of the latest stamp.
type clock struct {
	now   time.Time
	limit time.Time // a later stamp is wrong, and would stop all others from counting
}

func (c *clock) at(stamp time.Time) time.Time {
	if stamp.After(c.now) && !stamp.After(c.limit) {
		c.now = stamp
	}
	return c.now
}

// run is a replay under way.
type run struct {
	o        Options
	clock    clock
	ticked   time.Time
	from     time.Time
	lanes    []*lane
	rules    []*rules // as they stand, then the sweep
	accepted map[string]int
	lines    int
	undated  int
}

// lane is a jail under way: one filter, and a jail for each set of rules.
type lane struct {
	Lane
	filter   *filter.Filter
	courts   []*court // by set of rules
	failures int
	names    int // failures of host names, which are not looked up
	aborted  int
}

// track is a lane's way through one file.
type track struct {
	lane   *lane
	cutter *date.Cutter
}

// follow makes a track. Lines are judged as in operation: the clock stands at the newest of them.
func (l *lane) follow(clock func(time.Time) time.Time) *track {
	return &track{lane: l, cutter: &date.Cutter{Detector: date.NewDetector(l.Dates), Decode: l.Decode, InOperation: true, Clock: clock}}
}

func newRun(o Options) *run {
	r := &run{o: o, clock: clock{limit: o.Now.Add(time.Minute)}, accepted: map[string]int{}}
	for _, c := range append([]Change{{}}, o.Sweep...) {
		r.rules = append(r.rules, newRules(c))
	}
	for _, l := range o.Lanes {
		under := &lane{Lane: l, filter: filter.New(l.Program)}
		for _, rs := range r.rules {
			under.courts = append(under.courts, rs.court(l))
		}
		r.lanes = append(r.lanes, under)
	}
	return r
}

// line takes one line of a file through each jail that reads it.
func (r *run) line(text string, f *reader) {
	r.lines++
	dated := false
	for _, t := range f.tracks {
		e, ok := t.cutter.Cut(event.Line{Text: text}, f.file.Path, r.o.Now)
		now := r.clock.now
		if !ok || now.IsZero() {
			continue // before the first stamp of all
		}
		dated = dated || t.cutter.Seen != date.Undated
		r.tick(now)
		r.match(t.lane, e, now)
	}
	if !dated {
		r.undated++
	}
}

func (r *run) match(l *lane, e event.Entry, now time.Time) {
	at := e.Time
	if at.After(now) {
		at = now
	}
	m := l.filter.MatchEntry(&e, at)
	l.aborted += len(l.filter.Aborts())
	switch {
	case m.Verdict == filter.Failed && m.Kind == event.Name:
		l.names++
	case m.Verdict == filter.Failed:
		l.failures++
		m.Lines, m.Fields = nil, nil // nothing asks for them, and they would be copied
		f := m.Failure(e, now)
		f.Jail = l.Jail
		for _, c := range l.courts {
			c.fail(f, now)
		}
	case m.Verdict == filter.Quiet && m.ID != "" && m.Fields.Get("mlfgained") != "":
		r.accept(m.ID)
	}
}

// mostNames bounds what is kept by id: whoever writes the log decides how many there are.
const mostNames = 1 << 20

// accept counts a login.
func (r *run) accept(id string) {
	if n, known := r.accepted[id]; known {
		r.accepted[id] = n + 1
	} else if len(r.accepted) < mostNames {
		r.accepted[string([]byte(id))] = 1
	}
}

// tick lifts what is over by now.
func (r *run) tick(now time.Time) {
	if now.Equal(r.ticked) {
		return
	}
	if r.from.IsZero() {
		r.from = now
	}
	r.ticked = now
	for _, l := range r.lanes {
		for _, c := range l.courts {
			c.tick(now)
		}
	}
}
