package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/jail"
)

// worker runs one jail. Its goroutine owns all that is in here, so nothing is locked: others
// talk to it through portions and calls.
type worker struct {
	*plan
	deps     *deps
	jail     *jail.Jail
	listener *listener // at a reader; nil: there is no log to read
	calls    chan func()
	done     chan struct{}
	restored chan struct{} // closed when the bans are back
	stop     context.CancelFunc
	log      *slog.Logger

	lines, aborted, cut uint64
	perSource           map[string]*event.SourceStatus
	matched             map[string]uint64     // failures by the file:line of their failregex
	read                time.Time             // when the first line of the portion in hand was read; zero: there is none
	missing             []string              // paths that match nothing yet
	marks               map[string]event.Mark // positions to be written
	at                  map[string]event.Mark // all positions
	deltas              []filter.Delta        // of the filter's memory, to be written with them
	behind              bool                  // the last batch did not reach its source's end
	saved               time.Time
	unsaved             time.Time     // something is to be written down then; zero: nothing is
	pause               time.Duration // until the next save, by the rows of the last
	confirmed           []string      // lifted ids the kernel let go, to be written
	queue               *actors
	asks                *asker
	ignores             exceptions
	pending             []<-chan error // the commits under way, oldest first
	unwritten           unwritten
	held                *heldLog    // of log
	owes                bool        // the kernel may lack some of this jail's bans
	owedLifts           []event.Ban // lifted and written down, but still in the kernel
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
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(w.wait())
		select {
		case p, open := <-w.portions():
			if !open {
				w.readAlone(ctx)
				continue
			}
			w.take(ctx, p)
		case f := <-w.calls:
			f()
		case <-timer.C:
			w.tick(ctx)
		case <-ctx.Done():
			w.leave()
			w.forsake()
			w.flush()
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

// take carries one portion through the jail, makes the decisions true and writes all of it down
// with the position behind the portion, as one change.
func (w *worker) take(ctx context.Context, p *portion) {
	select {
	case <-w.listener.room:
	default: // the last one, when the reader parted with the jail
	}
	if p.Err != nil {
		w.problem = p.Err.Error()
		w.deps.bus.publish(event.Happening{What: event.SourceFails, Jail: w.conf.Name, Reason: p.Err.Error()})
		w.log.Error(fmt.Sprintf("[%s] %v", w.conf.Name, p.Err), "logger", "filter")
		return // such a batch has no lines and no mark
	}
	if !p.reads() { // a source's trouble is over
		w.problem = ""
		w.deps.bus.publish(event.Happening{What: event.SourceMended, Jail: w.conf.Name})
		return
	}
	defer w.held.hold()()
	now := w.deps.now()
	w.cut += uint64(p.Cut)
	w.lines += uint64(p.lines)
	st := w.source(p.Source)
	if !st.Found && p.Source != "" {
		w.log.Info(fmt.Sprintf("[%s] watches %s", w.conf.Name, p.Source), "logger", "jail")
	}
	st.Found, st.Mark = true, p.Mark
	st.Lines += uint64(p.lines)
	if p.Mark.Source != "" {
		w.at[p.Mark.Source] = p.Mark
	}
	if !p.memory.Empty() {
		w.deltas = append(w.deltas, p.memory)
	}
	w.behind = !p.End
	w.tellAborts(p, now)
	w.read = p.read
	defer func() { w.read = time.Time{} }()
	w.settle(ctx, w.weighAll(ctx, p.failures, now), p.Mark)
}

// weighAll takes failures in. They are other jails' too: what differs is put into a copy.
func (w *worker) weighAll(ctx context.Context, failures []event.Failure, now time.Time) (ds []event.Decision) {
	for _, f := range failures {
		f.Jail = w.conf.Name
		w.matched[f.Regex]++
		w.suspect(ctx, f, now)
		ds = append(ds, w.escalate(f, now)...)
		ds = append(ds, w.weigh(ctx, f, now)...)
	}
	return ds
}

// tellAborts says that a search was given up, once a minute: the line is the attacker's, and so
// would be the log.
func (w *worker) tellAborts(p *portion, now time.Time) {
	w.aborted += uint64(p.aborted)
	if p.aborted > 0 && now.Sub(w.abortTold) > time.Minute {
		w.abortTold = now
		w.log.Warn(fmt.Sprintf("[%s] regex gave up on a line: step budget used up", w.conf.Name),
			"logger", "filter", "regex", p.abort.Where, "line", p.abortLine)
	}
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

// clip is s for a log line: printable, at most n bytes.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return Printable(s)
}
