package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/host"
)

// allows is the list of `gaol allow`. Workers read the guard while a command replaces it.
type allows struct {
	mu  sync.Mutex // held by who changes it, the store included
	now atomic.Pointer[host.Guard]
}

// readAllowed takes the allow-list from the store.
func (e *engine) readAllowed() ([]event.Allowance, error) {
	all, err := e.store.Allowed(context.WithoutCancel(e.ctx), e.o.Now())
	if err != nil {
		return nil, err
	}
	var g *host.Guard
	for _, a := range all {
		if g, err = g.With(a.ID, a.End, allowedWhy(a)); err != nil {
			return nil, fmt.Errorf("read allowances: %w", err)
		}
	}
	e.deps.allows.now.Store(g)
	return all, nil
}

// allowedWhy is why an allowance spares, as a clause. Its reason is an admin's own word.
func allowedWhy(a event.Allowance) string {
	why := "the allow-list has " + a.ID
	if !a.End.IsZero() {
		why += " until " + a.End.Local().Format(time.DateTime)
	}
	if a.Reason != "" {
		why += fmt.Sprintf(" (%s)", clip(a.Reason, 100))
	}
	return why
}

// allow carries out control.Allow: written down first, then every ban that it forbids is lifted.
func (e *engine) allow(c control.Allow) (control.Reply, error) {
	id, err := host.Canonical(c.ID)
	if err != nil {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: err.Error(), Hint: "gaol allow 192.0.2.1, or 192.0.2.0/24"}
	}
	a := event.Allowance{ID: id, Since: e.o.Now(), Reason: c.Reason}
	if c.For != nil {
		a.End = endAfter(a.Since, *c.For)
	}
	e.deps.allows.mu.Lock()
	defer e.deps.allows.mu.Unlock()
	ctx := context.WithoutCancel(e.ctx)
	if err := e.store.Allow(ctx, a); err != nil {
		return control.Reply{}, err
	}
	if err := e.store.Sync(ctx); err != nil {
		return control.Reply{}, err
	}
	if _, err := e.readAllowed(); err != nil {
		return control.Reply{}, err
	}
	e.deps.bus.allowance(event.Allowed, a)
	e.log.Info("nobody bans "+named(id, 200)+" now: "+allowedWhy(a), "logger", "server")
	reply := control.Reply{Allowed: []event.Allowance{a}}
	for _, w := range e.running() {
		w.call(func() {
			ds := w.jail.Review()
			w.settle(context.Background(), ds)
			w.written()
			for _, d := range ds {
				reply.Bans = append(reply.Bans, d.Ban)
			}
		})
	}
	return reply, nil
}

// disallow carries out control.Disallow.
func (e *engine) disallow(c control.Disallow) (control.Reply, error) {
	id, err := host.Canonical(c.ID)
	if err != nil {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: err.Error()}
	}
	e.deps.allows.mu.Lock()
	defer e.deps.allows.mu.Unlock()
	before, err := e.readAllowed()
	if err != nil {
		return control.Reply{}, err
	}
	i := slices.IndexFunc(before, func(a event.Allowance) bool { return a.ID == id })
	if i < 0 {
		return control.Reply{}, &control.Error{Fault: control.Unknown, Msg: fmt.Sprintf("the allow-list does not have %s", id),
			Hint: "gaol allow lists it"}
	}
	if err := e.store.Disallow(context.WithoutCancel(e.ctx), id); err != nil {
		return control.Reply{}, err
	}
	_, err = e.readAllowed()
	e.deps.bus.allowance(event.Disallowed, before[i])
	return control.Reply{Allowed: before[i : i+1]}, err
}

func (e *engine) allowed() (control.Reply, error) {
	e.deps.allows.mu.Lock()
	defer e.deps.allows.mu.Unlock()
	all, err := e.readAllowed()
	return control.Reply{Allowed: all}, err
}

// protects says who is never banned: the floor, the jail's trusted proxies and the allow-list.
func (w *worker) protects(f *floor) func(id string, kind event.IDKind) (why string, protected bool) {
	proxies, list := w.proxies, w.deps.allows
	return func(id string, kind event.IDKind) (string, bool) {
		if why, ok := f.now.Load().Protects(id, kind); ok {
			return why, true
		}
		now := w.deps.now()
		if why, ok := proxies.Protects(id, now); ok {
			return why, true
		}
		return list.now.Load().Protects(id, now)
	}
}

// readProxies compiles a jail's trusted_proxies.
func readProxies(text string) (g *host.Guard, err error) {
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\n,", c) }) {
		g, err = g.With(word, time.Time{}, fmt.Sprintf("trusted_proxies has %s. The log shows the proxy where the client should stand: "+
			"have the proxy pass the client's address on and the service log it", word))
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w; write addresses and networks", err)
		}
	}
	return g, nil
}

// notOneself refuses a ban of the address from which its caller has logged in: the shell, the
// sudo around it or the tmux it runs in would be cut off with it.
func notOneself(ctx context.Context, id string) error {
	p, ok := control.Caller(ctx)
	if !ok {
		return nil
	}
	for _, peer := range host.ShellPeers("/proc", p.PID) {
		if err := refuseOwn(id, peer); err != nil {
			return err
		}
	}
	return nil
}

func refuseOwn(id string, peer netip.Addr) error {
	g, err := (*host.Guard)(nil).With(peer.String(), time.Time{}, "your own shell is logged in from it")
	if err != nil {
		return err
	}
	if why, own := g.Protects(id, time.Time{}); own {
		return &control.Error{Fault: control.Refused, Msg: fmt.Sprintf("%s is not banned: %s", id, why),
			Hint: "give the command from another place, if you mean it"}
	}
	return nil
}
