package control

// The commands below change a running gaol as fail2ban-client get and set do (§5.3). What they
// change holds until the next reload or start, which take the configuration as it is written.

// Get asks for one setting of Jail, or of the daemon where Jail is empty. Key is fail2ban's
// name for it ("maxretry", "failregex", "actions"; of the daemon "loglevel", "dbfile", ...);
// Args are what some keys need besides (an action's name and property). Reply: Value is nil,
// bool, int, string, []string, [][]string or Tuple.
type Get struct {
	Jail string   `json:"jail,omitempty"`
	Key  string   `json:"key"`
	Args []string `json:"args,omitempty"`
}

// Set changes one setting; Key may be one that adds or deletes ("addignoreip", "delfailregex").
// Reply: Value is the setting after the change, as Get gives it.
type Set struct {
	Jail string   `json:"jail,omitempty"`
	Key  string   `json:"key"`
	Args []string `json:"args"`
}

// Attempt counts failures of ID in Jail, one for each of Lines and at least one. Reply: Value
// is 1, or 0 where ID is ignored.
type Attempt struct {
	Jail  string   `json:"jail"`
	ID    string   `json:"id"`
	Lines []string `json:"lines,omitempty"`
}

// ControlJail makes, starts or stops one jail: Op is "add", "start" or "stop". Backend is for
// "add". A jail that was added has no filter and no logs until Set gives it some.
type ControlJail struct {
	Op      string `json:"op"`
	Jail    string `json:"jail"`
	Backend string `json:"backend,omitempty"`
}

// FlushLogs opens the log file again, after logrotate moved it. Reply: Value is "rolled over",
// or "flushed" where there is no file.
type FlushLogs struct{}

func (Get) name() string         { return "get" }
func (Set) name() string         { return "set" }
func (Attempt) name() string     { return "attempt" }
func (ControlJail) name() string { return "jail" }
func (FlushLogs) name() string   { return "flushlogs" }
