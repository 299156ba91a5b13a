package engine

import (
	"time"

	"gaol/internal/event"
	"gaol/internal/store"
)

// While reading is behind, writing bans down competes with finding the next ones: half of the
// time of a mass ban went there. They are in the kernel by then, and the positions of their lines
// are written behind them, so that a kill finds them in the kernel and reads their lines again.
const (
	restBans  = 16 << 10    // so many may wait: some 20 MB with what led to them
	restsFor  = time.Second // and so long
	writeMost = 4 << 10     // bans of one change
)

// unwritten are bans of a worker that are in the kernel and wait to be written down.
type unwritten struct {
	bans  []event.Ban // as the store keeps them
	since time.Time
}

// record writes bans down, at once or, while reading is behind, with those that follow.
func (w *worker) record(bans []event.Ban, now time.Time) {
	if len(bans) == 0 {
		return
	}
	if len(w.unwritten.bans) == 0 {
		w.unwritten.since = now
	}
	w.unwritten.bans = append(w.unwritten.bans, w.storedBans(bans)...)
	if !w.behind || len(w.unwritten.bans) >= restBans {
		w.recordAll()
	}
}

// recordDue writes the bans that wait down when it is time, or sees to it that the worker comes
// back then.
func (w *worker) recordDue(now time.Time) {
	if len(w.unwritten.bans) == 0 {
		return
	}
	if age := now.Sub(w.unwritten.since); !w.behind || age < 0 || age >= restsFor {
		w.recordAll()
		return
	}
	if due := w.unwritten.since.Add(restsFor); due.Before(w.unsaved) {
		w.unsaved = due
	}
}

// recordAll hands on the bans that wait.
func (w *worker) recordAll() {
	all, at := w.unwritten.bans, w.unwritten.since
	w.unwritten = unwritten{}
	for len(all) > 0 {
		n := min(len(all), writeMost)
		w.hand(store.Change{Jail: w.conf.Name, Time: at, Bans: all[:n]})
		all = all[n:]
	}
}
