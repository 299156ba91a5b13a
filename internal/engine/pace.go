package engine

import "time"

// pace lets repairBurst repairs through at once and then one a second.
type pace struct{ next time.Time }

func (p *pace) spend(now time.Time) {
	if earliest := now.Add(-repairBurst * retryEvery); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(retryEvery)
}

// wait is how long the next repair has to be held back.
func (p *pace) wait(now time.Time) time.Duration { return p.next.Sub(now) }

// calm says whether half of the burst is there again.
func (p *pace) calm(now time.Time) bool { return p.wait(now) < -repairBurst/2*retryEvery }

// reminder is something that is wrong; it is due at once and then each remindEvery.
type reminder struct {
	on bool
	at time.Time
}

func (m *reminder) due(now time.Time) bool {
	if m.on && now.Sub(m.at) < remindEvery {
		return false
	}
	m.on, m.at = true, now
	return true
}

// stop says whether it was wrong until now.
func (m *reminder) stop() bool {
	was := m.on
	m.on = false
	return was
}
