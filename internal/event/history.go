package event

import "time"

// History is what the store knows of bans that began since a time: counted in steps, and by whom.
// What is older than dbpurgeage is forgotten there, but for the newest ban of each id.
type History struct {
	Since     time.Time        `json:"since"`
	Step      time.Duration    `json:"step"`      // nanoseconds
	Jails     map[string][]int `json:"jails"`     // bans of each jail that began in each step
	Offenders []Offender       `json:"offenders"` // most bans first
	IDs       int              `json:"ids"`       // how many there are, of whom Offenders are some
}

// Offender is a ban id with what it did.
type Offender struct {
	ID       string    `json:"id"`
	Kind     IDKind    `json:"kind"`
	Bans     int       `json:"bans"`     // that began in the time
	Failures int       `json:"failures"` // that led to them
	Jails    []string  `json:"jails"`
	Last     time.Time `json:"last"`          // start of the newest
	Now      bool      `json:"now,omitempty"` // one of them is in force
}
