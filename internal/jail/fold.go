package jail

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// Aggregate is how bans of many offenders of one prefix are folded into one of the prefix. The
// bans themselves stay: what is folded is only how the kernel holds them.
type Aggregate struct {
	Width  Width // no fold is wider
	Budget Width // how many others a fold may cover for each of its offenders
}

// A fold is begun for foldMin bans (and as many units, where it is wider than one) and with a quarter of the budget in reserve, so that the end
// of one ban does not undo it; it is undone below foldLeast or where the budget is exceeded.
const (
	foldMin   = 8
	foldLeast = 4
	foldShare = 0.75
	// maxPardons is how many addresses that were let out of a fold are kept in mind.
	maxPardons = 1000
)

// folds are the folds of a jail. No two of them share an address.
type folds struct {
	crowds   crowds
	all      map[netip.Prefix]*fold
	fresh    []netip.Prefix            // members that came or got a later end since the last refold
	suspect  map[netip.Prefix]struct{} // folds to be judged anew
	pardoned map[netip.Addr]struct{}   // let out by hand: no fold may cover them
}

type fold struct {
	since, end time.Time // end: of the last member; zero: never
	later      bool      // end is later than the kernel knows
}

func newFolds(o *Aggregate) *folds {
	if o == nil {
		return nil
	}
	return &folds{crowds: crowds{*o, map[netip.Prefix]*crowd{}}, all: map[netip.Prefix]*fold{},
		suspect: map[netip.Prefix]struct{}{}, pardoned: map[netip.Addr]struct{}{}}
}

// put takes note of a ban that is new or changed.
func (fs *folds) put(b event.Ban) {
	if fs == nil {
		return
	}
	p, _, ok := fs.crowds.add(b)
	if !ok {
		if p, ok = prefixOf(b.ID); ok && fs.all[p] != nil {
			fs.suspect[p] = struct{}{} // the prefix itself is banned now
		}
		return
	}
	delete(fs.pardoned, p.Addr())
	fs.fresh = append(fs.fresh, p)
	if at, f := fs.over(p); f != nil && later(b.End, f.end) {
		f.end, f.later = b.End, true
		fs.suspect[at] = struct{}{}
	}
}

// drop takes note of a ban that is gone.
func (fs *folds) drop(b event.Ban) {
	if fs == nil {
		return
	}
	if p, _, ok := fs.crowds.drop(b); ok {
		if at, f := fs.over(p); f != nil {
			fs.suspect[at] = struct{}{}
		}
	}
}

// doubt has all folds judged anew: whom they must not cover may have changed.
func (fs *folds) doubt() {
	if fs != nil {
		for p := range fs.all {
			fs.suspect[p] = struct{}{}
		}
	}
}

// over is the fold that covers p.
func (fs *folds) over(p netip.Prefix) (netip.Prefix, *fold) {
	root, ok := Width(fs.crowds.o.Width).of(p.Addr())
	if !ok {
		return p, nil
	}
	for bits := root.Bits(); bits <= p.Bits(); bits++ {
		at := netip.PrefixFrom(p.Addr(), bits).Masked()
		if f := fs.all[at]; f != nil {
			return at, f
		}
	}
	return p, nil
}

// covered says whether a fold stands for a ban.
func (fs *folds) covered(b event.Ban) bool {
	if fs == nil {
		return false
	}
	p, _, ok := fs.crowds.memberOf(b)
	if !ok {
		return false
	}
	_, f := fs.over(p)
	return f != nil
}

// pardon lets an address out of the fold that covers it, and says whether one did.
func (fs *folds) pardon(id string) bool {
	if fs == nil {
		return false
	}
	a, err := netip.ParseAddr(id)
	if err != nil {
		return false
	}
	at, f := fs.over(netip.PrefixFrom(a, a.BitLen()))
	if f == nil {
		return false
	}
	if len(fs.pardoned) >= maxPardons {
		clear(fs.pardoned)
	}
	fs.pardoned[a], fs.suspect[at] = struct{}{}, struct{}{}
	return true
}

// refold makes the folds fit the bans, and appends what has to change in the kernel.
func (j *Jail) refold(ds []event.Decision, now time.Time) []event.Decision {
	fs := j.folds
	if fs == nil {
		return ds
	}
	suspect := slices.SortedFunc(maps.Keys(fs.suspect), netip.Prefix.Compare)
	clear(fs.suspect)
	fresh := fs.fresh
	fs.fresh = nil
	for _, p := range suspect {
		switch f := fs.all[p]; {
		case f == nil:
		case j.keeps(p) && !f.later:
		case j.keeps(p):
			f.later = false
			ds = append(ds, event.Decision{Kind: event.Regroup, Ban: j.foldBan(p), Add: []event.Ban{j.foldBan(p)}})
		default:
			ds = append(ds, j.unfold(p, now))
		}
	}
	for _, p := range fresh {
		root, _ := fs.crowds.rootOf(p)
		at, f := fs.over(p)
		limit := min(fs.crowds.unitOf(p.Addr()), p.Bits()-1)
		if f != nil {
			limit = at.Bits() - 1 // only a wider one is news
		}
		for bits := root.Bits(); bits <= limit; bits++ {
			if wide := netip.PrefixFrom(p.Addr(), bits).Masked(); j.begins(root, wide) {
				ds = append(ds, j.fold(root, wide, now))
				break
			}
		}
	}
	return ds
}

// begins says whether p may be folded.
func (j *Jail) begins(root, p netip.Prefix) bool {
	c := &j.folds.crowds
	h := c.head(root, p)
	return c.enough(p, h, foldMin) && c.within(p, h, foldShare) && j.foldable(p)
}

// keeps says whether the fold p may stay.
func (j *Jail) keeps(p netip.Prefix) bool {
	c := &j.folds.crowds
	h := c.head(j.rootOf(p), p)
	return c.enough(p, h, foldLeast) && c.within(p, h, 1) && j.foldable(p)
}

// rootOf is the root of a fold.
func (j *Jail) rootOf(p netip.Prefix) netip.Prefix {
	root, _ := Width(j.folds.crowds.o.Width).of(p.Addr())
	return root
}

// foldable says whether nobody in p must stay out of a ban.
func (j *Jail) foldable(p netip.Prefix) bool {
	if _, banned := j.bans.find(p.String()); banned {
		return false
	}
	for a := range j.folds.pardoned {
		if p.Contains(a) {
			return false
		}
	}
	_, shielded := j.shielded(p.String())
	return !shielded
}

// fold makes p a fold: it stands for the bans and the folds in it.
func (j *Jail) fold(root, p netip.Prefix, now time.Time) event.Decision {
	fs := j.folds
	f := &fold{since: now, end: now}
	var remove []event.Ban
	for inner := range fs.all {
		if p.Bits() < inner.Bits() && p.Contains(inner.Addr()) {
			remove = append(remove, j.foldBan(inner))
		}
	}
	for id, m := range fs.crowds.roots[root].members {
		if m.Bits() <= p.Bits() || !p.Contains(m.Addr()) {
			continue
		}
		b, _ := j.bans.find(id)
		if _, under := fs.over(m); under == nil {
			remove = append(remove, b)
		}
		if later(b.End, f.end) {
			f.end = b.End
		}
	}
	for _, b := range remove {
		if inner, ok := prefixOf(b.ID); ok {
			delete(fs.all, inner)
		}
	}
	fs.all[p] = f
	sortBans(remove)
	b := j.foldBan(p)
	return event.Decision{Kind: event.Regroup, Ban: b, Reason: "Fold " + j.describe(p), Add: []event.Ban{b}, Remove: remove}
}

// unfold ends the fold p: narrower folds, and bans of their own, take its place.
func (j *Jail) unfold(p netip.Prefix, now time.Time) event.Decision {
	fs := j.folds
	was := j.foldBan(p)
	d := event.Decision{Kind: event.Regroup, Ban: was, Reason: "Unfold " + j.describe(p), Remove: []event.Ban{was}}
	delete(fs.all, p)
	root := j.rootOf(p)
	j.split(root, p, now, &d)
	if r := fs.crowds.roots[root]; r != nil {
		for id, m := range r.members {
			if _, under := fs.over(m); under == nil && p.Contains(m.Addr()) {
				b, _ := j.bans.find(id)
				d.Add = append(d.Add, b)
			}
		}
	}
	sortBans(d.Add)
	return d
}

// split folds what can be folded of the halves of p.
func (j *Jail) split(root, p netip.Prefix, now time.Time, d *event.Decision) {
	fs := j.folds
	if fs.crowds.head(root, p).members < foldMin || p.Bits() >= fs.crowds.unitOf(p.Addr()) {
		return
	}
	for _, half := range halves(p) {
		if j.begins(root, half) {
			made := j.fold(root, half, now)
			d.Add = append(d.Add, made.Add...)
		} else {
			j.split(root, half, now, d)
		}
	}
}

// halves are the two prefixes that make up p.
func halves(p netip.Prefix) [2]netip.Prefix {
	bytes := p.Addr().AsSlice()
	bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	upper, _ := netip.AddrFromSlice(bytes)
	return [2]netip.Prefix{netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(upper, p.Bits()+1)}
}

// foldBan is a fold as a ban of its prefix.
func (j *Jail) foldBan(p netip.Prefix) event.Ban {
	b := event.Ban{Jail: j.o.Name, ID: p.String(), Kind: event.Network, Fold: true}
	if f := j.folds.all[p]; f != nil {
		b.Start, b.End = f.since, f.end
		b.Count = j.folds.crowds.head(j.rootOf(p), p).members
		b.Reason = "aggregate: " + j.describe(p)
	}
	return b
}

// describe says how many of a prefix are banned.
func (j *Jail) describe(p netip.Prefix) string {
	c := &j.folds.crowds
	what := "addresses"
	if !p.Addr().Is4() {
		what = fmt.Sprintf("/%d networks", c.unitOf(p.Addr()))
	}
	h := c.head(j.rootOf(p), p)
	return fmt.Sprintf("%s: %d of its %d %s are banned", p, min(h.units, c.size(p)), c.size(p), what)
}

// Folds are the bans of whole prefixes that stand for those of many offenders; Count is for how
// many bans, Reason says why.
func (j *Jail) Folds() []event.Ban {
	if j.folds == nil {
		return nil
	}
	var all []event.Ban
	for _, p := range slices.SortedFunc(maps.Keys(j.folds.all), netip.Prefix.Compare) {
		all = append(all, j.foldBan(p))
	}
	return all
}

// FoldOf is the fold that covers an address.
func (j *Jail) FoldOf(id string) (event.Ban, bool) {
	p, ok := prefixOf(id)
	if j.folds == nil || !ok {
		return event.Ban{}, false
	}
	at, f := j.folds.over(p)
	if f == nil {
		return event.Ban{}, false
	}
	return j.foldBan(at), true
}

// Elements are the bans that the kernel has to hold: the folds, and what none of them stands for.
func (j *Jail) Elements() []event.Ban {
	return append(slices.DeleteFunc(j.bans.list(), j.folds.covered), j.Folds()...)
}

// EachElement is Elements one by one in no order, for 100,000 of them.
func (j *Jail) EachElement() iter.Seq[event.Ban] {
	return func(yield func(event.Ban) bool) {
		for _, at := range j.bans.byID {
			if b := j.bans.unpack(at); !j.folds.covered(b) && !yield(b) {
				return
			}
		}
		for _, b := range j.Folds() {
			if !yield(b) {
				return
			}
		}
	}
}

// Stands says whether the kernel has to hold id.
func (j *Jail) Stands(id string) bool {
	if j.bans.has(id) && !j.Covered(id) {
		return true
	}
	p, ok := prefixOf(id)
	return ok && j.folds != nil && j.folds.all[p] != nil
}

// Covered says whether a fold stands for the ban of id.
func (j *Jail) Covered(id string) bool {
	if j.folds == nil {
		return false
	}
	b, banned := j.bans.find(id)
	return banned && j.folds.covered(b)
}

// Standing is how many bans the kernel has to hold.
func (j *Jail) Standing() int {
	n := j.bans.size()
	if j.folds == nil {
		return n
	}
	for p := range j.folds.all {
		n -= j.folds.crowds.head(j.rootOf(p), p).members - 1
	}
	return n
}

func sortBans(bans []event.Ban) {
	slices.SortFunc(bans, func(a, b event.Ban) int { return strings.Compare(a.ID, b.ID) })
}
