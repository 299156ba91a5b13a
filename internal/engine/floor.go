package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"gaol/internal/event"
	"gaol/internal/host"
	"gaol/internal/jail"
)

// floorEvery is how often the machine's addresses are read again: interfaces come and go.
const floorEvery = 30 * time.Second

// floor is who is never banned, as of the last look at the machine's interfaces. Workers
// read it while the engine replaces it.
type floor struct{ now atomic.Pointer[host.Floor] }

func readFloor() (*floor, error) {
	f := &floor{}
	return f, f.refresh()
}

func (f *floor) refresh() error {
	h, err := host.ReadFloor()
	if err != nil {
		return fmt.Errorf("read own addresses: %w", err)
	}
	f.now.Store(h)
	return nil
}

func (e *engine) refreshFloor() {
	go e.refreshNames()
	if err := e.deps.floor.refresh(); err != nil {
		e.log.Warn("read own addresses", "error", err)
		return
	}
	for _, w := range e.running() {
		w.call(func() { w.settle(e.ctx, w.jail.Review()) })
	}
}

// refreshNames looks up the names of all ignoreip lists again, where their answers are old.
// One refresher is enough: a name server that hangs must not gather them.
func (e *engine) refreshNames() {
	if !e.naming.TryLock() {
		return
	}
	defer e.naming.Unlock()
	for _, w := range e.running() {
		var list *host.List
		w.call(func() { list = w.ignore })
		if list != nil {
			list.Refresh(e.ctx)
		}
	}
}

// ready looks up the names of a jail's ignoreip ahead, so that the jail never waits for them.
func (e *engine) ready(p *plan) {
	p.ignore.Trouble = func(err error) {
		e.log.Warn(fmt.Sprintf("[%s] ignoreip: %v", p.conf.Name, err), "logger", "filter")
	}
	p.ignore.Refresh(e.ctx)
}

// options are a jail's rules with the questions whom it must pass over, and who was banned before.
func (w *worker) options(f *floor) jail.Options {
	c := w.conf
	return jail.Options{
		Name: c.Name, MaxRetry: c.MaxRetry, FindTime: c.FindTime, BanTime: c.BanTime, MaxMatches: c.MaxMatches,
		Increment: w.increment(), Shields: w.shields(),
		Width: jail.Width(c.Prefix), BanRate: c.Valve.Rate, BanLimit: c.Valve.Bans, Aggregate: aggregateOf(c.Aggregate),
		Protected: func(id string, kind event.IDKind) (string, bool) { return f.now.Load().Protects(id, kind) },
		Spared:    w.spares(f),
	}
}

// spares says whom the jail spares by ignoreself and ignoreip, in the version of now.
func (w *worker) spares(f *floor) func(id string, kind event.IDKind) (why string, spared bool) {
	self, list := w.conf.IgnoreSelf, w.ignore
	return func(id string, kind event.IDKind) (string, bool) {
		if self && f.now.Load().Own(id) {
			return "it is this machine's own address (ignoreself)", true
		}
		if entry, ok := list.Contains(id, kind); ok {
			return "ignoreip has " + entry, true
		}
		return "", false
	}
}
