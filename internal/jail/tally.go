package jail

import (
	"maps"
	"math"
	"slices"
	"time"

	"gaol/internal/event"
)

// purgeEvery is how often ids that are out of findtime are forgotten at most (§4.1). Until then
// a new failure of such an id still counts on top of what its old ones are worth.
const purgeEvery = 5 * time.Second

// tallies is the count per id, bounded by max: the id with the oldest last failure leaves.
type tallies struct {
	byID    map[string]*tally
	byLast  timeline
	max     int
	bytes   int                 // evidence kept
	dirty   map[string]struct{} // ids that changed or left; nil: nobody asks
	dropped uint64
}

type tally struct {
	event.Tally
	node *node
	size int // bytes of evidence
}

func newTallies(limit int) tallies { return tallies{byID: map[string]*tally{}, max: limit} }

// add counts f and returns the id's tally behind it.
func (ts *tallies) add(f event.Failure, o Options) event.Tally {
	t := ts.byID[f.ID]
	if t == nil {
		t = ts.insert(tallyOf(f))
	} else {
		ts.mark(f.ID)
		count(&t.Tally, f.Time, o.FindTime)
		t.Failures++
		t.Matches = append(t.Matches, f.Matches...)
		t.Regex, t.Source = f.Regex, f.Source
		ts.byLast.move(t.node, t.Last)
	}
	ts.trim(t, o.MaxMatches)
	return t.Tally
}

// weigh adds n to the count of an id, which is on it, and returns its tally. The failures stay
// those that were seen.
func (ts *tallies) weigh(id string, n int) event.Tally {
	t := ts.byID[id]
	t.Count += n
	return t.Tally
}

// count adds one failure at time at to a tally: the rate estimate of §4.1. What was counted
// before is scaled down, half to even as Python rounds, when its first failure is out of
// findtime; a failure older than the last one moves no time and still counts.
func count(t *event.Tally, at time.Time, findTime time.Duration) {
	if at.After(t.Last) {
		if t.First.Before(at.Add(-findTime)) {
			rate := float64(t.Count) / at.Sub(t.First).Seconds()
			t.Count = int(math.RoundToEven(rate * findTime.Seconds()))
			t.First = at.Add(-findTime)
		}
		t.Last = at
	}
	t.Count++
}

// insert puts t in, in place of a tally of the same id, and makes room for it.
func (ts *tallies) insert(et event.Tally) *tally {
	ts.remove(et.ID)
	if len(ts.byID) >= ts.max {
		ts.dropped++
		ts.remove(ts.byLast.first().id)
	}
	t := &tally{Tally: et, node: ts.byLast.add(et.ID, et.Last)}
	ts.byID[et.ID] = t
	ts.mark(et.ID)
	return t
}

func (ts *tallies) mark(id string) {
	if ts.dirty != nil {
		ts.dirty[id] = struct{}{}
	}
}

// trim cuts the evidence of t to the newest maxMatches lines and to the byte limits.
func (ts *tallies) trim(t *tally, maxMatches int) {
	ts.bytes -= t.size
	limit := MaxMatches
	if ts.bytes > MaxEvidence {
		limit = MaxSpareLine
	}
	t.Matches = newest(t.Matches, max(maxMatches, 0), limit)
	t.Fields = bounded(t.Fields, limit)
	t.size = sizeOf(t.Matches, t.Fields)
	ts.bytes += t.size
}

func (ts *tallies) remove(id string) bool {
	t := ts.byID[id]
	if t == nil {
		return false
	}
	ts.bytes -= t.size
	ts.byLast.drop(t.node)
	delete(ts.byID, id)
	ts.mark(id)
	return true
}

// expire removes the ids whose last failure is at limit or before it.
func (ts *tallies) expire(limit time.Time) {
	for n := ts.byLast.first(); n != nil && !n.at.After(limit); n = ts.byLast.first() {
		ts.remove(n.id)
	}
}

func (ts *tallies) find(id string) (event.Tally, bool) {
	t := ts.byID[id]
	if t == nil {
		return event.Tally{}, false
	}
	return t.Tally, true
}

func (ts *tallies) oldest() (time.Time, bool) {
	if n := ts.byLast.first(); n != nil {
		return n.at, true
	}
	return time.Time{}, false
}

func (ts *tallies) size() int { return len(ts.byID) }

// tallyOf is the tally of a first failure. The fields of the first failure stay (as fail2ban
// has it, observed on 1.0.2), the regex and source are those of the last.
func tallyOf(f event.Failure) event.Tally {
	return event.Tally{
		ID: f.ID, Kind: f.Kind, IP: f.IP,
		First: f.Time, Last: f.Time,
		Count: 1, Failures: 1,
		Matches: f.Matches, Fields: f.Fields,
		Regex: f.Regex, Source: f.Source,
	}
}

// banOf is the ban that a tally leads to: it starts with the last failure (§4.2).
func banOf(o Options, t event.Tally) event.Ban {
	return event.Ban{
		Jail: o.Name, ID: t.ID, Kind: t.Kind, IP: t.IP,
		Start: t.Last, End: endOf(t.Last, o.BanTime),
		Count: t.Failures, Matches: t.Matches, Fields: t.Fields,
		Regex: t.Regex, Source: t.Source,
	}
}

// endOf is start + banTime; zero, which means never, for a negative one.
func endOf(start time.Time, banTime time.Duration) time.Time {
	if banTime < 0 {
		return time.Time{}
	}
	return start.Add(banTime)
}

// later says whether end a is behind end b, where zero is never.
func later(a, b time.Time) bool {
	if b.IsZero() {
		return false
	}
	return a.IsZero() || a.After(b)
}

func sortedKeys(m map[string]struct{}) []string { return slices.Sorted(maps.Keys(m)) }
