package jail

import "time"

// spareEvery is how often one id is told of at most; maxSpared how many ids are kept in mind
// for that, and counted without being banned. Failures of more ids than that within
// spareEvery go untold: the log is not an attacker's to fill.
const (
	spareEvery = 10 * time.Minute
	maxSpared  = 1000
)

// limiter remembers when an id was last told of.
type limiter map[string]time.Time

// allow says whether id may be told of now, and takes that as done.
func (l limiter) allow(id string, now time.Time) bool {
	if last, ok := l[id]; ok && !stale(last, now) {
		return false
	}
	if len(l) >= maxSpared {
		l.prune(now)
		if len(l) >= maxSpared {
			return false
		}
	}
	l[id] = now
	return true
}

// prune forgets who may be told of again.
func (l limiter) prune(now time.Time) {
	for id, last := range l {
		if stale(last, now) {
			delete(l, id)
		}
	}
}

// stale also takes a time to come for one that is long gone: then the clock was set back.
func stale(last, now time.Time) bool { return now.Sub(last) >= spareEvery || last.After(now) }
