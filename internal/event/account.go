package event

import "time"

// Account is all that is known of an address or another ban id: the answer to `gaol why ADDR`.
type Account struct {
	ID        string        `json:"id"`
	Time      time.Time     `json:"time"`                // when it was put together
	Banned    bool          `json:"banned"`              // something keeps it out
	Protected string        `json:"protected,omitempty"` // why nobody bans it, of what holds for all jails
	DryRun    bool          `json:"dry_run,omitempty"`
	Jails     []JailAccount `json:"jails"` // that have to do with it; Others only exist
	Others    []string      `json:"others,omitempty"`
	// Because are the reasons why it is not banned, the likeliest first.
	Because []Because `json:"because,omitempty"`
}

// JailAccount is what one jail knows of an id.
type JailAccount struct {
	Jail     string        `json:"jail"`
	Problem  string        `json:"problem,omitempty"` // why it does not run, or what it lacks
	Filter   string        `json:"filter,omitempty"`
	Bans     []Ban         `json:"bans,omitempty"` // in force: of the id, or of a network that holds it
	Kernel   []KernelBan   `json:"kernel,omitempty"`
	Lacks    string        `json:"lacks,omitempty"` // a ban is in force and the kernel does not hold it: why
	Closes   string        `json:"closes,omitempty"`
	Actions  []string      `json:"actions,omitempty"`
	Leak     *Leak         `json:"leak,omitempty"`
	Past     []PastBan     `json:"past,omitempty"` // that are over, newest first
	Times    int           `json:"times,omitempty"`
	Count    *Tally        `json:"count,omitempty"`  // what is counted now
	Expires  time.Time     `json:"expires,omitzero"` // when the count is forgotten if nothing comes
	MaxRetry int           `json:"maxretry,omitempty"`
	FindTime time.Duration `json:"findtime,omitempty"` // nanoseconds
	BanTime  time.Duration `json:"bantime,omitempty"`  // nanoseconds; negative: for ever
	Spared   string        `json:"spared,omitempty"`
	Held     string        `json:"held,omitempty"`   // bans are held back, and why
	Logs     []LogSearch   `json:"logs,omitempty"`   // that were searched for the id
	Newest   []Explanation `json:"newest,omitempty"` // of the lines that name it: the newest one of each outcome
}

// KernelBan is a ban as the kernel holds it.
type KernelBan struct {
	Set     string        `json:"set,omitempty"` // its name; empty: the backend has no names to tell
	Element string        `json:"element"`
	Left    time.Duration `json:"left"` // nanoseconds; 0: for ever
	Rules   []KernelRule  `json:"rules,omitempty"`
}

// KernelRule is a rule and how many packets, of anybody whom it concerns, it caught.
type KernelRule struct {
	Text    string `json:"rule"`
	Packets uint64 `json:"packets"`
}

// PastBan is a ban that is over.
type PastBan struct {
	Ban    Ban       `json:"ban"`
	Lifted time.Time `json:"lifted,omitzero"`
	Reason string    `json:"reason,omitempty"` // of a lift before its end
}

// LogSearch is a log whose end was searched for an id.
type LogSearch struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`           // so much of its end
	Whole bool   `json:"whole,omitempty"` // which is all of it
	Lines int    `json:"lines"`           // that name the id
	Error string `json:"error,omitempty"`
}

// Because is one reason why an id is not banned.
type Because struct {
	Jail string `json:"jail,omitempty"`
	Why  string `json:"why"`
	Hint string `json:"hint,omitempty"` // the edit or the command that changes it
}
