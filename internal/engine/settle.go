package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/firewall"
	"gaol/internal/store"
)

// settle makes decisions true and writes them down together with the read position. Bans go
// to the kernel first and to the store at once after: a kill between the two leaves a ban that
// the next start finds in the kernel. Lifts are written down first: a kill between the two
// leaves an address that the next start lets go.
func (w *worker) settle(ctx context.Context, ds []event.Decision, marks ...event.Mark) {
	defer w.held.hold()()
	lifted := false
	for len(ds) > 0 {
		n := 1
		for n < len(ds) && stage(ds[n]) == stage(ds[0]) {
			n++
		}
		switch stage(ds[0]) {
		case event.Lift:
			lifted = true
			w.lift(ctx, ds[:n])
		case event.Regroup:
			w.regroup(ds[:n])
		default:
			w.impose(ctx, ds[:n])
		}
		ds = ds[n:]
	}
	for _, m := range marks {
		if m.Source == "" {
			continue // such a log is read again from where it was begun
		}
		w.marks[m.Source] = m
	}
	// Not behind a lift: lines that are read again would bring the ban back.
	if !lifted && w.rests() {
		return
	}
	w.save()
}

// stage is what decisions that are carried out together have in common.
func stage(d event.Decision) event.Kind {
	if d.Kind == event.Lift || d.Kind == event.Regroup {
		return d.Kind
	}
	return event.Impose
}

// Positions and counts are one unit, so that a kill before they are written only means that some
// lines are read again. They are written at once where few change, and so seldom where many do
// that it takes a tenth of the time: a row costs some 20 us.
const (
	saveEvery  = 5 * time.Second  // while reading is behind
	saveAtMost = 15 * time.Second // the longest pause
	rowPause   = 200 * time.Microsecond
)

// rests says whether positions and counts may wait; unsaved is when they may not any more.
func (w *worker) rests() bool {
	pause := w.pause
	if w.behind {
		pause = max(pause, saveEvery)
	}
	now := w.deps.now()
	if since := now.Sub(w.saved); since < 0 || since >= pause {
		return false
	}
	w.unsaved = w.saved.Add(pause)
	w.recordDue(now)
	return true
}

// save writes positions, counts and the filter's memory as one change: none of them may be
// newer than the others, or lines would be lost or count twice after a kill.
func (w *worker) save() {
	w.saved, w.unsaved = w.deps.now(), time.Time{}
	change := store.Change{Jail: w.conf.Name, Time: w.saved, Confirmed: w.confirmed}
	for _, m := range w.marks {
		change.Marks = append(change.Marks, m)
	}
	clear(w.marks)
	w.confirmed = nil
	change.Tallies, change.GoneTallies = w.jail.Dirty()
	memory := filter.Join(w.deltas)
	change.Memory, change.Forgotten, w.deltas = memory.Changed, memory.Gone, nil
	rows := len(change.Tallies) + len(change.GoneTallies) + len(change.Memory) + len(change.Forgotten)
	w.pause = min(time.Duration(rows)*rowPause, saveAtMost)
	w.commit(change)
}

// impose closes ports: kernel, then store, then the action.d commands.
func (w *worker) impose(ctx context.Context, ds []event.Decision) {
	now := w.deps.now()
	bans := make([]event.Ban, 0, len(ds))
	fresh := make(map[string]bool, len(ds))
	for _, d := range ds {
		if d.Kind == event.Impose || d.Kind == event.Prolong || d.Kind == event.Raise {
			bans = append(bans, d.Ban)
			delete(w.pasts, d.Ban.ID)
			if d.Kind == event.Impose && !d.Restored {
				fresh[d.Ban.ID] = true
			}
		}
	}
	w.enforce(bans, nil, fresh, now)
	for _, d := range ds {
		w.tell(d)
		w.tellIncrease(d)
		w.tellRaise(d)
	}
	w.record(slices.DeleteFunc(bans, w.restoring.onDisk), now)
	w.recall(ds)
	for _, d := range ds {
		switch d.Kind {
		case event.Prolong:
			w.queue.prolong(d.Ban)
			w.doubt(d.Ban, now)
		case event.Impose:
			w.queue.ban(d.Ban, d.Restored)
		}
	}
}

// storedBans are bans with as many log lines as dbmaxmatches lets the store keep, the newest.
func (w *worker) storedBans(bans []event.Ban) []event.Ban {
	most := w.deps.maxMatches()
	kept := slices.Clone(bans)
	for i := range kept {
		m := kept[i].Matches
		kept[i].Matches = m[max(0, len(m)-most):]
	}
	return kept
}

// renewEvery is how often a jail's action.d commands are looked at because banned ids go on
// failing, and how old a ban must be for that (§4.2): lines written before it are no sign.
const renewEvery = 3 * time.Second

// doubt has the actions look at a ban whose id goes on failing: it may not be in force.
func (w *worker) doubt(b event.Ban, now time.Time) {
	if b.Manual || now.Sub(b.Start) < renewEvery || now.Sub(w.doubted) < renewEvery {
		return
	}
	w.doubted = now
	w.queue.renew(b)
}

// lift opens ports again: store, then kernel, then the action.d commands.
func (w *worker) lift(ctx context.Context, ds []event.Decision) {
	now := w.deps.now()
	ids := make([]string, len(ds))
	bans := make([]event.Ban, len(ds))
	var forgiven []string
	for i, d := range ds {
		ids[i], bans[i] = d.Ban.ID, d.Ban
		w.leaks.forget(d.Ban.ID)
		if d.Forgiven {
			forgiven = append(forgiven, d.Ban.ID)
			delete(w.pasts, d.Ban.ID)
		}
	}
	w.recall(ds)
	w.commit(store.Change{Jail: w.conf.Name, Time: now, Unbans: ids, Reason: ds[0].Reason, Forgiven: forgiven})
	w.written()
	if w.kernel(nil, bans, now) {
		w.confirmed = append(w.confirmed, ids...)
	} else {
		w.owedLifts = append(w.owedLifts, bans...)
	}
	for _, d := range ds {
		w.tell(d)
		w.queue.unban(d.Ban)
	}
}

// kernel adds and removes bans in the firewall; false: it failed and is owed.
func (w *worker) kernel(add, remove []event.Ban, now time.Time) bool {
	return w.enforce(add, remove, nil, now)
}

// enforce is kernel for bans of which some are the first of their ids, so that nothing of them can
// be in the kernel but by others.
func (w *worker) enforce(add, remove []event.Ban, fresh map[string]bool, now time.Time) bool {
	if w.target == nil {
		return true
	}
	change := firewall.Change{Jail: w.conf.Name, Add: make([]firewall.Element, 0, len(add))}
	for _, b := range add {
		if w.jail.Covered(b.ID) {
			continue // a fold stands for it
		}
		if el, ok := elementOf(b, now); ok {
			if !w.restoring.holds(el) {
				el.Fresh = fresh[b.ID] || w.restoring.lacks(el)
				change.Add = append(change.Add, el)
			}
		} else if prefix, valid := prefixOf(b); valid {
			change.Remove = append(change.Remove, prefix) // over before it could be written
		} else {
			w.log.Warn(fmt.Sprintf("[%s] %s is no address: the kernel cannot ban it", w.conf.Name, named(b.ID, 100)), "logger", "actions")
		}
	}
	for _, b := range remove {
		if prefix, valid := prefixOf(b); valid && !w.jail.Stands(b.ID) {
			change.Remove = append(change.Remove, prefix)
		}
	}
	changes := slices.DeleteFunc([]firewall.Change{change, w.raise(add, remove, now)}, func(c firewall.Change) bool {
		return len(c.Add)+len(c.Remove) == 0
	})
	if len(changes) == 0 {
		return true
	}
	err := w.deps.apply(changes)
	if err == nil {
		return true
	}
	if errors.Is(err, firewall.ErrGone) {
		w.deps.lost() // somebody deleted our table: no jail's ban is in force
	}
	w.owe(err)
	return false
}

func (w *worker) owe(err error) {
	if w.owesTold.due(w.deps.now()) {
		w.log.Error(fmt.Sprintf("[%s] the firewall refused a change; trying again every second", w.conf.Name),
			"logger", "actions", "error", err)
	}
	w.owes, w.problem = true, "firewall: "+err.Error()
}

// repair writes all bans of the jail to the kernel again after it refused some, and returns
// how many.
func (w *worker) repair() int {
	w.owes = false
	if err := w.deps.ensure(); err != nil {
		w.owe(err)
		return 0
	}
	now := w.deps.now()
	var lifts []event.Ban
	for _, b := range w.owedLifts {
		if !w.jail.Stands(b.ID) {
			lifts = append(lifts, b)
		}
	}
	bans := append(w.jail.Elements(), w.jail.Raised()...)
	if !w.kernel(bans, lifts, now) {
		return 0
	}
	for _, b := range w.owedLifts {
		w.confirmed = append(w.confirmed, b.ID)
	}
	w.owedLifts, w.problem = nil, ""
	w.owesTold.stop()
	w.repaired(now)
	w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] the firewall took all bans again", w.conf.Name), "logger", "actions")
	return len(bans)
}

// tell logs a decision in fail2ban's words; recidive and external parsers read them.
func (w *worker) tell(d event.Decision) {
	read := w.read
	if w.owes {
		read = time.Time{} // the kernel has not taken it
	}
	w.deps.bus.happened(w.conf.Name, d, read, w.deps.dryRun)
	verb := ""
	switch {
	case d.Kind == event.Impose && w.deps.dryRun:
		verb = "Would ban"
	case d.Kind == event.Impose && d.Restored && w.restoring.told():
		return
	case d.Kind == event.Impose && d.Restored:
		verb = "Restore Ban"
	case d.Kind == event.Impose:
		verb = "Ban"
	case d.Kind == event.Lift:
		verb = "Unban"
		if d.Reason != "" {
			w.log.Info(fmt.Sprintf("[%s] Lift %s: %s", w.conf.Name, named(d.Ban.ID, 100), d.Reason), "logger", "actions")
		}
	case d.Kind == event.Prolong:
		if level := staleness(d.Ban); w.log.Enabled(context.Background(), level) { // most are for nobody
			w.log.Log(context.Background(), level, fmt.Sprintf("[%s] %s already banned", w.conf.Name, named(d.Ban.ID, 200)), "logger", "actions")
		}
		return
	case d.Kind == event.Hold:
		w.tellHold(d)
		return
	case d.Kind == event.Raise:
		return
	case d.Kind == event.Spare:
		w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] Ignore %s: %s", w.conf.Name, named(d.Ban.ID, 100), d.Reason), "logger", "actions")
		return
	}
	if w.log.Enabled(context.Background(), Notice) {
		w.line(Notice, "actions", "["+w.conf.Name+"] "+verb+" "+named(d.Ban.ID, 200)+w.reach())
	}
}

// staleness is how loudly a failure of a banned id is told: the older the ban, the less it can
// be a line written before it (§4.2).
func staleness(b event.Ban) slog.Level {
	switch age := b.Renewed.Sub(b.Start); {
	case b.Manual, age < 3*time.Second:
		return slog.LevelDebug
	case age < time.Minute:
		return Notice
	}
	return slog.LevelWarn
}

// underWay is how many changes of a jail may wait for the disk. A batch of a thousand bans is one
// change, and one of positions and counts comes behind it: reading is ahead of the disk by some
// ten thousand bans at most, and memory stays bounded where the disk is slow.
const underWay = 16

// commit hands a change to the store, behind the bans that wait for it.
func (w *worker) commit(c store.Change) {
	w.recordAll()
	w.hand(c)
}

// hand gives the store a change. Those under way are written in their order, and a disk that
// falls behind slows the reading down.
func (w *worker) hand(c store.Change) {
	for len(w.pending) > 0 && (len(w.pending) >= underWay || len(w.pending[0]) > 0) {
		w.landed()
	}
	w.pending = append(w.pending, w.deps.commit(c))
}

// written waits for all changes under way.
func (w *worker) written() {
	w.recordAll()
	for len(w.pending) > 0 {
		w.landed()
	}
}

// landed waits for the oldest change under way.
func (w *worker) landed() {
	if err := <-w.pending[0]; err != nil {
		w.problem = err.Error()
		w.log.Error(fmt.Sprintf("[%s] write down state", w.conf.Name), "error", err)
	}
	w.pending = w.pending[1:]
}

// flush writes what is left when the worker stops.
func (w *worker) flush() {
	w.save()
	w.written()
}

// prefixOf is what the firewall bans for a ban: its address or its network.
func prefixOf(b event.Ban) (netip.Prefix, bool) {
	if strings.IndexByte(b.ID, '/') >= 0 {
		p, err := netip.ParsePrefix(b.ID)
		return p.Masked(), err == nil
	}
	a, err := netip.ParseAddr(b.ID)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}

// elementOf is the ban as a set element with what is left of it; false: nothing is left, or
// it is no address.
func elementOf(b event.Ban, now time.Time) (firewall.Element, bool) {
	prefix, ok := prefixOf(b)
	if !ok {
		return firewall.Element{}, false
	}
	if b.End.IsZero() {
		return firewall.Element{Prefix: prefix}, true
	}
	left := b.End.Sub(now)
	// A timeout below one millisecond would read as none at all: for ever.
	return firewall.Element{Prefix: prefix, Timeout: left}, left >= time.Millisecond
}
