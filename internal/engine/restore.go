package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/store"
)

const (
	// restoreAtOnce is how many bans are restored in one step: 100,000 decisions at once would be
	// more memory than the bans take afterwards.
	restoreAtOnce = 8192
	// restoreTold is up to how many restored bans the log names one by one.
	restoreTold = 1000
)

// restoring is what a worker keeps in mind while it brings its bans back; nil: it does not.
type restoring struct {
	kernel listed            // what the kernel held before; nil: not known
	stored map[string]stored // of the step under way, as the store holds them
	quiet  bool              // the log does not name them
}

// stored is what restoring may change of a ban.
type stored struct {
	end   time.Time
	times int
	scope string
}

// restore compares the store with the kernel: in both, the later end counts; only in the
// kernel, the ban is adopted; only in the store and not over, it is added; lifted but not
// confirmed, it is deleted. On reload the kernel is not asked: the worker before left it right.
func (w *worker) restore(state store.State, adopt bool) {
	now := w.deps.now()
	kernel := w.inKernel(adopt)
	r := &restoring{quiet: len(state.Bans) > restoreTold}
	if kernel != nil {
		if r.kernel = listOf(kernel[w.conf.Name]); r.kernel == nil {
			r.kernel = listed{}
		}
	}
	w.restoring = r
	raised := listOf(kernel[w.conf.Name+raisedSuffix])
	strangers := w.strangers(state, r.kernel, now)
	var lifted []event.Ban
	for _, id := range state.Unbanned {
		lifted = append(lifted, event.Ban{ID: id})
	}
	if len(lifted) > 0 && w.kernel(nil, lifted, now) {
		w.confirmed = state.Unbanned
	}
	bans := append(state.Bans, strangers...)
	step := restoreAtOnce
	if w.conf.Aggregate.On {
		step = len(bans) // what is folded is judged by all of them
	}
	tallies := state.Tallies
	for first := true; first || len(bans) > 0; first = false {
		some := bans[:min(step, len(bans))]
		bans = bans[len(some):]
		r.stored = make(map[string]stored, len(some))
		for i := range some {
			if some[i].Bare { // else it is a stranger
				r.stored[some[i].ID] = stored{some[i].End, some[i].Times, some[i].Scope}
			}
			w.reconcile(&some[i], r.kernel, raised, now)
		}
		w.settle(context.Background(), w.jail.Restore(some, tallies, now))
		tallies = nil
	}
	w.restoring = nil
	w.clearFolds(state.Folds)
	w.written()
	if _, _, n, _ := w.jail.Counts(); r.quiet {
		w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] Restored %d bans", w.conf.Name, n), "logger", "actions")
	}
}

// inKernel is what the kernel holds of the jail; nil: not known.
func (w *worker) inKernel(ask bool) map[string][]firewall.Element {
	if !ask || w.target == nil {
		return nil
	}
	kernel, err := w.deps.list(w.places()...)
	if err != nil {
		w.owe(err)
		return nil
	}
	return kernel
}

// listed is what the kernel holds in one place, by prefix; nil: not known. Of 100,000 a map takes
// several times the memory.
type listed []firewall.Element

func listOf(elements []firewall.Element) listed {
	byPrefix := func(a, b firewall.Element) int { return a.Prefix.Compare(b.Prefix) }
	if !slices.IsSortedFunc(elements, byPrefix) {
		elements = slices.Clone(elements)
		slices.SortFunc(elements, byPrefix)
	}
	return elements
}

func (l listed) index(p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(l, p, func(el firewall.Element, p netip.Prefix) int { return el.Prefix.Compare(p) })
}

// find says how long a prefix is held; 0: for ever.
func (l listed) find(p netip.Prefix) (left time.Duration, held bool) {
	i, held := l.index(p)
	if held {
		left = l[i].Timeout
	}
	return left, held
}

// strangers are the bans that the kernel holds and the store does not know, as bans of now.
func (w *worker) strangers(state store.State, kernel listed, now time.Time) (all []event.Ban) {
	known := make([]bool, len(kernel))
	know := func(id string) {
		if p, ok := prefixOf(event.Ban{ID: id}); ok {
			if i, held := kernel.index(p); held {
				known[i] = true
			}
		}
	}
	for i := range state.Bans {
		know(state.Bans[i].ID)
	}
	for _, ids := range [][]string{state.Unbanned, state.Folds} {
		for _, id := range ids {
			know(id)
		}
	}
	for i, el := range kernel {
		if known[i] {
			continue
		}
		id, kind := idOf(el.Prefix)
		b := event.Ban{Jail: w.conf.Name, ID: id, Kind: kind, IP: id, Start: now, Reason: "found in the kernel's set"}
		if el.Timeout > 0 {
			b.End = now.Add(el.Timeout)
		}
		all = append(all, b)
	}
	return all
}

// reconcile lets the kernel's word count where it holds a ban for longer, and where it holds it
// as one of all ports. A jail that does not escalate any more has none of those.
func (w *worker) reconcile(b *event.Ban, kernel, raised listed, now time.Time) {
	_, escalates := w.raised()
	if !escalates {
		b.Scope = ""
	}
	if len(kernel)+len(raised) == 0 {
		return
	}
	p, ok := prefixOf(*b)
	if _, wide := raised.index(p); wide && escalates {
		b.Scope = event.AllPorts
	}
	left, held := kernel.find(p)
	switch {
	case !ok || !held || b.End.IsZero():
	case left == 0:
		b.End = time.Time{}
	case now.Add(left).Sub(b.End) > time.Second:
		b.End = now.Add(left)
	}
}

// onDisk says whether the store holds a restored ban as it is: writing 100,000 that did not change
// cost more than all else of a start.
func (r *restoring) onDisk(b event.Ban) bool {
	if r == nil {
		return false
	}
	old, ok := r.stored[b.ID]
	return ok && old.end.Equal(b.End) && old.times == b.Times && old.scope == b.Scope
}

// holds says whether the kernel has an element already, to end at the same time.
func (r *restoring) holds(el firewall.Element) bool {
	if r == nil {
		return false
	}
	left, held := r.kernel.find(el.Prefix)
	return held && (left == 0) == (el.Timeout == 0) && (left-el.Timeout).Abs() < repairSlack
}

// told says whether the log names restored bans all at once.
func (r *restoring) told() bool { return r != nil && r.quiet }

// lacks says whether an element is known not to be in the kernel.
func (r *restoring) lacks(el firewall.Element) bool {
	if r == nil || r.kernel == nil {
		return false
	}
	_, held := r.kernel.index(el.Prefix)
	return !held
}

// idOf is how a jail names what the kernel bans.
func idOf(p netip.Prefix) (string, event.IDKind) {
	if p.IsSingleIP() {
		return p.Addr().String(), event.Address
	}
	return p.String(), event.Network
}

// light says whether the jail may leave the evidence of its bans to the store, which has as much of
// it. A replay has no store.
func (w *worker) light() bool {
	return w.deps.maxMatches != nil && w.deps.maxMatches() >= w.conf.MaxMatches
}

// recall gives the bans of decisions back what led to them, which only the store has, where
// somebody asks for it: commands of action.d, and who listens.
func (w *worker) recall(ds []event.Decision) {
	if len(w.queue.all) == 0 && !w.deps.bus.heard() {
		return
	}
	var at []int
	var bans []event.Ban
	for i := range ds {
		if ds[i].Ban.Bare {
			at, bans = append(at, i), append(bans, ds[i].Ban)
		}
	}
	if len(bans) == 0 {
		return
	}
	w.written()
	w.deps.recall(w.conf.Name, bans)
	for i, b := range bans {
		ds[at[i]].Ban = b
	}
}

// recall gives the bans of a reply what led to them.
func (e *engine) recall(reply *control.Reply) {
	all := [][]event.Ban{reply.Bans, reply.Covering}
	if reply.Status != nil {
		for _, j := range reply.Status.Jails {
			all = append(all, j.Bans)
		}
	}
	if reply.Account != nil {
		for _, j := range reply.Account.Jails {
			all = append(all, j.Bans)
		}
	}
	for _, bans := range all {
		for len(bans) > 0 {
			jail, n := bans[0].Jail, 0
			some := false
			for n < len(bans) && bans[n].Jail == jail {
				some = some || bans[n].Bare
				n++
			}
			if w := e.find(jail); w != nil && some {
				w.call(w.written) // the newest bans too
				e.deps.recall(jail, bans[:n])
			}
			bans = bans[n:]
		}
	}
}

// recall gives bans of a jail what led to them.
func (d *deps) recall(jail string, bans []event.Ban) {
	if err := d.evidence(context.Background(), jail, bans); err != nil {
		d.log.Error(fmt.Sprintf("[%s] what led to bans is not known", jail), "error", err)
	}
}
