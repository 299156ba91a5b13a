package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
	"gaol/internal/firewall"
)

// raisedSuffix makes of a jail's name that of its place in the kernel for bans of all ports
// (escalate). Such bans are in both places, so that what the jail itself closes never depends
// on it. No jail can be called so beside one that escalates: config refuses it.
const raisedSuffix = "/" + event.AllPorts

// raised is the place for bans of all ports; false: the jail does not escalate.
func (p *plan) raised() (firewall.Target, bool) {
	if p.target == nil || !p.conf.Escalate {
		return firewall.Target{}, false
	}
	return firewall.Target{Jail: p.conf.Name + raisedSuffix, Block: p.target.Block}, true
}

// raisedWithin is raised with the namespaces that the jail's own target holds in: there too all
// ports are closed.
func (p *plan) raisedWithin(own firewall.Target) (firewall.Target, bool) {
	t, ok := p.raised()
	for _, in := range own.Inside {
		t.Inside = append(t.Inside, firewall.Inside{NetNS: in.NetNS})
	}
	return t, ok
}

// raisedOf is whose place for bans of all ports a name stands for; false: it is a jail's own.
func (e *engine) raisedOf(name string) (jail string, raised bool) {
	jail, raised = strings.CutSuffix(name, raisedSuffix)
	return jail, raised && e.workers[name] == nil && e.broken[name] == ""
}

// escalate raises the ban of an id that goes on failing to all ports: as many failures as ban
// again, and at least proofLeast, were written when the ban was in force. sshd tells late of
// connections that a ban cut; so where packets were dropped meanwhile it takes failures from
// beyond that.
func (w *worker) escalate(f event.Failure, now time.Time) []event.Decision {
	if _, ok := w.raised(); !ok || w.behind {
		return nil
	}
	id, _ := w.offender(f.ID)
	l := w.leaks.seen[id]
	if l == nil || l.failures < max(w.conf.MaxRetry, proofLeast) {
		return nil
	}
	since := f.Time.Sub(l.first)
	dropped, known := w.packets(now)
	if since < proofAfter || since <= proofPast && (!known || !l.counted || dropped > l.packets) {
		return nil
	}
	ds := w.jail.Raise(id, fmt.Sprintf("%d failures although it is banned", l.failures), now)
	if slices.ContainsFunc(ds, func(d event.Decision) bool { return d.Kind == event.Raise }) {
		w.leaks.forget(id) // whether the wider ban works is another question
	}
	return ds
}

// known says who was banned by this jail before, whose next ban is one of all ports; nil: the jail
// does not escalate.
func (w *worker) known() func(id string) bool {
	if _, ok := w.raised(); !ok {
		return nil
	}
	return func(id string) bool { return w.before(id, false).Count > 0 }
}

// raise is what changes for the bans of all ports.
func (w *worker) raise(add, remove []event.Ban, now time.Time) firewall.Change {
	t, ok := w.raised()
	change := firewall.Change{Jail: t.Jail}
	if !ok {
		return change
	}
	for _, b := range add {
		if b.Scope != event.AllPorts {
			continue
		}
		if el, ok := elementOf(b, now); ok {
			change.Add = append(change.Add, el)
		}
	}
	for _, b := range remove {
		if now, banned := w.jail.Find(b.ID); banned && now.Scope == event.AllPorts {
			continue // a fold took its place among the jail's own
		}
		if prefix, valid := prefixOf(b); valid && !b.Fold {
			change.Remove = append(change.Remove, prefix)
		}
	}
	return change
}

// lackingRaised adds to lost the bans of all ports that the kernel lacks as such.
func (w *worker) lackingRaised(lost []event.Ban, kernel map[string][]firewall.Element, now time.Time) []event.Ban {
	t, ok := w.raised()
	if !ok {
		return lost
	}
	for _, b := range lacking(slices.Values(w.jail.Raised()), listOf(kernel[t.Jail]), now) {
		if !slices.ContainsFunc(lost, func(o event.Ban) bool { return o.ID == b.ID }) {
			lost = append(lost, b)
		}
	}
	return lost
}

// places are the names under which the kernel holds the jail's bans.
func (p *plan) places() []string {
	if p.target == nil {
		return nil
	}
	all := []string{p.conf.Name}
	if t, ok := p.raised(); ok {
		all = append(all, t.Jail)
	}
	return all
}

// tellRaise says that a ban closes all ports.
func (w *worker) tellRaise(d event.Decision) {
	why := d.Reason
	switch {
	case d.Kind == event.Impose && d.Ban.Scope == event.AllPorts && !d.Restored:
		why = "it was banned before"
	case d.Kind != event.Raise:
		return
	}
	w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] Escalate %s: closes all ports of this machine, since %s", w.conf.Name,
		clip(d.Ban.ID, 200), why), "logger", "actions")
}

// leftRaised forgets the place of a jail that escalates no more.
func (e *engine) leftRaised(before, now *plan) error {
	t, had := before.raised()
	if now != nil {
		if _, has := now.raised(); has {
			return nil
		}
	}
	if !had {
		return nil
	}
	return e.fw.Apply([]firewall.Change{{Jail: t.Jail, Forget: true}})
}
