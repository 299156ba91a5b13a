package event

import "time"

// Outcome is what a line comes to in a jail.
type Outcome string

// The outcomes of a line.
const (
	LineCounts  Outcome = "counts"  // a failure: the jail counts it
	LineHelps   Outcome = "helps"   // a failregex matched, but it is no failure by itself: <F-NOFAIL>, <F-MLFGAINED>
	LineWaits   Outcome = "waits"   // a failure of a connection whose address no line has told yet
	LineIgnored Outcome = "ignored" // an ignoreregex matched
	LineMissed  Outcome = "missed"  // no failregex matched
	LineSpared  Outcome = "spared"  // a failure of somebody who is not to be banned
)

// Explanation is the way of one line through a filter, and what follows from it: the answer to
// `gaol explain` and `gaol why LINE`. Its text is an attacker's.
type Explanation struct {
	Line   string `json:"line"`
	Number int    `json:"number"` // among those that were asked about, from 1
	Jail   string `json:"jail,omitempty"`
	Filter string `json:"filter"`

	Outcome Outcome   `json:"outcome"`
	Date    DateStep  `json:"date"`
	Text    string    `json:"text"` // what prefregex is tried on: the line without its timestamp
	Prefix  *RuleStep `json:"prefregex,omitempty"`
	Content string    `json:"content,omitempty"` // what the failregexes are tried on, where prefregex cuts something off

	Rule   *RuleStep `json:"rule,omitempty"`   // the failregex that matched first; with LineIgnored also which one would have
	Ignore *RuleStep `json:"ignore,omitempty"` // the ignoreregex that matched
	// Nearest is, of a line that nothing matched, the expression that came furthest: prefregex
	// where that did not match.
	Nearest *RuleStep  `json:"nearest,omitempty"`
	Tried   []RuleStep `json:"tried,omitempty"` // every expression, where all were asked for

	Tag        string   `json:"tag,omitempty"`        // of a line that helps: which tag of Rule says that it is no failure
	TagText    string   `json:"tag_text,omitempty"`   // what it took of the line
	Connection string   `json:"connection,omitempty"` // <F-MLFID>: lines with the same one are read together
	ID         string   `json:"id,omitempty"`         // whose failure it is, or whom it names
	Fields     Fields   `json:"fields,omitempty"`
	Evidence   []string `json:"evidence,omitempty"` // lines that a failure is made of, where there is more than this one

	Spared string `json:"spared,omitempty"` // why the id is not banned
	Count  *Count `json:"count,omitempty"`
	Cures  []Cure `json:"cures,omitempty"` // what would make it count, as trying has shown
	Modes  int    `json:"modes,omitempty"` // in how many other modes of the filter it was tried
}

// DateStep is what was found out about a line's time.
type DateStep struct {
	Template string    `json:"template,omitempty"` // of datepattern; empty: none matched
	Stamp    string    `json:"stamp,omitempty"`    // as it stands in the line, and is cut out
	At       int       `json:"at"`                 // where, in characters
	Time     time.Time `json:"time,omitzero"`      // zero: none
	Zoned    bool      `json:"zoned,omitempty"`    // the stamp names its zone
	Effect   string    `json:"effect,omitempty"`   // what is odd about it, and what that does to the line
}

// RuleStep is one expression of a filter and how far it came.
type RuleStep struct {
	Kind    string `json:"kind"` // prefregex, failregex, ignoreregex
	Number  int    `json:"number"`
	Where   string `json:"where,omitempty"` // file:line; empty: it was given as text
	Expr    string `json:"expr"`            // with fail2ban's tags
	Matched bool   `json:"matched"`
	Aborted bool   `json:"aborted,omitempty"` // it took too many steps
	Stop    *Stop  `json:"stop,omitempty"`    // of one that did not match
}

// Stop is where the best attempt of an expression ended.
type Stop struct {
	Text    string `json:"text"`          // what was searched
	At      int    `json:"at"`            // characters of it
	Literal int    `json:"literal"`       // how many of them stood literally in the expression
	Done    string `json:"done"`          // of the expression: what had matched
	Rest    string `json:"rest"`          // and what was expected at the stop
	Cut     bool   `json:"cut,omitempty"` // the text is too long: it was not followed to its end
}

// Count is how a failure counts in its jail.
type Count struct {
	Failures int           `json:"failures"` // with this one, as the jail counts them (a rate within FindTime)
	MaxRetry int           `json:"maxretry"`
	FindTime time.Duration `json:"findtime"` // nanoseconds
	BanTime  time.Duration `json:"bantime"`  // nanoseconds; negative: for ever
	Bans     bool          `json:"bans,omitempty"`
	Until    time.Time     `json:"until,omitzero"` // end of that ban; zero: for ever, where Bans
	Decision string        `json:"decision"`       // in words
}

// Cure is a change that was tried and makes a line count, or a line beside it that counts.
type Cure struct {
	What  string `json:"what"`            // "mode=aggressive", "line 3"
	Write string `json:"write,omitempty"` // the edit
	Where string `json:"where,omitempty"` // file:line of the expression that matches then
	Why   string `json:"why,omitempty"`
}
