package engine

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"gaol/internal/container"
	"gaol/internal/event"
	"gaol/internal/host"
	"gaol/internal/jail"
)

// floorEvery is how often the machine's addresses are read again: interfaces come and go.
const floorEvery = 30 * time.Second

// floor is who is never banned, as of the last look at the machine's interfaces. Workers
// read it while the engine replaces it.
type floor struct {
	now        atomic.Pointer[host.Floor]
	reviewed   atomic.Pointer[host.Floor] // by which the jails' bans were looked through last
	containers *container.Watcher         // nil: none is watched
}

func readFloor() (*floor, error) {
	f := &floor{}
	return f, f.refresh()
}

func (f *floor) refresh() error {
	h, err := host.ReadFloor()
	if err != nil {
		return fmt.Errorf("read own addresses: %w", err)
	}
	if f.containers != nil {
		h = h.With(standIns(f.containers.Now()))
	}
	f.now.Store(h)
	return nil
}

// standIns are the addresses of an engine that stand for others in logs: gateways for every
// client that the engine hides, containers (proxies, mostly) for everybody behind them.
// Gateways of networks without a running container are among them, they are the next to be used.
func standIns(s container.Snapshot) map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for _, c := range s.Containers {
		for _, n := range c.Networks {
			for _, a := range n.Addrs {
				all[a] = fmt.Sprintf("the address of %s container %s", s.Engine, c.Name)
			}
		}
	}
	for _, c := range s.Containers {
		for _, n := range c.Networks {
			for _, a := range n.Gateways {
				all[a] = gatewayOf(s, n.Name)
			}
		}
	}
	for _, n := range s.Networks {
		for _, a := range n.Gateways {
			all[a] = gatewayOf(s, n.Name)
		}
	}
	return all
}

// gatewayOf says what a gateway is, why a log shows it, and how to see the clients instead
// (docker.md §1.4, §1.5).
func gatewayOf(s container.Snapshot, network string) string {
	text := fmt.Sprintf("the gateway of %s network %s", s.Engine, network)
	if s.Engine == "podman" {
		return text + ": a log shows it for every client that Podman's port forwarder or masquerading hides; run the container rootful, or with pasta, to see them"
	}
	if !s.Proxy {
		return text + ": a log shows it for every client that masquerading hides, such as those on this machine"
	}
	return text + ": a log shows it for every client that docker-proxy carries (over IPv6, where the network has none, and from this machine); " +
		`enable IPv6 on the network, or set "userland-proxy": false in daemon.json, to see them`
}

func (e *engine) refreshFloor() {
	go e.refreshNames()
	if err := e.deps.floor.refresh(); err != nil {
		e.log.Warn("read own addresses", "error", err)
		return
	}
	now := e.deps.floor.now.Load()
	if before := e.deps.floor.reviewed.Swap(now); before != nil && before.Equal(now) {
		return // an idle jail is not woken
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
		Width: jail.Width(c.Prefix), BanRate: c.Valve.Rate, BanLimit: c.Valve.Bans, Aggregate: aggregateOf(c.Aggregate), Light: w.light(),
		Known:     w.known(),
		Protected: w.protects(f),
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
