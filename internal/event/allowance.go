package event

import "time"

// Allowance is an address or a network that nobody bans until it ends: `gaol allow`.
type Allowance struct {
	ID     string    `json:"id"` // address, or network with its host bits masked
	Since  time.Time `json:"since"`
	End    time.Time `json:"end,omitzero"` // zero: for ever
	Reason string    `json:"reason,omitempty"`
}
