package engine

import (
	"context"
	"iter"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// freeAbove is from how many bans on the memory of comparing them is given back at once: some
// 30 MB of 100,000, which Go would keep for the next look.
const freeAbove = 10_000

// mend writes those bans of the jail that the kernel lacks, for the worker's goroutine: no
// ban can come or go between the two. It returns how many. A regular look is put off where the
// last one took long.
func (w *worker) mend(regular bool) int {
	if w.target == nil {
		return 0
	}
	if w.owes {
		return w.repair()
	}
	name, begin := w.conf.Name, time.Now()
	if regular && begin.Sub(w.looked) < lookShare*w.lookTook {
		return 0
	}
	kernel, err := w.deps.list(w.places()...)
	w.looked, w.lookTook = begin, time.Since(begin)
	if err != nil {
		w.owe(err)
		return 0
	}
	if len(kernel[name]) > freeAbove {
		time.AfterFunc(time.Second, debug.FreeOSMemory) // when the list is garbage
	}
	now := w.deps.now()
	lost := w.lackingRaised(lacking(w.jail.EachElement(), listOf(kernel[name]), now), kernel, now)
	if len(lost) == 0 {
		return 0
	}
	if !w.kernel(lost, nil, now) { // it said so, and tries again each second
		return len(lost)
	}
	w.repaired(now)
	return len(lost)
}

// repaired counts.
func (w *worker) repaired(now time.Time) { w.repairs, w.lastRepair = w.repairs+1, now }

// lacking are the bans that the kernel does not hold, or would end too soon. Those that are
// about to end are not looked for: the kernel may have been a little quicker.
func lacking(bans iter.Seq[event.Ban], kernel listed, now time.Time) []event.Ban {
	var lost []event.Ban
	for b := range bans {
		want, ok := elementOf(b, now)
		if !ok || want.Timeout > 0 && want.Timeout < repairSlack {
			continue
		}
		left, held := kernel.find(want.Prefix)
		if !held || left > 0 && (want.Timeout == 0 || left < want.Timeout-repairSlack) {
			lost = append(lost, b)
		}
	}
	slices.SortFunc(lost, func(a, b event.Ban) int { return strings.Compare(a.ID, b.ID) })
	return lost
}

// callWithin is call with a bound on the wait for the worker; true also where it has stopped.
func (w *worker) callWithin(ctx context.Context, f func()) bool {
	ran := make(chan struct{})
	select {
	case w.calls <- func() { defer close(ran); f() }:
		<-ran
		return true
	case <-w.done:
		return true
	case <-ctx.Done():
		return false
	}
}
