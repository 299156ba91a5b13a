package event

import "time"

// Command is a shell script with the values that it reads as $0, $1, ...: text from a log
// travels as values, never as script.
type Command struct {
	Script string   `json:"script"`
	Values []string `json:"values,omitempty"`
}

// Intent is one thing that an action.d command is about to put into the world (a chain, a
// rule, a line in a file), written down before the command runs together with the command
// that takes it away again: after a kill -9 nothing that may have been put there is forgotten.
type Intent struct {
	ID     int64         // given by the journal
	Jail   string        // whose
	Action string        // actname
	File   string        // action file: undone in the same queue as its other commands
	Family string        // "inet4", "inet6", "" (no family)
	Ban    string        // ban id; empty: the family was started (actionstart)
	Undo   Command       // actionunban of that ban, actionstop of that family
	Flush  Command       // of a start: actionflush, empty where the action has none
	Print  string        // fingerprint of the action's properties: only an equal action takes over
	Boot   string        // boot id of the kernel it was done under
	Limit  time.Duration // time limit of the undo commands
	Ran    bool          // the command ended well; false: it may have run, or half of it
}
