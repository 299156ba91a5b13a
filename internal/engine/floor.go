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
	if err := e.deps.floor.refresh(); err != nil {
		e.log.Warn("read own addresses", "error", err)
		return
	}
	for _, w := range e.running() {
		w.call(func() { w.settle(e.ctx, w.jail.Review()) })
	}
}

// options are a jail's rules with the questions whom it must pass over, and who was banned before.
func (w *worker) options(f *floor) jail.Options {
	c, p := w.conf, w.plan
	return jail.Options{
		Name: c.Name, MaxRetry: c.MaxRetry, FindTime: c.FindTime, BanTime: c.BanTime, MaxMatches: c.MaxMatches,
		Increment: w.increment(),
		Protected: func(id string, kind event.IDKind) (string, bool) { return f.now.Load().Protects(id, kind) },
		Spared: func(id string, kind event.IDKind) (string, bool) {
			if c.IgnoreSelf && f.now.Load().Own(id) {
				return "it is this machine's own address (ignoreself)", true
			}
			if entry, ok := p.ignore.Contains(id, kind); ok {
				return "ignoreip has " + entry, true
			}
			return "", false
		},
	}
}
