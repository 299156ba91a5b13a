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

	FirewallProblem string    `json:"firewall_problem,omitempty"` // why rules or bans may not be in force
	Containers      string    `json:"containers,omitempty"`       // engine that is followed, or why none is
	LabelProblems   []string  `json:"label_problems,omitempty"`   // containers whose labels cannot be followed, and why
	Repairs         uint64    `json:"repairs,omitempty"`          // how often rules or bans that the kernel had lost were put back
	LastRepair      time.Time `json:"last_repair,omitzero"`
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
	Container       string         `json:"container,omitempty"`       // whose ports are closed, as the jail names it
	Closes          []string       `json:"closes,omitempty"`          // endpoints of the container now: "tcp 2222"
	ContainerNotes  []string       `json:"container_notes,omitempty"` // what a user may not expect of them
	Actions         []string       `json:"actions"`
	ActionStates    []ActionStatus `json:"action_states,omitempty"` // of the action.d commands, in their order
	Lines           uint64         `json:"lines"`
	Aborted         uint64         `json:"aborted,omitempty"` // regex searches that hit the step budget
	CutLines        uint64         `json:"cut_lines,omitempty"`
	Dropped         uint64         `json:"dropped,omitempty"` // failures whose name or ignorecommand took too long to answer
	CurrentlyFailed int            `json:"currently_failed"`
	TotalFailed     uint64         `json:"total_failed"`
	CurrentlyBanned int            `json:"currently_banned"`
	TotalBanned     uint64         `json:"total_banned"`
	Repairs         uint64         `json:"repairs,omitempty"` // how often bans were put back into the kernel
	LastRepair      time.Time      `json:"last_repair,omitzero"`
	Held            string         `json:"held,omitempty"`    // why new bans wait: there are too many
	Regexes         []RegexStatus  `json:"regexes,omitempty"` // of the filter's failregexes, in the order of their places
	Packets         *uint64        `json:"packets,omitempty"` // dropped by the native rules since they were laid; nil: not known
	Bans            []Ban          `json:"bans"`
	Leaks           []Leak         `json:"leaks,omitempty"`       // bans that do not work, and why; twenty at most
	TotalLeaks      uint64         `json:"total_leaks,omitempty"` // such bans since the start
	Folds           []Ban          `json:"folds,omitempty"`       // of whole prefixes: in the kernel each stands for Count of the Bans
}

// Leak is a ban that does not work: its id goes on failing.
type Leak struct {
	ID       string    `json:"id"`
	Banned   time.Time `json:"banned"`            // since when
	Told     time.Time `json:"told"`              // when it was found out
	Failures int       `json:"failures"`          // since
	Dropped  *uint64   `json:"dropped,omitempty"` // packets that the jail's rules dropped meanwhile, of anybody; nil: not known
	Why      string    `json:"why"`
	Hint     string    `json:"hint"` // what to write
}

// SourceStatus is one log of a jail.
type SourceStatus struct {
	Name  string `json:"name"`
	Found bool   `json:"found"`
	Lines uint64 `json:"lines"`
	Mark  Mark   `json:"mark"`

	Behind *int64 `json:"behind,omitempty"` // bytes of a file that are not read yet; nil: not known
}

// RegexStatus is how many failures the failregexes of one place found. A failure that several
// lines tell of is counted where it was completed.
type RegexStatus struct {
	Where    string `json:"where"` // file:line
	Failures uint64 `json:"failures"`
}

// ActionStatus is how the commands of one action.d action fare.
type ActionStatus struct {
	Name     string    `json:"name"`
	Failing  bool      `json:"failing,omitempty"`    // the last job failed
	Failures uint64    `json:"failures,omitempty"`   // jobs that failed since the start
	Error    string    `json:"last_error,omitempty"` // of the last job that failed; quotes attackers' text
	FailedAt time.Time `json:"failed_at,omitzero"`
	Waiting  int       `json:"waiting,omitempty"` // jobs in the queue, which all jails with this action file share
	Dropped  uint64    `json:"dropped,omitempty"` // notifications the full queue dropped since the start
}
