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
	table[tally]
	byLast  timeline
	max     int
	bytes   int                 // evidence kept
	dirty   map[string]struct{} // ids that changed or left; nil: nobody asks
	dropped uint64
	origins origins
}

// tally is the count of one id, packed: there are 50,000 of them in a jail under attack.
type tally struct {
	id              string
	evidence        string // packed lines and fields
	first, last     instant
	count, failures int32
	size            int32  // bytes of lines and fields
	pos             int32  // in byLast
	origin          uint32 // of the last failure
	kind            uint8
}

func newTallies(limit int) tallies { return tallies{max: limit} }

// add counts f and returns the place of the id's tally.
func (ts *tallies) add(f event.Failure, o Options) int32 {
	at, ok := ts.table.find(f.ID)
	if !ok {
		return ts.insert(tallyOf(f), o.MaxMatches)
	}
	ts.mark(f.ID)
	t := &ts.all[at]
	t.addFailure(f.Time, o.FindTime)
	t.failures++
	t.origin = ts.origins.of(f.Regex, f.Source)
	e := unpackEvidence(t.evidence)
	e.matches = append(e.matches, f.Matches...)
	ts.keep(t, e, o.MaxMatches)
	ts.byLast.fix(ts, int(t.pos))
	return at
}

// addFailure counts one failure at time at: the rate estimate of §4.1. What was counted before is
// scaled down, half to even as Python rounds, when its first failure is out of findtime; a failure
// older than the last one moves no time and still counts.
func (t *tally) addFailure(when time.Time, findTime time.Duration) {
	if when.After(t.last.time()) {
		if first := t.first.time(); first.Before(when.Add(-findTime)) {
			rate := float64(t.count) / when.Sub(first).Seconds()
			t.count = int32(math.RoundToEven(rate * findTime.Seconds()))
			t.first = instantOf(when.Add(-findTime))
		}
		t.last = instantOf(when)
	}
	t.count++
}

// insert puts t in, in place of a tally of the same id, and makes room for it.
func (ts *tallies) insert(t event.Tally, maxMatches int) int32 {
	ts.remove(t.ID)
	if ts.size() >= ts.max {
		ts.dropped++
		oldest, _ := ts.byLast.first()
		ts.remove(ts.all[oldest].id)
	}
	at := ts.table.add(t.ID, tally{id: t.ID, first: instantOf(t.First), last: instantOf(t.Last), count: int32(t.Count),
		failures: int32(t.Failures), origin: ts.origins.of(t.Regex, t.Source), kind: uint8(t.Kind)})
	ts.keep(&ts.all[at], traces{t.IP, t.Matches, t.Fields}, maxMatches)
	ts.byLast.add(ts, at)
	ts.mark(t.ID)
	return at
}

func (ts *tallies) mark(id string) {
	if ts.dirty != nil {
		ts.dirty[id] = struct{}{}
	}
}

// keep gives t evidence, cut to the newest maxMatches lines and to the byte limits.
func (ts *tallies) keep(t *tally, e traces, maxMatches int) {
	ts.bytes -= int(t.size)
	limit := MaxMatches
	if ts.bytes > MaxEvidence {
		limit = MaxSpareLine
	}
	e.matches = newest(e.matches, max(maxMatches, 0), limit)
	e.fields = bounded(e.fields, limit)
	t.size = int32(sizeOf(e.matches, e.fields))
	t.evidence = e.pack(t.id)
	ts.bytes += int(t.size)
}

func (ts *tallies) remove(id string) bool {
	at, ok := ts.table.find(id)
	if !ok {
		return false
	}
	ts.bytes -= int(ts.all[at].size)
	ts.byLast.drop(ts, int(ts.all[at].pos))
	ts.table.remove(id)
	ts.mark(id)
	if ts.wasteful() {
		ts.shrink()
	}
	return true
}

// shrink gives back the memory that a burst took.
func (ts *tallies) shrink() {
	ts.repack()
	ts.byLast = timeline{}
	from := ts.origins
	ts.origins = origins{}
	for at := range ts.all {
		t := &ts.all[at]
		t.origin = ts.origins.of(from.all[t.origin].regex, from.all[t.origin].source)
		ts.byLast.add(ts, int32(at))
	}
}

// expire removes the ids whose last failure is at limit or before it.
func (ts *tallies) expire(limit time.Time) {
	for {
		at, ok := ts.byLast.first()
		if !ok || ts.all[at].last.time().After(limit) {
			return
		}
		ts.remove(ts.all[at].id)
	}
}

func (ts *tallies) find(id string) (event.Tally, bool) {
	at, ok := ts.table.find(id)
	if !ok {
		return event.Tally{}, false
	}
	return ts.unpack(at), true
}

// unpack is the tally at a place.
func (ts *tallies) unpack(at int32) event.Tally {
	t := &ts.all[at]
	e := unpackEvidence(t.evidence)
	from := ts.origins.all[t.origin]
	if e.ip == sameIP {
		e.ip = t.id
	}
	return event.Tally{ID: t.id, Kind: event.IDKind(t.kind), IP: e.ip, First: t.first.time(), Last: t.last.time(),
		Count: int(t.count), Failures: int(t.failures), Matches: e.matches, Fields: e.fields, Regex: from.regex, Source: from.source}
}

func (ts *tallies) oldest() (time.Time, bool) {
	at, ok := ts.byLast.first()
	if !ok {
		return time.Time{}, false
	}
	return ts.all[at].last.time(), true
}

func (ts *tallies) before(a, b int32) bool {
	if x, y := ts.all[a].last, ts.all[b].last; x != y {
		return x < y
	}
	return ts.all[a].id < ts.all[b].id
}

func (ts *tallies) moved(at int32, pos int) { ts.all[at].pos = int32(pos) }

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
