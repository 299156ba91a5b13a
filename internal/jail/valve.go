package jail

import (
	"fmt"
	"time"

	"gaol/internal/event"
)

// valve holds bans back where there are more of them than any attack makes: a forged or misread
// log must not ban the world. Who is held back stays on the count, so that his next failure
// bans him once there is room. Bans by hand and restored ones pass, and count for the size.
type valve struct {
	bans []time.Time // of the last minute, oldest first
	why  string      // it holds back; empty: it does not
	last time.Time   // when it did so last
	told time.Time
}

// valvePeriod is what BanRate counts over, how often the log hears of bans held back, and how
// long none must have been until it is over.
const valvePeriod = time.Minute

// held says why a ban of id has to wait; empty: it need not.
func (j *Jail) held(id string, now time.Time) string {
	if j.bans.has(id) {
		return ""
	}
	v := &j.valve
	for len(v.bans) > 0 && (now.Sub(v.bans[0]) >= valvePeriod || v.bans[0].After(now)) {
		v.bans = v.bans[1:]
	}
	switch {
	case j.o.BanRate > 0 && len(v.bans) >= j.o.BanRate:
		return fmt.Sprintf("%d bans within a minute are as many as maxbanrate allows", len(v.bans))
	case j.o.BanLimit > 0 && j.Standing() >= j.o.BanLimit:
		return fmt.Sprintf("%d bans are as many as maxbans allows", j.Standing())
	}
	return ""
}

// hold keeps a ban back, and says so once a minute.
func (j *Jail) hold(b event.Ban, why string, now time.Time) []event.Decision {
	v := &j.valve
	begins := v.why == ""
	v.why, v.last = why, now
	if since := now.Sub(v.told); !begins && since >= 0 && since < valvePeriod {
		return nil
	}
	v.told = now
	return []event.Decision{{Kind: event.Hold, Ban: b, Reason: j.Held()}}
}

// passed counts a ban that the jail imposed by itself.
func (j *Jail) passed(now time.Time) {
	if j.o.BanRate > 0 {
		j.valve.bans = append(j.valve.bans, now)
	}
}

// Held says why offenders are not banned, and how many; empty: none is held back.
func (j *Jail) Held() string {
	if j.valve.why == "" {
		return ""
	}
	waiting := 0
	for _, at := range j.tallies.byID {
		if int(j.tallies.all[at].count) >= j.o.MaxRetry {
			waiting++
		}
	}
	return fmt.Sprintf("%s; offenders NOT banned for that: %d; look whether the log is forged, or misread", j.valve.why, waiting)
}

// release ends the holding back where nobody was held back for a while.
func (j *Jail) release(now time.Time) []event.Decision {
	v := &j.valve
	if v.why == "" || now.Before(v.last.Add(valvePeriod)) {
		return nil
	}
	v.why = ""
	return []event.Decision{{Kind: event.Hold}}
}

// releaseAt is when release has something to do.
func (v *valve) releaseAt() (time.Time, bool) { return v.last.Add(valvePeriod), v.why != "" }
