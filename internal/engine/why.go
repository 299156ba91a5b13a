package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/host"
)

// Bounds of an account.
const (
	shownPast     = 5       // bans that are over, of one jail
	searchDefault = 8 << 20 // bytes of a log's end, of all logs of a jail together
	searchMost    = 256 << 20
)

// account carries out control.Why.
func (e *engine) account(ctx context.Context, c control.Why) (control.Reply, error) {
	id, kind := host.ParseID(strings.TrimSpace(c.ID))
	if id == "" {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: "nobody was named: expected an address, a network or another ban id", Hint: "gaol why 192.0.2.1"}
	}
	now := e.o.Now()
	a := &event.Account{ID: id, Time: now, DryRun: e.o.DryRun, Jails: []event.JailAccount{}}
	a.Protected, _ = e.protectedByAll(id, kind, now)
	workers := e.running()
	for _, w := range workers {
		j, err := e.jailAccount(ctx, w, id, kind, now)
		if err != nil {
			return control.Reply{}, err
		}
		a.Banned = a.Banned || len(j.Bans) > 0
		a.Jails = append(a.Jails, j)
	}
	e.mu.Lock()
	broken := maps.Clone(e.broken)
	e.mu.Unlock()
	for i := range a.Jails {
		if why := broken[a.Jails[i].Jail]; why != "" {
			a.Jails[i].Problem = "it runs as it was configured before: " + why
			delete(broken, a.Jails[i].Jail)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		a.Jails = append(a.Jails, event.JailAccount{Jail: name, Problem: "does not run: " + broken[name]})
	}
	if !a.Banned && c.Search >= 0 && kind == event.Address {
		e.explaining.Lock()
		defer e.explaining.Unlock()
		for i, w := range workers {
			if err := e.searchLogs(ctx, w, &a.Jails[i], id, now, min(cmp.Or(c.Search, searchDefault), searchMost)); err != nil {
				return control.Reply{}, err
			}
		}
	}
	a.Because = because(a)
	return control.Reply{Account: a}, nil
}

// protectedByAll is why no jail bans an id.
func (e *engine) protectedByAll(id string, kind event.IDKind, now time.Time) (string, bool) {
	if why, ok := e.deps.floor.now.Load().Protects(id, kind); ok {
		return why, true
	}
	return e.deps.allows.now.Load().Protects(id, now)
}

// jailAccount is what one jail, the store and the kernel know of an id.
func (e *engine) jailAccount(ctx context.Context, w *worker, id string, kind event.IDKind, now time.Time) (event.JailAccount, error) {
	j := event.JailAccount{Jail: w.conf.Name}
	var wide string
	w.call(func() {
		wide = w.jail.Offender(id)
		w.tellAccount(&j, id, kind)
	})
	if w.target != nil {
		s := event.JailStatus{Name: j.Jail, Container: w.conf.Container}
		e.containers.tell(&s)
		j.Closes = cmp.Or(strings.Join(s.Closes, ", "), closesText(e.scoped(w.plan)))
		if len(j.Bans) > 0 {
			j.Kernel, j.Lacks = e.inKernel(w, &j, id)
		}
	}
	past, err := e.store.History(ctx, j.Jail, wide, shownPast+1)
	if err != nil {
		return j, err
	}
	for _, r := range past {
		if over := !r.Lifted.IsZero() || !r.Ban.End.IsZero() && !now.Before(r.Ban.End); over && len(j.Past) < shownPast {
			j.Past = append(j.Past, event.PastBan{Ban: r.Ban, Lifted: r.Lifted, Reason: r.LiftReason})
		}
	}
	j.Times, _, err = e.store.Past(ctx, j.Jail, wide)
	return j, err
}

// tellAccount adds what the worker knows; for its goroutine.
func (w *worker) tellAccount(j *event.JailAccount, id string, kind event.IDKind) {
	j.Filter, j.MaxRetry, j.FindTime, j.BanTime = w.conf.FilterName, w.conf.MaxRetry, w.conf.FindTime, w.conf.BanTime
	j.Problem, j.Held = w.problem, w.jail.Held()
	if w.idle {
		j.Problem = "it is idle: it reads no log (fail2ban-client set " + w.conf.Name + " idle off ends that)"
	}
	if one, banned := w.offender(id); banned {
		b, _ := w.jail.Find(one)
		j.Bans = append(j.Bans, b)
	}
	for _, b := range w.jail.Bans() {
		if b.Kind == event.Network && (len(j.Bans) == 0 || b.ID != j.Bans[0].ID) && hits(b, id) {
			j.Bans = append(j.Bans, b)
		}
	}
	if f, folded := w.jail.FoldOf(id); folded {
		j.Bans = append(j.Bans, f)
	}
	if t, counted := w.jail.Counted(id); counted {
		j.Count, j.Expires = &t, t.Last.Add(w.conf.FindTime)
	}
	for _, b := range j.Bans {
		if l := w.leaks.seen[b.ID]; l != nil && l.told != nil {
			j.Leak = l.told
		}
	}
	j.Spared, _ = w.sparedWhy(id, kind)
	for _, a := range w.conf.Actions {
		if !a.Native {
			j.Actions = append(j.Actions, a.Name)
		}
	}
}

// inKernel is how the kernel holds a jail's bans of an id. lacks says why it does not.
func (e *engine) inKernel(w *worker, j *event.JailAccount, id string) (held []event.KernelBan, lacks string) {
	whole, ok := prefixOf(event.Ban{ID: id})
	if !ok {
		return nil, ""
	}
	places := w.places()
	kernel, err := e.fw.List(places...)
	if err != nil {
		return nil, err.Error()
	}
	caught := e.hits()
	for _, place := range places {
		for _, el := range kernel[place] {
			p := el.Prefix.Masked()
			if p.Bits() > whole.Bits() || !p.Contains(whole.Addr()) {
				continue
			}
			name, _ := idOf(p)
			b := event.KernelBan{Element: name, Left: el.Timeout}
			if b.Set, b.Rules, err = e.holds(place, p); err != nil {
				lacks = err.Error()
			}
			if packets, counts := caught[j.Jail]; counts && b.Set == "" {
				b.Rules = []event.KernelRule{{Text: "those of the jail, all together", Packets: packets}}
			}
			held = append(held, b)
		}
	}
	if len(held) == 0 && lacks == "" {
		lacks = cmp.Or(w.problem, "it is not in the kernel's set; gaol compares them every 45 s and puts it back")
		if e.o.DryRun {
			lacks = "dry run: nothing is written to the kernel"
		}
	}
	return held, lacks
}

// holds is the set and the rules of a ban, where the backend can tell.
func (e *engine) holds(place string, p netip.Prefix) (set string, rules []event.KernelRule, err error) {
	fw, can := e.fw.(interface {
		Holds(jail string, prefix netip.Prefix) (firewall.Hold, bool, error)
	})
	if !can {
		return "", nil, nil
	}
	h, found, err := fw.Holds(place, p)
	if err != nil || !found {
		return "", nil, err
	}
	for _, r := range h.Rules {
		rules = append(rules, event.KernelRule{Text: r.Text, Packets: r.Packets})
	}
	return h.Set, rules, nil
}

// closesText is what a target closes, with its protocols.
func closesText(t firewall.Target) string {
	text := closedText(t)
	if len(t.Protocols) > 0 && !t.Scoped {
		text += "/" + strings.Join(t.Protocols, ",")
	}
	if t.Block == firewall.Reject {
		text += fmt.Sprintf(" (%s)", t.Block)
	}
	return text
}
