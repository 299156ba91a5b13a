package jail

import (
	"math"
	"time"
)

// table holds entries by id. They lie in one slice and are named by their place in it, which is
// used again when an entry has gone: an entry costs no allocation of its own, and the garbage
// collector passes over few pointers. The zero value is ready.
type table[T any] struct {
	byID map[string]int32
	all  []T
	free []int32
}

// sparse is how many places a table has at least before it gives memory back; it does so where
// three of four are free.
const sparse = 1024

func (t *table[T]) find(id string) (at int32, ok bool) {
	at, ok = t.byID[id]
	return at, ok
}

// add puts in an entry whose id is not there yet.
func (t *table[T]) add(id string, e T) (at int32) {
	if t.byID == nil {
		t.byID = map[string]int32{}
	}
	if n := len(t.free); n > 0 {
		at, t.free = t.free[n-1], t.free[:n-1]
		t.all[at] = e
	} else {
		at = int32(len(t.all))
		t.all = append(t.all, e)
	}
	t.byID[id] = at
	return at
}

func (t *table[T]) remove(id string) {
	at := t.byID[id]
	var none T
	t.all[at] = none
	t.free = append(t.free, at)
	delete(t.byID, id)
}

func (t *table[T]) size() int { return len(t.byID) }

// wasteful says whether a burst has left the table so big that repack is worth it.
func (t *table[T]) wasteful() bool { return len(t.all) > sparse && t.size() < len(t.all)/4 }

// repack moves the entries into a table of their size; their places change.
func (t *table[T]) repack() {
	small := table[T]{byID: make(map[string]int32, t.size()), all: make([]T, 0, t.size())}
	for id, at := range t.byID {
		small.byID[id] = int32(len(small.all))
		small.all = append(small.all, t.all[at])
	}
	*t = small
}

// moment is a time as it is kept: microseconds since 1970, as the store has them.
type moment int64

// never is the zero time.
const never moment = math.MinInt64

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return never
	}
	return moment(t.UnixMicro())
}

func (m moment) time() time.Time {
	if m == never {
		return time.Time{}
	}
	return time.UnixMicro(int64(m))
}

// instant is a time within 292 years of 1970, to the nanosecond: what is counted must not depend
// on rounding.
type instant int64

func instantOf(t time.Time) instant {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, int64(i))
}
