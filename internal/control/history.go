package control

import "time"

// History asks how many bans began in each step since a time, and who was banned most. Reply:
// History.
type History struct {
	Since time.Time     `json:"since"`
	Step  time.Duration `json:"step"`           // nanoseconds; MaxSteps of them at most
	Most  int           `json:"most,omitempty"` // offenders that are listed; 0: ten
}

// MaxSteps is how many steps one History may have.
const MaxSteps = 2000

func (History) name() string { return "history" }
