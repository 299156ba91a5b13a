// Package event holds the nouns that flow through gaol, from a log line to a closed port:
// Line → Entry → Failure → Decision, and Status, which is what viewers see.
// It holds no behaviour, so that every room can import it and it imports none.
package event

import "time"

// MaxLine is how many bytes of one log line are kept. The rest up to the newline is
// discarded and counted in Batch.Cut, never read as a new line: log text is written by
// attackers, and an unbounded line is unbounded memory.
const MaxLine = 64 << 10

// Line is one line of a log as its source read it.
type Line struct {
	Text    string    // without the line end; bytes as they stand in the log, not always UTF-8
	Time    time.Time // the source's own stamp (journal); zero where the text carries the stamp
	Taken   time.Time // when a container's log driver took it; stands in for a stamp the text lacks or has wrong
	Arrived time.Time // when gaol read it
}

// Mark is where reading of one source goes on. A file's mark names the file by inode and by
// the hash of its first line, so that the same file is found again under a rotated name and
// another file under the same name is not taken for it.
type Mark struct {
	Source string `json:"source"`           // path of the file as followed, or "journal"
	Inode  uint64 `json:"inode,omitempty"`  // of the open file
	Hash   string `json:"hash,omitempty"`   // SHA-1 (hex) of the first line with its newline; empty while there is none
	Offset int64  `json:"offset,omitempty"` // bytes, behind the last complete line handed out; of a journal without Cursor: microseconds since 1970
	Cursor string `json:"cursor,omitempty"` // journal cursor (systemd.journal-fields(7)), or the source's own; "+N": N pieces behind it were taken in
}

// Batch is what a source hands over at once: lines in order and the mark behind the last one.
type Batch struct {
	Source string
	Lines  []Line
	Mark   Mark
	End    bool // the source's end was reached behind these lines
	Cut    int  // lines longer than MaxLine that were cut
	Known  bool // the source was read before: it goes on at a stored mark
	Err    error
}

// Entry is a line with its time, the timestamp cut out of the text.
type Entry struct {
	Line   Line
	Source string
	Before string    // text in front of the timestamp
	Stamp  string    // the timestamp as written; empty where none was cut
	After  string    // text behind it
	Time   time.Time // the line's time, whole seconds unless the stamp is an epoch
}

// IDKind says what a ban id is.
type IDKind int

// The kinds of ban ids.
const (
	Address IDKind = iota // one IPv4 or IPv6 address, canonical
	Network               // a prefix, base address masked
	Name                  // a host name that is still to be resolved (usedns = yes or warn)
	Raw                   // any other text (usedns = raw, <F-ID>, addresses that parse as none)
)

// Failure is one line's (or one connection's) evidence against an id.
type Failure struct {
	Jail    string
	ID      string // what is banned
	Kind    IDKind
	IP      string    // the address the regex captured; differs from ID where <F-ID> is used
	Time    time.Time // never in the future
	Fields  Fields    // named groups, lower case
	Matches []string  // the log lines, whole, with their dates
	Regex   string    // file:line of the failregex that matched
	Source  string
}

// Kind of a decision.
type Kind int

// The decisions a jail takes.
const (
	Impose  Kind = iota // close the ports
	Prolong             // an existing ban ends later
	Lift                // the ban is over
	Spare               // it would have been banned, but must not be; Reason says why
	Regroup             // the kernel has to hold Add in place of Remove: a prefix for many bans in it, or the reverse
	Hold                // too many bans: it has to wait; Reason says why, and is empty when that is over
	Raise               // the ban closes more than before: Ban.Scope
)

// Decision is what a jail decided, with what led to it, so that "why" needs no look-up.
type Decision struct {
	Kind     Kind
	Ban      Ban
	Restored bool   // the ban came back from the store
	Reason   string // of a Spare or of a manual ban or lift
	Forgiven bool   // of a lift by hand: the id's past is forgotten

	Add, Remove []Ban // of a Regroup; add first, so that nobody gets through in between
}

// AllPorts is the scope of a ban that closes all ports of the machine (escalate).
const AllPorts = "host"

// Ban is one id kept out by one jail.
type Ban struct {
	Jail    string    `json:"jail"`
	ID      string    `json:"id"`
	Kind    IDKind    `json:"kind"`
	IP      string    `json:"ip,omitempty"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"`     // zero: for ever
	Renewed time.Time `json:"renewed,omitzero"` // start of the newest ban that moved End; zero: none did
	Count   int       `json:"failures"`         // failures that led to it
	Matches []string  `json:"matches,omitempty"`
	Fields  Fields    `json:"fields,omitempty"`
	Regex   string    `json:"regex,omitempty"`  // file:line of the failregex of the last failure
	Source  string    `json:"source,omitempty"` // log of the last failure
	Reason  string    `json:"reason,omitempty"` // given with `gaol ban --reason`
	Manual  bool      `json:"manual,omitempty"`
	Times   int       `json:"times,omitempty"` // how often the id was banned, with this one (bantime.increment)
	Scope   string    `json:"scope,omitempty"` // what it closes: the jail's ports (empty), or AllPorts
	Fold    bool      `json:"fold,omitempty"`  // it stands for Count bans of one prefix (aggregate), and is none of its own

	// Bare: Matches, Fields, Regex and Source were left in the store, which keeps them when such a
	// ban is written over what it has.
	Bare bool `json:"-"`
}

// Tally is a jail's count for one id that is not banned yet (§4.1 of fail2ban's rules).
type Tally struct {
	ID       string    `json:"id"`
	Kind     IDKind    `json:"kind"`
	IP       string    `json:"ip,omitempty"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Count    int       `json:"count"`
	Failures int       `json:"failures"`
	Matches  []string  `json:"matches,omitempty"`
	Fields   Fields    `json:"fields,omitempty"`
	Regex    string    `json:"regex,omitempty"`
	Source   string    `json:"source,omitempty"`
}
