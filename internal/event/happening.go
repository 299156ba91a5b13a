package event

import "time"

// Happening is one thing that came to pass, as the bus tells it to whoever listens: `gaol events`,
// the web page, metrics, hooks.
type Happening struct {
	Time     time.Time `json:"time"`
	What     What      `json:"what"`
	Jail     string    `json:"jail,omitempty"`
	Ban      *Ban      `json:"ban,omitempty"`      // of what is about one id; who listens must not change it
	Reason   string    `json:"reason,omitempty"`   // why, in one line; may quote attackers' text
	Hint     string    `json:"hint,omitempty"`     // the edit or the command that mends it
	Restored bool      `json:"restored,omitempty"` // a ban that came back from the store
	DryRun   bool      `json:"dry_run,omitempty"`  // a ban that would be one
	Count    uint64    `json:"count,omitempty"`    // of Missed: happenings

	// Took is how long a ban took, in nanoseconds: from when the log was read up to its last
	// failure until the kernel had taken it. 0: no line led to it just now.
	Took time.Duration `json:"took_ns,omitempty"`
}

// What came to pass.
type What string

// What can come to pass. Of one id: Ban is set.
const (
	Banned     What = "ban"      // it is in force
	Unbanned   What = "unban"    // it is over
	Prolonged  What = "prolong"  // it ends later, or its id failed once more
	Raised     What = "raise"    // it closes all ports now (escalate)
	Spared     What = "spare"    // it would have been banned, but must not be
	Leaked     What = "leak"     // it is banned and goes on failing: the ban does not work
	Allowed    What = "allow"    // nobody bans it any more
	Disallowed What = "disallow" // an Allowed is taken back
)

// What can come to pass of a jail.
const (
	Held         What = "hold"             // too many bans: they wait; an empty Reason: not any more
	JailStarted  What = "jail-started"     // it watches
	JailStopped  What = "jail-stopped"     // it is configured no more, or gaol ends
	JailBroken   What = "jail-broken"      // it cannot run as configured
	SourceFails  What = "source-trouble"   // a log cannot be read
	SourceMended What = "source-recovered" // it can again
	ActionFails  What = "action-failed"    // a command of action.d
)

// What can come to pass of the daemon.
const (
	Repaired       What = "repair"             // the kernel had lost rules or bans, and has them again
	FirewallFails  What = "firewall-trouble"   // rules or bans may not be in force
	FirewallMended What = "firewall-recovered" // they are
	Reloaded       What = "reload"             // the configuration was read again
	Stopping       What = "stopping"           // gaol ends; the last that a client of the socket hears
	Missed         What = "missed"             // who listens was too slow: Count happenings are lost to it
)
