package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/host"
)

var _ control.Daemon = (*engine)(nil)

// Do carries out one command of the control socket.
func (e *engine) Do(ctx context.Context, c control.Command) (control.Reply, error) {
	reply, err := e.do(ctx, c)
	e.recall(&reply) // here, where no jail waits for it
	return reply, err
}

func (e *engine) do(ctx context.Context, c control.Command) (control.Reply, error) {
	switch c := c.(type) {
	case control.Status:
		return e.status(c)
	case control.Ban:
		if err := notOneself(ctx, c.ID); err != nil {
			return control.Reply{}, err
		}
		return e.ban(c)
	case control.Unban:
		return e.unban(ctx, c)
	case control.Banned:
		return e.banned(c)
	case control.Allow:
		return e.allow(c)
	case control.Disallow:
		return e.disallow(c)
	case control.Allowed:
		return e.allowed()
	case control.Reload:
		return e.reloadBy(c)
	case control.Stop:
		e.unbanAll.Store(c.Unban)
		e.dropTable.Store(c.Drop)
		e.log.Info("stop was asked for", "logger", "server", "unban", c.Unban)
		e.stop(errStopped)
		return control.Reply{}, nil
	case control.Explain:
		return e.explain(ctx, c)
	case control.Why:
		return e.account(ctx, c)
	case control.History:
		return e.history(ctx, c)
	case control.Version:
		s := e.head()
		return control.Reply{Status: &s}, nil
	}
	return e.change(ctx, c)
}

func (e *engine) head() event.Status {
	return event.Status{Version: e.o.Version, PID: os.Getpid(), Started: e.started}
}

func (e *engine) status(c control.Status) (control.Reply, error) {
	s := e.head()
	e.mu.Lock()
	s.Config, s.DryRun, s.Firewall = e.conf.Dir, e.o.DryRun, e.fwName
	s.Problems = texts(e.problems)
	s.LabelProblems = e.containers.labels.misfits()
	broken := maps.Clone(e.broken)
	e.mu.Unlock()
	if s.Config == "" {
		s.Config = "embedded"
	}
	hits := e.hits()
	for _, w := range e.running() {
		name := w.conf.Name
		if c.Jail == "" || c.Jail == name {
			var one event.JailStatus
			w.call(func() { one = w.status(c.Brief) })
			if why := broken[name]; why != "" {
				one.Problem = why
			}
			if n, ok := hits[name]; ok {
				one.Packets = &n
			}
			s.Jails = append(s.Jails, one)
		}
		delete(broken, name)
	}
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		if c.Jail == "" || c.Jail == name {
			s.Jails = append(s.Jails, event.JailStatus{Name: name, Problem: broken[name]})
		}
	}
	if c.Jail != "" && len(s.Jails) == 0 {
		return control.Reply{}, e.noJail(c.Jail)
	}
	e.repairs.tell(&s)
	s.Containers = e.containers.word()
	for i := range s.Jails {
		e.containers.tell(&s.Jails[i])
		tellBehind(&s.Jails[i])
	}
	return control.Reply{Status: &s}, nil
}

// hits is how many packets the native rules of each jail dropped, where the backend counts.
func (e *engine) hits() map[string]uint64 {
	counter, ok := e.fw.(interface {
		Hits() (map[string]uint64, error)
	})
	if !ok {
		return nil
	}
	hits, err := counter.Hits()
	if err != nil {
		e.log.Warn("read the counters of the firewall", "error", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, n := range hits {
		if jail, raised := e.raisedOf(name); raised {
			hits[jail] += n
			delete(hits, name)
		}
	}
	return hits
}

// status is the jail as viewers see it; for the worker's goroutine.
func (w *worker) status(brief bool) event.JailStatus {
	s := event.JailStatus{
		Name: w.conf.Name, Running: true, Problem: w.problem, Filter: w.conf.FilterName,
		MaxRetry: w.conf.MaxRetry, FindTime: w.conf.FindTime, BanTime: w.conf.BanTime,
		Port: w.conf.Port, Protocol: w.conf.Protocol, Container: w.conf.Container, Actions: w.actionNames(),
		Folds: w.jail.Folds(), Repairs: w.repairs, LastRepair: w.lastRepair,
		Lines: w.lines, Aborted: w.aborted, CutLines: w.cut, Dropped: w.asks.dropped,
	}
	if !brief {
		s.Bans = w.jail.Bans()
	}
	w.leaks.tell(&s)
	var failing string
	if s.ActionStates, failing = w.queue.status(); s.Problem == "" {
		s.Problem = failing
	}
	if s.Held = w.jail.Held(); s.Held != "" {
		s.Problem = s.Held
	}
	s.Regexes = w.regexes()
	s.CurrentlyFailed, s.TotalFailed, s.CurrentlyBanned, s.TotalBanned = w.jail.Counts()
	s.TotalFailed, s.TotalBanned = s.TotalFailed+w.carried.failed, s.TotalBanned+w.carried.banned
	for _, name := range w.watched() {
		w.source(name).Found = true
	}
	for _, m := range w.missing {
		if len(w.perSource) == 0 {
			s.Sources = append(s.Sources, event.SourceStatus{Name: m})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.perSource)) {
		s.Sources = append(s.Sources, *w.perSource[name])
	}
	return s
}

func (e *engine) ban(c control.Ban) (control.Reply, error) {
	w := e.find(c.Jail)
	if w == nil {
		return control.Reply{}, e.noJail(c.Jail)
	}
	now := e.o.Now()
	b := event.Ban{Start: now, Reason: c.Reason}
	b.ID, b.Kind = host.ParseID(c.ID)
	if b.Kind == event.Address {
		b.IP = b.ID
	}
	if b.Kind == event.Raw && len(w.queue.all) == 0 {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("%q is no address and no network", c.ID),
			Hint: "gaol ban " + c.Jail + " 192.0.2.1, or 192.0.2.0/24"}
	}
	var reply control.Reply
	var err error
	w.call(func() {
		b.End = w.jail.End(now)
		if c.For != nil {
			b.End = endAfter(now, *c.For)
		}
		reply, err = w.banByHand(b)
		if err == nil {
			err = e.store.Sync(e.ctx) // no log line would bring this ban back after a power loss
		}
	})
	return reply, err
}

// endAfter is when a ban of that length ends; a negative one never does.
func endAfter(now time.Time, d time.Duration) time.Time {
	if d < 0 {
		return time.Time{}
	}
	return now.Add(d)
}

func (w *worker) banByHand(b event.Ban) (control.Reply, error) {
	ds := w.jail.Ban(b, b.Start)
	w.settle(context.Background(), ds)
	w.written()
	outcome := control.Unchanged
	for _, d := range ds {
		switch {
		case d.Kind == event.Spare:
			return control.Reply{}, &control.Error{Fault: control.Refused, Msg: fmt.Sprintf("%s is never banned: %s", d.Ban.ID, d.Reason)}
		case d.Kind == event.Impose && d.Ban.ID == b.ID:
			outcome = control.Imposed
		case d.Kind == event.Prolong && d.Ban.ID == b.ID:
			outcome = control.Prolonged
		}
	}
	if w.owes {
		return control.Reply{}, &control.Error{Fault: control.Failed, Msg: "the ban is written down, but " + w.problem,
			Hint: "gaol tries again every second; see gaol status " + w.conf.Name}
	}
	now, _ := w.jail.Find(b.ID)
	return control.Reply{Bans: []event.Ban{now}, Outcome: outcome}, nil
}

func (e *engine) unban(ctx context.Context, c control.Unban) (control.Reply, error) {
	workers := e.running()
	if c.Jail != "" {
		w := e.find(c.Jail)
		if w == nil {
			return control.Reply{}, e.noJail(c.Jail)
		}
		workers = []*worker{w}
	}
	meant := e.meant(ctx, c)
	var reply control.Reply
	for _, w := range workers {
		w.call(func() {
			var ds []event.Decision
			for _, id := range meant(w) {
				ds = append(ds, w.jail.Unban(id, e.o.Now(), "by command")...)
			}
			w.forgive(c)
			defer func() { reply.Covering = append(reply.Covering, w.covering(c.ID)...) }()
			if len(ds) == 0 {
				return
			}
			w.settle(context.Background(), ds)
			w.written()
			reply.Bans = append(reply.Bans, letOut(w.conf.Name, c.ID, ds)...)
		})
	}
	return reply, nil
}

// meant is which of a jail's bans an Unban is about, for the worker's goroutine. Names are
// looked up before, so that no worker waits for DNS.
func (e *engine) meant(ctx context.Context, c control.Unban) func(*worker) []string {
	id, kind := host.ParseID(c.ID)
	var names []string
	if c.Within && kind != event.Address && kind != event.Network {
		addrs, err := e.deps.resolver.Resolve(ctx, c.ID)
		if err != nil {
			e.log.Debug("look up whom to unban", "error", err)
		}
		for _, a := range addrs {
			names = append(names, a.String())
		}
	}
	return func(w *worker) []string {
		if one, banned := w.offender(id); banned && !c.All {
			return []string{one}
		}
		if _, folded := w.jail.FoldOf(id); folded && kind == event.Address {
			return []string{id}
		}
		if !c.Within && !c.All {
			return nil
		}
		ids := names
		for _, b := range w.jail.Bans() {
			if c.All || kind == event.Network && hits(event.Ban{ID: id}, b.ID) {
				ids = append(ids, b.ID)
			}
		}
		return ids
	}
}

func (e *engine) banned(c control.Banned) (control.Reply, error) {
	var reply control.Reply
	for _, w := range e.running() {
		w.call(func() {
			for _, b := range w.jail.Bans() {
				if c.ID == "" || hits(b, c.ID) {
					reply.Bans = append(reply.Bans, b)
				}
			}
			if f, folded := w.jail.FoldOf(canonicalID(c.ID)); folded {
				reply.Bans = append(reply.Bans, f)
			}
		})
	}
	return reply, nil
}

// hits says whether a ban keeps id out: it is the id, or a network that holds it.
func hits(b event.Ban, id string) bool {
	wanted, _ := host.ParseID(id)
	if b.ID == wanted {
		return true
	}
	p, okBan := prefixOf(b)
	q, okID := prefixOf(event.Ban{ID: wanted})
	return okBan && okID && p.Bits() <= q.Bits() && p.Contains(q.Addr())
}

func (e *engine) find(jail string) *worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.workers[jail]
}

func (e *engine) noJail(name string) error {
	hint := "no jail runs"
	if all := e.running(); len(all) > 0 {
		hint = "these run:"
		for _, w := range all {
			hint += " " + w.conf.Name
		}
	}
	return &control.Error{Fault: control.Unknown, Msg: fmt.Sprintf("no jail is called %q", name), Hint: hint}
}

// call runs f in the worker's goroutine and waits for it; false: the worker has stopped.
func (w *worker) call(f func()) bool {
	ran := make(chan struct{})
	select {
	case w.calls <- func() { defer close(ran); f() }:
		<-ran
		return true
	case <-w.done:
		return false
	}
}

func texts(ps []config.Problem) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}
