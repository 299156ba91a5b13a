package event

import "time"

// Status is the daemon as viewers see it. All viewers (CLI, socket, page, metrics) read this
// one value and keep no counters of their own.
type Status struct {
	Version  string       `json:"version"`
	PID      int          `json:"pid"`
	Started  time.Time    `json:"started"`
	Config   string       `json:"config"` // directory, or "embedded"
	DryRun   bool         `json:"dry_run,omitempty"`
	Firewall string       `json:"firewall"` // backend in use and why
	Jails    []JailStatus `json:"jails"`
	Problems []string     `json:"problems,omitempty"` // file:line: what is wrong
}

// JailStatus is one jail in a Status.
type JailStatus struct {
	Name            string         `json:"name"`
	Running         bool           `json:"running"`
	Problem         string         `json:"problem,omitempty"` // why it does not run, or what it lacks
	Filter          string         `json:"filter"`
	Sources         []SourceStatus `json:"sources"`
	MaxRetry        int            `json:"maxretry"`
	FindTime        time.Duration  `json:"findtime"` // nanoseconds
	BanTime         time.Duration  `json:"bantime"`  // nanoseconds; negative: for ever
	Port            string         `json:"port,omitempty"`
	Protocol        string         `json:"protocol,omitempty"`
	Actions         []string       `json:"actions"`
	Lines           uint64         `json:"lines"`
	Aborted         uint64         `json:"aborted,omitempty"` // regex searches that hit the step budget
	CutLines        uint64         `json:"cut_lines,omitempty"`
	CurrentlyFailed int            `json:"currently_failed"`
	TotalFailed     uint64         `json:"total_failed"`
	CurrentlyBanned int            `json:"currently_banned"`
	TotalBanned     uint64         `json:"total_banned"`
	Packets         *uint64        `json:"packets,omitempty"` // dropped by the native rules since they were laid; nil: not known
	Bans            []Ban          `json:"bans"`
}

// SourceStatus is one log of a jail.
type SourceStatus struct {
	Name  string `json:"name"`
	Found bool   `json:"found"`
	Lines uint64 `json:"lines"`
	Mark  Mark   `json:"mark"`
}
