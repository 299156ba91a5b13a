// Package control carries commands to a running gaol and its replies back: JSON over HTTP on a
// unix socket. There is one door, Daemon.Do, with one type per command; the engine implements
// it, Server hands it what arrives on the socket, and Client is the same door from outside.
//
// On the wire a command is `POST /v1/NAME` with its fields as a JSON object; those that change
// nothing may also be asked with GET:
//
//	curl --unix-socket /run/gaol/gaol.sock http://gaol/v1/status
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"gaol/internal/event"
)

// Socket is where gaol listens unless told otherwise.
const Socket = "/run/gaol/gaol.sock"

// Daemon is what carries out commands. Do may be called by several goroutines at once. Its
// errors are *Error where the caller is at fault; any other error is a failure of the daemon.
// A reply beside an error reaches the caller too.
type Daemon interface {
	Do(ctx context.Context, c Command) (Reply, error)
}

// Command is one of the types below.
type Command interface {
	// name is the command's name on the wire.
	name() string
}

// Status asks for the whole daemon, or for one jail where Jail is set. Reply: Status (with that
// one jail in Jails); Unknown where there is no such jail.
type Status struct {
	Jail  string `json:"jail,omitempty"`
	Brief bool   `json:"brief,omitempty"` // without Bans: their number is what is asked for
}

// Ban bans by hand. ignoreip does not count, the floor does: what is protected is Refused.
// Reply: Bans holds the ban that is in force now, Outcome says what was done.
type Ban struct {
	Jail   string         `json:"jail"`
	ID     string         `json:"id"`               // address, prefix, or any text a jail bans by
	For    *time.Duration `json:"for_ns,omitempty"` // nanoseconds; nil: the jail's bantime; negative: for ever
	Reason string         `json:"reason,omitempty"`
}

// Unban lifts the ban of ID in Jail, or in all jails where Jail is empty. An address stands for
// the prefix that the jail counts it as. Reply: Bans holds what was lifted, none where ID was not
// banned; Covering the bans of networks that still keep it out.
type Unban struct {
	Jail   string `json:"jail,omitempty"`
	ID     string `json:"id"`
	Within bool   `json:"within,omitempty"` // also what lies in the network ID, or what the name ID resolves to
	All    bool   `json:"all,omitempty"`    // every ban; ID is empty
}

// Banned asks for all bans, or where ID is set for those that hit it: of the id itself, and
// for an address also of the prefixes it lies in. Reply: Bans.
type Banned struct {
	ID string `json:"id,omitempty"`
}

// Allow keeps everybody from banning ID, an address or a network: jails, commands and whoever
// restores bans. Bans that hit it are lifted. It is written down and outlives the daemon.
// Reply: Allowed holds it, Bans what was lifted.
type Allow struct {
	ID     string         `json:"id"`
	For    *time.Duration `json:"for_ns,omitempty"` // nanoseconds; nil or negative: until it is taken back
	Reason string         `json:"reason,omitempty"`
}

// Disallow takes an Allow back. Reply: Allowed holds what it was; Unknown where there is none.
type Disallow struct {
	ID string `json:"id"`
}

// Allowed asks for the allow-list. Reply: Allowed.
type Allowed struct{}

// Reload reads the configuration again. Reply: Problems holds all findings, beside an error
// too; jails that are broken keep their running version.
type Reload struct {
	Jail    string `json:"jail,omitempty"`    // only this one
	Unban   bool   `json:"unban,omitempty"`   // lift all bans
	Restart bool   `json:"restart,omitempty"` // start jails again that did not change, and lift their bans
}

// Stop ends the daemon; the reply comes before the end. Bans of the native action stay in the
// kernel unless Unban is set.
type Stop struct {
	Unban bool `json:"unban,omitempty"`
	Drop  bool `json:"drop,omitempty"` // delete the firewall table at the end; the bans stay written down
}

// Version asks which gaol this is. Reply: Status with Version, PID and Started alone.
type Version struct{}

func (Status) name() string   { return "status" }
func (Ban) name() string      { return "ban" }
func (Unban) name() string    { return "unban" }
func (Banned) name() string   { return "banned" }
func (Allow) name() string    { return "allow" }
func (Disallow) name() string { return "disallow" }
func (Allowed) name() string  { return "allowed" }
func (Reload) name() string   { return "reload" }
func (Stop) name() string     { return "stop" }
func (Version) name() string  { return "version" }

// Reply is what a command answers; each command says above which fields it fills.
type Reply struct {
	Status   *event.Status     `json:"status,omitempty"`
	Bans     []event.Ban       `json:"bans,omitempty"`
	Covering []event.Ban       `json:"covering,omitempty"` // of an Unban: what goes on keeping the id out
	Allowed  []event.Allowance `json:"allowed,omitempty"`
	Outcome  Outcome           `json:"outcome,omitempty"`

	Explained []event.Explanation `json:"explained,omitempty"`
	Account   *event.Account      `json:"account,omitempty"`

	Problems []string       `json:"problems,omitempty"` // "file:line: what is wrong"
	History  *event.History `json:"history,omitempty"`
	Value    any            `json:"value,omitempty"` // of Get, Set and FlushLogs
}

// Outcome is what a Ban came to.
type Outcome string

// The outcomes of a Ban.
const (
	Imposed   Outcome = "imposed"   // it was not banned before
	Prolonged Outcome = "prolonged" // an earlier ban ends later now
	Unchanged Outcome = "unchanged" // an earlier ban ends as late or later: nothing was done
)

// Fault says who has to act on an Error.
type Fault string

// The faults. Each is also an HTTP status (see server.go).
const (
	Invalid Fault = "invalid" // the command cannot be understood
	Unknown Fault = "unknown" // no such jail, ban or command
	Refused Fault = "refused" // understood, but it must not be done
	Failed  Fault = "failed"  // the daemon could not do it
	Absent  Fault = "absent"  // no daemon answers
	Denied  Fault = "denied"  // the caller may not use the socket
)

// Error is why a command was not carried out. Msg is one line in lower case; Hint is the edit
// or the command that mends it, or empty.
type Error struct {
	Fault Fault  `json:"fault"`
	Msg   string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Class string `json:"class,omitempty"` // Python exception as which fail2ban's clients know it (§5.1); empty: by Fault
}

func (e *Error) Error() string { return e.Msg }

// Hinted returns the hint, for who prints errors without knowing this type.
func (e *Error) Hinted() string { return e.Hint }

// decode makes a command of its name and JSON fields. An empty body is a command without
// fields. Unknown fields are refused: a client newer than the daemon must not be half obeyed.
func decode(name string, body []byte) (Command, error) {
	switch name {
	case "status":
		return decodeInto[Status](body)
	case "ban":
		return decodeInto[Ban](body)
	case "unban":
		return decodeInto[Unban](body)
	case "banned":
		return decodeInto[Banned](body)
	case "allow":
		return decodeInto[Allow](body)
	case "disallow":
		return decodeInto[Disallow](body)
	case "allowed":
		return decodeInto[Allowed](body)
	case "reload":
		return decodeInto[Reload](body)
	case "stop":
		return decodeInto[Stop](body)
	case "version":
		return decodeInto[Version](body)
	case "explain":
		return decodeInto[Explain](body)
	case "why":
		return decodeInto[Why](body)
	case "history":
		return decodeInto[History](body)
	case "get":
		return decodeInto[Get](body)
	case "set":
		return decodeInto[Set](body)
	case "attempt":
		return decodeInto[Attempt](body)
	case "jail":
		return decodeInto[ControlJail](body)
	case "flushlogs":
		return decodeInto[FlushLogs](body)
	}
	return nil, &Error{Fault: Unknown, Msg: fmt.Sprintf("no command is called %.40q", name)}
}

// readOnly says which commands change nothing, and so may be asked with GET.
func readOnly(c Command) bool {
	switch c.(type) {
	case Status, Banned, Allowed, Version, Explain, Why, History, Get:
		return true
	}
	return false
}

func decodeInto[C Command](body []byte) (Command, error) {
	var c C
	if len(bytes.TrimSpace(body)) == 0 {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, &Error{Fault: Invalid, Msg: fmt.Sprintf("read command %s: %v", c.name(), err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &Error{Fault: Invalid, Msg: fmt.Sprintf("read command %s: text behind its JSON object", c.name())}
	}
	return c, nil
}
