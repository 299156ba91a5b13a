// Package jail counts failures, decides who is banned and until when, and says when a ban is
// over. It is a pure state machine: no goroutine, no lock, no clock and no I/O. Time comes in
// with every call, decisions come out; one goroutine owns a Jail.
//
// The rules are fail2ban's (§ numbers are those of reference fail2ban-behaviour.md): counting
// is a rate estimate, not a sliding window (§4.1), and a ban starts at the last failure, not
// when it is noticed (§4.2).
package jail

import (
	"fmt"
	"net/netip"
	"time"

	"gaol/internal/event"
)

// What bounds a jail's memory, since whoever writes log lines decides how many ids there are
// and how long their lines and names are.
const (
	// MaxOffenders is how many ids a jail counts at once. Beyond it the id whose last failure
	// is the oldest is forgotten; Dropped counts those.
	MaxOffenders = 50_000
	// MaxBans is how many bans a jail holds. Beyond it the ban that ends first is lifted, so
	// that nobody escapes his ban by filling the jail.
	MaxBans = 100_000
	// MaxID is the longest ban id in bytes. Longer ones come only from <F-ID> or usedns = raw
	// and are spared with a reason: a cut id would be somebody else's.
	MaxID = 1 << 10
	// MaxMatches is how many bytes of log lines are kept for one id, whole lines, newest first.
	MaxMatches = 64 << 10
	// MaxEvidence is how many bytes of lines and fields all tallies of a jail keep together,
	// and all its bans once more. Beyond it an id keeps at most MaxSpareLine bytes.
	MaxEvidence = 32 << 20
	// MaxSpareLine is what an id may keep of its evidence where MaxEvidence is used up.
	MaxSpareLine = 512
)

const tooLong = "its id is longer than 1024 bytes" // MaxID

// Options are a jail's rules.
type Options struct {
	Name       string
	MaxRetry   int           // failures that lead to a ban
	FindTime   time.Duration // the count is a rate per FindTime
	BanTime    time.Duration // negative: for ever
	MaxMatches int           // log lines kept per id; 0: none
	Increment  *Increment    // nil: every ban lasts BanTime
	Width      Width         // how wide an offender is
	BanRate    int           // bans of a minute at most, of those that are not by hand; 0: no limit
	BanLimit   int           // bans at a time at most, likewise; a fold is one
	Aggregate  *Aggregate    // how bans are folded; nil: not. Reconfigure does not change it
	Light      bool          // bans that hold keep no evidence: the caller does. They are Bare wherever they come from the jail later

	// Spared says whom automatic bans pass over (ignoreip, ignoreself), and why. May be nil.
	Spared func(id string, kind event.IDKind) (why string, spared bool)
	// Known says whether an id was banned here before: its next ban closes all ports. May be nil.
	Known func(id string) bool
	// Protected says who is never banned, not by hand either (the floor), and why. May be nil.
	Protected func(id string, kind event.IDKind) (why string, protected bool)
	// Shields says whether a prefix holds an address that Spared would pass over: it must not be
	// banned as a whole then. May be nil.
	Shields func(p netip.Prefix) (why string, shielded bool)
}

// Jail is the state of one jail. Its methods are not for concurrent use.
type Jail struct {
	o           Options
	tallies     tallies
	spared      tallies // what ids that Spared or Protected name would have on their account
	bans        bans
	told        limiter
	valve       valve
	folds       *folds    // nil: nothing is folded
	purged      time.Time // last purge
	totalFailed uint64
	totalBanned uint64
}

// New returns an empty jail.
func New(o Options) *Jail {
	j := &Jail{
		o:       o,
		tallies: newTallies(MaxOffenders),
		spared:  newTallies(maxSpared),
		bans:    bans{jail: o.Name, light: o.Light},
		told:    limiter{},
	}
	j.tallies.dirty = map[string]struct{}{}
	j.folds = newFolds(o.Aggregate)
	j.bans.folds = j.folds
	return j
}

// Reconfigure replaces the rules; counts and bans stay as they are (§4.5, reload). New rules
// are applied to an id with its next failure.
func (j *Jail) Reconfigure(o Options) {
	j.o, j.bans.light = o, o.Light
	j.folds.doubt()
}

// Fail counts one failure and returns what follows from it: nothing, a ban (Impose), a later
// end of the ban that already holds (Prolong), or a Spare that says why the id is not banned.
// now is the time at which the failure is judged, f.Time when it happened.
func (j *Jail) Fail(f event.Failure, now time.Time) []event.Decision {
	j.purge(now)
	if len(f.ID) > MaxID {
		f.ID = f.ID[:MaxID]
		return j.spare(banOf(j.o, tallyOf(f)), tooLong, now)
	}
	if why, ok := j.exempt(f.ID, f.IP, f.Kind, false); ok {
		return j.failSpared(f, why, now)
	}
	j.totalFailed++
	f, prefix, shield := j.widen(f)
	at := j.tallies.add(f, j.o)
	if t := &j.tallies.all[at]; int(t.count) < j.o.MaxRetry { // the failures stay those that were seen
		t.count += int32(j.o.Increment.extra(f.ID, f.Time, j.o.MaxRetry))
		if int(t.count) < j.o.MaxRetry {
			return nil
		}
	}
	b := banOf(j.o, j.tallies.unpack(at))
	if why := j.held(f.ID, now); why != "" {
		return j.hold(b, why, now)
	}
	j.tallies.remove(f.ID)
	var ds []event.Decision
	if prefix != "" {
		ds = j.spare(event.Ban{Jail: j.o.Name, ID: prefix, Kind: event.Network}, shield+"; "+f.ID+" is banned alone", now)
	}
	return j.refold(append(ds, j.judge(b, now)...), now)
}

// failSpared counts a failure of an id that must not be banned, so that a Spare is returned
// when the ban would have come, not for the first mistyped password.
func (j *Jail) failSpared(f event.Failure, why string, now time.Time) []event.Decision {
	at := j.spared.add(f, j.o)
	if int(j.spared.all[at].count) < j.o.MaxRetry {
		return nil
	}
	t := j.spared.unpack(at)
	j.spared.remove(f.ID)
	return j.spare(banOf(j.o, t), why, now)
}

// Ban bans by hand: ignoreip does not count, Protected does (§4.2, "banip ignores ignoreip").
// b.End is taken as it stands, zero for ever; End gives the jail's own. A zero b.Start is now.
// Where the id is banned already, a later end prolongs the ban and an earlier one changes
// nothing.
func (j *Jail) Ban(b event.Ban, now time.Time) []event.Decision {
	b.Jail, b.Manual = j.o.Name, true
	if b.Start.IsZero() {
		b.Start = now
	}
	if why, ok := j.exempt(b.ID, b.IP, b.Kind, true); ok {
		return j.spare(b, why, now)
	}
	if len(b.ID) > MaxID {
		return j.spare(b, tooLong, now)
	}
	return j.refold(j.judge(b, now), now)
}

// End is when a ban that starts at start ends under the jail's bantime; zero: never.
func (j *Jail) End(start time.Time) time.Time { return endOf(start, j.o.BanTime) }

// Unban lifts the ban of id and forgets what was counted against it since, so that a forgiven
// client starts afresh; a fold that covers it is undone. It returns nothing where nothing of that
// keeps id out.
func (j *Jail) Unban(id string, now time.Time, reason string) []event.Decision {
	j.tallies.remove(id)
	j.folds.pardon(id)
	b, ok := j.bans.remove(id)
	if !ok {
		return j.refold(nil, now)
	}
	return j.refold([]event.Decision{{Kind: event.Lift, Ban: b, Reason: reason, Forgiven: true}}, now)
}

// Tick lifts the bans that are over (now strictly behind their end) and forgets the ids whose
// last failure is out of findtime. Call it when Next says so; more often does no harm.
func (j *Jail) Tick(now time.Time) []event.Decision {
	j.purge(now)
	j.told.prune(now)
	ds := j.release(now)
	for {
		end, id, ok := j.bans.first()
		if !ok || !now.After(end) {
			return j.refold(ds, now)
		}
		b, _ := j.bans.remove(id)
		ds = append(ds, event.Decision{Kind: event.Lift, Ban: b})
	}
}

// Next is when Tick has something to do; false: not before something else happens.
func (j *Jail) Next() (time.Time, bool) {
	at, _, ok := j.bans.first()
	if ok {
		at = at.Add(1) // strictly behind the end
	}
	if last, some := j.tallies.oldest(); some {
		due := last.Add(max(j.o.FindTime, 0))
		if soonest := j.purged.Add(purgeEvery); due.Before(soonest) {
			due = soonest
		}
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	if j.folds != nil && len(j.folds.suspect) > 0 {
		return time.Time{}, true
	}
	if due, holds := j.valve.releaseAt(); holds && (!ok || due.Before(at)) {
		at, ok = due, true
	}
	return at, ok
}

// Review lifts the bans of ids that Protected names by now; to be called when the floor has
// changed (an interface got an address). Folds that cover them are undone.
func (j *Jail) Review() []event.Decision {
	var ds []event.Decision
	j.folds.doubt()
	for _, b := range j.bans.list() {
		if why, ok := j.exempt(b.ID, b.IP, b.Kind, true); ok {
			j.bans.remove(b.ID)
			ds = append(ds, event.Decision{Kind: event.Lift, Ban: b, Reason: why})
		}
	}
	return j.refold(ds, j.purged)
}

// Bans returns the bans that hold, by id.
func (j *Jail) Bans() []event.Ban { return j.bans.list() }

// Find returns the ban of id.
func (j *Jail) Find(id string) (event.Ban, bool) { return j.bans.find(id) }

// Counts returns what fail2ban's status shows: ids on the count, failures ever, ids banned and
// bans ever (restored ones too, §4.5).
func (j *Jail) Counts() (currentlyFailed int, totalFailed uint64, currentlyBanned int, totalBanned uint64) {
	return j.tallies.size(), j.totalFailed, j.bans.size(), j.totalBanned
}

// Dropped is how many ids left the count before their time because of MaxOffenders.
func (j *Jail) Dropped() uint64 { return j.tallies.dropped }

// Dirty returns what the store has to write since the last call: tallies that changed, and ids
// that are off the count (also ids that came and went in between).
func (j *Jail) Dirty() (tallies []event.Tally, gone []string) {
	for _, id := range sortedKeys(j.tallies.dirty) {
		if t, ok := j.tallies.find(id); ok {
			tallies = append(tallies, t)
		} else {
			gone = append(gone, id)
		}
	}
	clear(j.tallies.dirty)
	return tallies, gone
}

// judge turns a ban that is due into its decision.
func (j *Jail) judge(b event.Ban, now time.Time) []event.Decision {
	if !b.End.IsZero() && b.End.Before(now) {
		return j.spare(b, "its ban time is over already", now)
	}
	if old, ok := j.bans.find(b.ID); ok {
		return j.prolong(old, b)
	}
	ds, ok := j.room(b)
	if !ok {
		return j.spare(b, fmt.Sprintf("the jail holds %d bans that never end", MaxBans), now)
	}
	b = j.o.Increment.lengthen(b, j.o.BanTime)
	if j.o.Known != nil && !b.Manual && j.o.Known(b.ID) {
		b.Scope = event.AllPorts
	}
	j.bans.put(b)
	j.totalBanned++
	if !b.Manual {
		j.passed(now)
	}
	return append(ds, event.Decision{Kind: event.Impose, Ban: b, Reason: b.Reason})
}

// prolong moves the end of a ban where the newer one ends later. The ban keeps its start and
// the evidence that led to it (§4.2); fail2ban changes only its memory here, gaol also the
// kernel's element, hence a decision for every change.
func (j *Jail) prolong(old, b event.Ban) []event.Decision {
	if !later(b.End, old.End) {
		return nil
	}
	old.End, old.Renewed = b.End, b.Start
	if b.Manual {
		old.Manual, old.Reason = true, b.Reason
	}
	j.bans.put(old)
	return []event.Decision{{Kind: event.Prolong, Ban: old, Reason: b.Reason}}
}

// room lifts the ban that ends first where the jail is full; false: all of them are for ever.
func (j *Jail) room(b event.Ban) ([]event.Decision, bool) {
	if j.bans.size() < MaxBans {
		return nil, true
	}
	_, id, ok := j.bans.first()
	if !ok {
		return nil, false
	}
	out, _ := j.bans.remove(id)
	why := fmt.Sprintf("the jail is full (%d bans) and this one would have ended first", MaxBans)
	return []event.Decision{{Kind: event.Lift, Ban: out, Reason: why}}, true
}

// exempt asks the callbacks whether an id may be banned. Where the id is not the address
// itself (<F-ID>), Protected is asked for the address too: an action may ban by <ip>.
func (j *Jail) exempt(id, ip string, kind event.IDKind, manual bool) (string, bool) {
	if j.o.Protected != nil {
		if why, ok := j.o.Protected(id, kind); ok {
			return why, true
		}
		if ip != "" && ip != id {
			if why, ok := j.o.Protected(ip, event.Address); ok {
				return why, true
			}
		}
	}
	if j.o.Spared != nil && !manual {
		return j.o.Spared(id, kind)
	}
	return "", false
}

// spare returns a Spare, at most one per id and spareEvery; who bans by hand is always told.
func (j *Jail) spare(b event.Ban, why string, now time.Time) []event.Decision {
	if !b.Manual && !j.told.allow(b.ID, now) {
		return nil
	}
	return []event.Decision{{Kind: event.Spare, Ban: b, Reason: why}}
}

// purge forgets ids whose last failure is findtime ago or older, at most every purgeEvery
// (§4.1).
func (j *Jail) purge(now time.Time) {
	if since := now.Sub(j.purged); since >= 0 && since < purgeEvery {
		return // behind a clock that was set back (since < 0) purging goes on
	}
	j.purged = now
	limit := now.Add(-j.o.FindTime)
	j.tallies.expire(limit)
	j.spared.expire(limit)
}
