package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/jail"
	"gaol/internal/source"
)

// worker runs one jail. Its goroutine owns all that is in here, so nothing is locked: others
// talk to it through batches and calls.
type worker struct {
	*plan
	deps     *deps
	jail     *jail.Jail
	filter   *filter.Filter
	cutters  map[string]*date.Cutter // by source
	sources  []source.Source
	batches  chan event.Batch
	calls    chan func()
	done     chan struct{}
	restored chan struct{} // closed when the bans are back
	stop     context.CancelFunc
	log      *slog.Logger

	lines, aborted, cut uint64
	perSource           map[string]*event.SourceStatus
	missing             []string              // paths that match nothing yet
	marks               map[string]event.Mark // positions to be written
	behind              bool                  // the last batch did not reach its source's end
	saved               time.Time
	unsaved             time.Time     // something is to be written down then; zero: nothing is
	pause               time.Duration // until the next save, by the rows of the last
	confirmed           []string      // lifted ids the kernel let go, to be written
	queue               *actors
	asks                *asker
	ignores             exceptions
	pending             []<-chan error // the commits under way, oldest first
	held                *heldLog       // of log
	owes                bool           // the kernel may lack some of this jail's bans
	owedLifts           []event.Ban    // lifted and written down, but still in the kernel
	owesTold            reminder
	repairs             uint64 // how often bans were put back into the kernel
	lastRepair          time.Time
	looked              time.Time     // when its bans were last compared with the kernel's
	lookTook            time.Duration // and how long that took
	problem             string
	restoring           *restoring
	idle                bool     // fail2ban-client set JAIL idle on: no log is read
	carried             counters // of the worker before
	abortTold           time.Time
	pasts               map[string]jail.Record // earlier bans in this jail, as of pastsFrom or later
	pastsFrom           time.Time
	leaks               leaks
	doubted             time.Time // when the actions were last asked whether a ban is in force
}

// retryEvery is how soon bans that the kernel refused are tried again.
const retryEvery = time.Second

// run reads until ctx ends; then what was taken in is written and the sources are closed.
func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, s := range w.sources {
		go w.pump(ctx, s)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(w.wait())
		batches := w.batches
		if w.idle {
			batches = nil
		}
		select {
		case b := <-batches:
			w.take(ctx, b)
		case f := <-w.calls:
			f()
		case <-timer.C:
			w.tick(ctx)
		case <-ctx.Done():
			w.forsake()
			w.flush()
			for _, s := range w.sources {
				if err := s.Close(); err != nil {
					w.log.Warn("close source", "error", err)
				}
			}
			return
		}
	}
}

// wait is how long nothing needs to be done if no line comes.
func (w *worker) wait() time.Duration {
	if w.owes {
		return retryEvery
	}
	until := time.Hour
	if at, ok := w.jail.Next(); ok {
		until = at.Sub(w.deps.now())
	}
	if !w.unsaved.IsZero() {
		until = min(until, w.unsaved.Sub(w.deps.now()))
	}
	return max(until, time.Millisecond)
}

// pump hands the batches of one source to the worker. A source tells its own troubles in
// Batch.Err and goes on; an error of Next is its end.
func (w *worker) pump(ctx context.Context, s source.Source) {
	for {
		b, err := s.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.Err = fmt.Errorf("log source stopped: %w", err)
		}
		select {
		case w.batches <- b:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// take carries one batch through date, filter and jail, makes the decisions true and writes
// all of it down with the position behind the batch, as one change.
func (w *worker) take(ctx context.Context, b event.Batch) {
	if b.Err != nil {
		w.problem = b.Err.Error()
		w.deps.bus.publish(event.Happening{What: event.SourceFails, Jail: w.conf.Name, Reason: b.Err.Error()})
		w.log.Error(fmt.Sprintf("[%s] %v", w.conf.Name, b.Err), "logger", "filter")
		return // such a batch has no lines and no mark
	}
	if b.Mark.Source == "" && len(b.Lines) == 0 && !b.End { // a source's trouble is over
		w.problem = ""
		w.deps.bus.publish(event.Happening{What: event.SourceMended, Jail: w.conf.Name})
		return
	}
	defer w.held.hold()()
	now := w.deps.now()
	w.cut += uint64(b.Cut)
	w.lines += uint64(len(b.Lines))
	st := w.source(b.Source)
	if !st.Found && b.Source != "" {
		w.log.Info(fmt.Sprintf("[%s] watches %s", w.conf.Name, b.Source), "logger", "jail")
	}
	st.Found, st.Mark = true, b.Mark
	st.Lines += uint64(len(b.Lines))
	cutter := w.cutter(b.Source)
	if b.Known { // what stands behind a mark was written since
		cutter.InOperation = true
	}
	w.behind = !b.End
	cutter.Behind = !b.End // results must not depend on our speed
	var decisions []event.Decision
	for _, l := range b.Lines {
		decisions = append(decisions, w.line(ctx, cutter, l, b.Source, now)...)
	}
	if b.End {
		cutter.InOperation = true
	}
	w.settle(ctx, decisions, b.Mark)
}

func (w *worker) line(ctx context.Context, c *date.Cutter, l event.Line, src string, now time.Time) []event.Decision {
	entry, ok := c.Cut(l, src, now)
	if !ok {
		return nil
	}
	failures, aborts := w.filter.Feed(entry, now)
	for _, a := range aborts {
		w.aborted++
		// Rate-limited: the line is the attacker's, and so would be the log.
		if now.Sub(w.abortTold) > time.Minute {
			w.abortTold = now
			w.log.Warn(fmt.Sprintf("[%s] regex gave up on a line: step budget used up", w.conf.Name),
				"logger", "filter", "regex", a.Where, "line", clip(l.Text, 200))
		}
	}
	var decisions []event.Decision
	for _, f := range failures {
		f.Jail = w.conf.Name
		w.suspect(ctx, f, now)
		decisions = append(decisions, w.escalate(f, now)...)
		decisions = append(decisions, w.weigh(ctx, f, now)...)
	}
	return decisions
}

func (w *worker) tick(ctx context.Context) {
	if w.owes {
		w.repair()
	}
	if ds := w.jail.Tick(w.deps.now()); len(ds) > 0 {
		w.settle(ctx, ds)
		return
	}
	if !w.rests() {
		w.save()
	}
}

func (w *worker) source(name string) *event.SourceStatus {
	st := w.perSource[name]
	if st == nil {
		st = &event.SourceStatus{Name: name}
		w.perSource[name] = st
	}
	return st
}

func (w *worker) cutter(name string) *date.Cutter {
	c := w.cutters[name]
	if c == nil {
		c = &date.Cutter{Detector: date.NewDetector(w.dates), FindTime: w.conf.FindTime}
		if !w.journal() { // journald's text is UTF-8
			c.Decode = w.decode
		}
		w.cutters[name] = c
	}
	return c
}

// clip is s for a log line: printable, at most n bytes.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return Printable(s)
}
