package jail

import (
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// bans are the bans that hold, by id and by end.
type bans struct {
	byID  map[string]*ban
	byEnd timeline // without those that never end
	bytes int      // evidence kept
	folds *folds   // is told what comes and goes; nil: nothing is folded
}

type ban struct {
	event.Ban
	node *node // nil: for ever
	size int
}

func newBans() bans { return bans{byID: map[string]*ban{}} }

// put adds b, in place of an earlier ban of the same id. Its evidence is cut where all bans
// together hold more than MaxEvidence.
func (bs *bans) put(b event.Ban) {
	bs.remove(b.ID)
	if bs.bytes > MaxEvidence {
		b.Matches = newest(b.Matches, len(b.Matches), MaxSpareLine)
		b.Fields = bounded(b.Fields, MaxSpareLine)
	}
	e := &ban{Ban: b, size: sizeOf(b.Matches, b.Fields)}
	if !b.End.IsZero() {
		e.node = bs.byEnd.add(b.ID, b.End)
	}
	bs.bytes += e.size
	bs.byID[b.ID] = e
	bs.folds.put(e.Ban)
}

func (bs *bans) remove(id string) (event.Ban, bool) {
	e := bs.byID[id]
	if e == nil {
		return event.Ban{}, false
	}
	if e.node != nil {
		bs.byEnd.drop(e.node)
	}
	bs.bytes -= e.size
	delete(bs.byID, id)
	bs.folds.drop(e.Ban)
	return e.Ban, true
}

func (bs *bans) find(id string) (event.Ban, bool) {
	e := bs.byID[id]
	if e == nil {
		return event.Ban{}, false
	}
	return e.Ban, true
}

// first is the ban that ends first, of those that end.
func (bs *bans) first() (end time.Time, id string, ok bool) {
	n := bs.byEnd.first()
	if n == nil {
		return time.Time{}, "", false
	}
	return n.at, n.id, true
}

func (bs *bans) list() []event.Ban {
	out := make([]event.Ban, 0, len(bs.byID))
	for _, e := range bs.byID {
		out = append(out, e.Ban)
	}
	slices.SortFunc(out, func(a, b event.Ban) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (bs *bans) size() int { return len(bs.byID) }
