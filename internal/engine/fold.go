package engine

import (
	"context"
	"fmt"
	"slices"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/jail"
	"gaol/internal/store"
)

// aggregateOf is how a jail folds its bans; nil: it does not.
func aggregateOf(a config.Aggregate) *jail.Aggregate {
	if !a.On {
		return nil
	}
	return &jail.Aggregate{Width: jail.Width(a.Width), Budget: jail.Width(a.Budget)}
}

// regroup has the kernel hold prefixes in place of the bans in them, or the reverse: what comes
// first, then what goes, so that nobody gets through in between. A new prefix is written down
// before the kernel gets it: a start after a kill must not take it for a ban of its own.
func (w *worker) regroup(ds []event.Decision) {
	now := w.deps.now()
	var add, remove []event.Ban
	var made, gone []string
	for _, d := range ds {
		add, remove = append(add, d.Add...), append(remove, d.Remove...)
		if d.Reason != "" { // without one an end is later, and no more
			made, gone = append(made, foldsOf(d.Add)...), append(gone, foldsOf(d.Remove)...)
			w.log.Log(context.Background(), Notice, fmt.Sprintf("[%s] %s", w.conf.Name, d.Reason), "logger", "actions")
		}
	}
	if len(made) > 0 {
		w.commit(store.Change{Jail: w.conf.Name, Time: now, Folds: made})
		w.written()
	}
	add = slices.DeleteFunc(add, func(b event.Ban) bool { return !w.jail.Stands(b.ID) }) // changed again since
	if !w.kernel(add, nil, now) || !w.kernel(nil, remove, now) {
		w.owedLifts = append(w.owedLifts, remove...)
		return
	}
	w.letFold(gone)
}

// letFold forgets folds that the kernel let go.
func (w *worker) letFold(prefixes []string) {
	gone := slices.DeleteFunc(prefixes, w.jail.Stands)
	if len(gone) > 0 {
		w.commit(store.Change{Jail: w.conf.Name, Time: w.deps.now(), Unfolds: gone})
	}
}

// clearFolds removes those of an earlier run, or of other settings, from the kernel that are
// none any more. The bans in them are in the kernel by now.
func (w *worker) clearFolds(known []string) {
	gone := slices.DeleteFunc(slices.Clone(known), w.jail.Stands)
	var bans []event.Ban
	for _, prefix := range gone {
		bans = append(bans, event.Ban{Jail: w.conf.Name, ID: prefix, Kind: event.Network})
	}
	if w.owes || !w.kernel(nil, bans, w.deps.now()) {
		w.owedLifts = append(w.owedLifts, bans...)
		return
	}
	w.letFold(gone)
}

// foldsOf are the prefixes among bans that are folds.
func foldsOf(bans []event.Ban) (ids []string) {
	for _, b := range bans {
		if b.Fold {
			ids = append(ids, b.ID)
		}
	}
	return ids
}
