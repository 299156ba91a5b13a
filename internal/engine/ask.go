package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gaol/internal/event"
)

// What bounds the questions that a jail asks the world outside about its failures (a name
// server for host names, ignorecommand for exceptions): who writes the log decides how many
// there are, and may own the name server.
const (
	askAtOnce   = 8                // questions under way per jail
	askWaiting  = 256              // questions that wait or are under way; more failures are dropped
	askFailures = 100              // failures that wait for one answer
	askBytes    = 8 << 20          // text of all failures that wait
	askLimit    = 10 * time.Second // for one answer; names have less (host.Resolver)
)

// asker holds the failures of one jail that wait for an answer, so that the jail never does.
// The worker's goroutine owns it. The read position goes on meanwhile: a kill -9 forgets the
// failures that wait, which is better than counting their neighbours twice.
type asker struct {
	slots   chan struct{}
	waiting map[string][]event.Failure // by what is asked
	bytes   int                        // text of the failures in waiting
	dropped uint64
	told    time.Time
}

func newAsker() *asker {
	return &asker{slots: make(chan struct{}, askAtOnce), waiting: map[string][]event.Failure{}}
}

// answer is what follows from a question for each failure that waited for it; it is called in
// the worker's goroutine.
type answer func(f event.Failure, now time.Time) []event.Decision

// ask has look answer the question that key names, and applies the answer to f when it comes.
// Failures that ask the same are served by one answer.
func (w *worker) ask(ctx context.Context, key string, f event.Failure, look func(context.Context) answer) {
	as := w.asks
	waiting, asked := as.waiting[key]
	size := sizeOf(f)
	if len(waiting) >= askFailures || !asked && len(as.waiting) >= askWaiting || as.bytes+size > askBytes {
		w.drop(1)
		return
	}
	as.bytes += size
	as.waiting[key] = append(waiting, f)
	if asked {
		return
	}
	go func() {
		select {
		case as.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		within, cancel := context.WithTimeout(ctx, askLimit)
		then := look(within)
		cancel()
		<-as.slots
		select {
		case w.calls <- func() { w.answered(ctx, key, then) }:
		case <-ctx.Done():
		}
	}()
}

func (w *worker) answered(ctx context.Context, key string, then answer) {
	failures := w.asks.waiting[key]
	delete(w.asks.waiting, key)
	now := w.deps.now()
	var ds []event.Decision
	for _, f := range failures {
		w.asks.bytes -= sizeOf(f)
		ds = append(ds, then(f, now)...)
	}
	w.settle(ctx, ds)
}

func sizeOf(f event.Failure) int {
	n := len(f.ID)
	for _, m := range f.Matches {
		n += len(m)
	}
	for _, v := range f.Fields {
		n += len(v.Value)
	}
	return n
}

// drop counts failures that are not looked at, and says so once a minute.
func (w *worker) drop(n int) {
	w.asks.dropped += uint64(n)
	if now := w.deps.now(); now.Sub(w.asks.told) > time.Minute {
		w.asks.told = now
		w.log.Warn(fmt.Sprintf("[%s] %d failures were dropped: names or ignorecommand answer too slowly", w.conf.Name, w.asks.dropped),
			"logger", "filter")
	}
}

// forsake gives up what waits, when the worker ends.
func (w *worker) forsake() {
	n := 0
	for _, fs := range w.asks.waiting {
		n += len(fs)
	}
	clear(w.asks.waiting)
	if n > 0 {
		w.asks.told = time.Time{}
		w.drop(n)
	}
}

// weigh takes a failure in: names become addresses, exceptions are asked for, the rest goes to
// the jail.
func (w *worker) weigh(ctx context.Context, f event.Failure, now time.Time) []event.Decision {
	if f.Kind == event.Name {
		addrs, known, err := w.deps.resolver.Known(f.ID)
		if known {
			return w.resolved(ctx, addrs, err)(f, now)
		}
		w.ask(ctx, "name "+f.ID, f, func(within context.Context) answer {
			addrs, err := w.deps.resolver.Resolve(within, f.ID)
			return w.resolved(ctx, addrs, err)
		})
		return nil
	}
	return w.except(ctx, f, now)
}

// found counts a failure.
func (w *worker) found(f event.Failure, now time.Time) []event.Decision {
	if now.Before(f.Time) {
		f.Time = now
	}
	if w.log.Enabled(context.Background(), slog.LevelInfo) {
		text := make([]byte, 0, 128)
		text = append(append(append(text, '['), w.conf.Name...), "] Found "...)
		text = append(append(text, named(f.ID, 200)...), " - "...)
		w.line(slog.LevelInfo, "filter", string(f.Time.AppendFormat(text, time.DateTime)))
	}
	return w.jail.Fail(f, now)
}

// line logs a line of which there are as many as failures or bans: without looking up where it is
// logged, which costs as much as the rest.
func (w *worker) line(level slog.Level, logger, text string) {
	r := slog.NewRecord(time.Now(), level, text, 0)
	r.AddAttrs(slog.String("logger", logger))
	_ = w.log.Handler().Handle(context.Background(), r) // as slog's own loggers: there is no place to tell it
}
