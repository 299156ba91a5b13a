package jail

import (
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// bans are the bans that hold, by id and by end.
type bans struct {
	table[ban]
	byEnd timeline // without those that never end
	jail  string   // whose bans they are
	bytes int      // evidence kept
	light bool     // none is kept
	said  *more    // the last one that was a reason only: many bans have the same
	folds *folds   // is told what comes and goes; nil: nothing is folded
}

// ban is one of them, packed: a jail holds 100,000.
type ban struct {
	id                  string
	more                *more // nil: nothing
	start, end, renewed moment
	count, times        int32
	pos                 int32 // in byEnd, where it ends
	kind                uint8
	flags               flags
}

type flags uint8

const (
	byHand flags = 1 << iota
	allPorts
	bare
	ipIsID
)

func (f flags) when(set bool) flags {
	if set {
		return f
	}
	return 0
}

// more is what few bans have, or keep.
type more struct {
	ip, reason string
	evidence   *evidence
}

type evidence struct {
	matches       []string
	fields        event.Fields
	regex, source string
	size          int
}

// put adds b, in place of an earlier ban of the same id, and returns it as it is held. Its
// evidence is cut where all bans together hold more than MaxEvidence.
func (bs *bans) put(b event.Ban) {
	bs.remove(b.ID)
	at := bs.add(b.ID, bs.pack(b))
	if !b.End.IsZero() {
		bs.byEnd.add(bs, at)
	}
	bs.folds.put(b)
}

func (bs *bans) pack(b event.Ban) ban {
	e := ban{id: b.ID, start: momentOf(b.Start), end: momentOf(b.End), renewed: momentOf(b.Renewed),
		count: int32(b.Count), times: int32(b.Times), kind: uint8(b.Kind)}
	e.flags = byHand.when(b.Manual) | allPorts.when(b.Scope == event.AllPorts) | bare.when(b.Bare || bs.light) | ipIsID.when(b.IP == b.ID)
	m := more{reason: b.Reason}
	if b.IP != b.ID {
		m.ip = b.IP
	}
	if e.flags&bare == 0 {
		m.evidence = bs.keep(b)
	}
	switch {
	case m == more{}:
	case bs.said != nil && m == *bs.said:
		e.more = bs.said
	default:
		e.more = &m
		if m == (more{reason: m.reason}) {
			bs.said = e.more
		}
	}
	return e
}

// keep is what led to a ban, as far as there is room for it; nil: nothing.
func (bs *bans) keep(b event.Ban) *evidence {
	if len(b.Matches)+len(b.Fields)+len(b.Regex)+len(b.Source) == 0 {
		return nil
	}
	if bs.bytes > MaxEvidence {
		b.Matches = newest(b.Matches, len(b.Matches), MaxSpareLine)
		b.Fields = bounded(b.Fields, MaxSpareLine)
	}
	size := sizeOf(b.Matches, b.Fields)
	bs.bytes += size
	return &evidence{b.Matches, b.Fields, b.Regex, b.Source, size}
}

// unpack is the ban at a place.
func (bs *bans) unpack(at int32) event.Ban {
	e := &bs.all[at]
	b := event.Ban{Jail: bs.jail, ID: e.id, Kind: event.IDKind(e.kind), Start: e.start.time(), End: e.end.time(), Renewed: e.renewed.time(),
		Count: int(e.count), Times: int(e.times), Manual: e.flags&byHand != 0, Bare: e.flags&bare != 0}
	if e.flags&allPorts != 0 {
		b.Scope = event.AllPorts
	}
	if m := e.more; m != nil {
		b.IP, b.Reason = m.ip, m.reason
		if m.evidence != nil {
			b.Matches, b.Fields, b.Regex, b.Source = m.evidence.matches, m.evidence.fields, m.evidence.regex, m.evidence.source
		}
	}
	if e.flags&ipIsID != 0 {
		b.IP = e.id
	}
	return b
}

func (bs *bans) remove(id string) (event.Ban, bool) {
	at, ok := bs.table.find(id)
	if !ok {
		return event.Ban{}, false
	}
	b, e := bs.unpack(at), &bs.all[at]
	if e.end != never {
		bs.byEnd.drop(bs, int(e.pos))
	}
	if e.more != nil && e.more.evidence != nil {
		bs.bytes -= e.more.evidence.size
	}
	bs.table.remove(id)
	bs.folds.drop(b)
	if bs.wasteful() {
		bs.shrink()
	}
	return b, true
}

// shrink gives back the memory that a burst took.
func (bs *bans) shrink() {
	bs.repack()
	bs.byEnd = timeline{}
	for at := range bs.all {
		if bs.all[at].end != never {
			bs.byEnd.add(bs, int32(at))
		}
	}
}

func (bs *bans) find(id string) (event.Ban, bool) {
	at, ok := bs.table.find(id)
	if !ok {
		return event.Ban{}, false
	}
	return bs.unpack(at), true
}

// has says whether id is banned.
func (bs *bans) has(id string) bool {
	_, ok := bs.table.find(id)
	return ok
}

// first is the ban that ends first, of those that end.
func (bs *bans) first() (end time.Time, id string, ok bool) {
	at, ok := bs.byEnd.first()
	if !ok {
		return time.Time{}, "", false
	}
	return bs.all[at].end.time(), bs.all[at].id, true
}

func (bs *bans) list() []event.Ban {
	places := make([]int32, 0, bs.size())
	for _, at := range bs.byID {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b int32) int { return strings.Compare(bs.all[a].id, bs.all[b].id) })
	out := make([]event.Ban, len(places))
	for i, at := range places {
		out[i] = bs.unpack(at)
	}
	return out
}

func (bs *bans) before(a, b int32) bool {
	if x, y := bs.all[a].end, bs.all[b].end; x != y {
		return x < y
	}
	return bs.all[a].id < bs.all[b].id
}

func (bs *bans) moved(at int32, pos int) { bs.all[at].pos = int32(pos) }
