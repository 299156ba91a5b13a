// Package action runs fail2ban's action.d commands: tags, families, start on demand, check and
// repair as fail2ban has them (section numbers are those of the behaviour reference), text
// from logs only as values of shell variables, and an undo journal so that no rule outlives
// its ban after a kill -9.
package action

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// DefaultTimeout is how long one command may run where the action says nothing (§4.4).
const DefaultTimeout = 60 * time.Second

// Spec is one action of one jail.
type Spec struct {
	Jail, Name string            // Name is the actname, unique in the jail
	File       string            // action file: actions of one file share a Queue
	Props      map[string]string // as interpolated by config, with keys such as "blocktype?family=inet6"
	BanTime    time.Duration     // the jail's: <bantime> where no ban is at hand; negative: for ever
	Timeout    time.Duration     // of one command; 0: DefaultTimeout
}

// Options are what an action needs from outside. The zero value works.
type Options struct {
	Journal Journal
	// Facts gives the values of tags that only the engine knows (ip-host, ipmatches,
	// ipjailmatches, ipfailures, ipjailfailures, jail.banned, jail.banned_total,
	// jail.found, jail.found_total). It is asked only for tags that a command uses, and
	// ok = false means that the ban's own value, or 0, is used.
	Facts func(ctx context.Context, tag string, b event.Ban) (value string, ok bool)
	// Report is told of every command that ran.
	Report func(Report)
	// NoIPv6 keeps an action that is not started on demand from starting its inet6 family.
	NoIPv6 bool
}

// Journal is where intents are written down before their command runs; store.Store is one.
type Journal interface {
	Intend(ctx context.Context, i event.Intent) (id int64, err error)
	Ran(ctx context.Context, id int64) error
	Done(ctx context.Context, ids ...int64) error
}

// Report is one command that ran. Command and Output hold attackers' text: quote them.
type Report struct {
	Jail, Action, Op, Family string
	Ban                      string // id; empty where the command is not about one ban
	Undo                     bool   // of Recover or Undo: a failure means that nothing was left to undo
	Command                  event.Command
	Output                   string // stdout and stderr, at most MaxOutput bytes
	Took                     time.Duration
	Err                      error
}

// Action is one action of one jail. It is not for concurrent use: its calls go through the
// Queue of its file.
type Action struct {
	spec     Spec
	opts     Options
	props    map[string]string
	onDemand bool
	print    string                       // fingerprint of all that its commands are made of
	scripts  map[string]map[string]string // family → op → script with the static tags filled
	started  map[string]*family
	order    []string           // families in the order they were started
	starts   map[string]int64   // family → intent of its start, which may have failed
	placed   map[string]*placed // bans that have, or may have, an actionban behind them
	last     uint64             // number of the ban placed last
	boot     string
	mailer   *mailer // of smtp.py, which has no commands
	run      func(ctx context.Context, c event.Command, limit time.Duration) (output string, err error)
}

// family is a started family.
type family struct {
	banned bool // an actionban ended well since the start or the last flush
	failed bool // the start failed, and no actionban ended well since
}

// placed is a ban whose actionban was run, perhaps in vain.
type placed struct {
	ban     event.Ban
	number  uint64 // in order of placing
	family  string
	intent  int64
	inPlace bool           // false: it failed, or the rules around it were lost since
	undo    *event.Command // of a ban taken over from an earlier run
	skipped bool           // restored, and norestored: nothing was run for it
}

// New checks the action's properties and prepares its commands. It runs nothing.
func New(s Spec, o Options) (*Action, error) {
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	a := &Action{spec: s, opts: o, scripts: map[string]map[string]string{}, started: map[string]*family{},
		starts: map[string]int64{}, placed: map[string]*placed{}, boot: bootID(), run: shell}
	if s.File == SMTPFile {
		m, err := newMailer(s.Props)
		if err != nil {
			return nil, fmt.Errorf("prepare action %s in jail %s: %w", s.Name, s.Jail, err)
		}
		a.mailer, s.Props = m, mailProps()
	}
	a.props = completeProps(s)
	a.print = fingerprint(s)
	a.onDemand = isTrue(s.Props["actionstart_on_demand"])
	if _, set := s.Props["actionstart_on_demand"]; !set {
		a.onDemand = a.conditional()
	}
	for _, fam := range []string{"", inet4, inet6} {
		a.scripts[fam] = map[string]string{}
		for _, op := range ops() {
			script, err := expand(a.props, fam, a.lookup(op, fam))
			if err != nil {
				return nil, fmt.Errorf("prepare %s of action %s in jail %s: %w", op, s.Name, s.Jail, err)
			}
			if strings.TrimSpace(script) == "" {
				script = "" // blank: no command
			}
			a.scripts[fam][op] = script
		}
	}
	return a, nil
}

// Name is the actname.
func (a *Action) Name() string { return a.spec.Name }

// Jail is the jail's name.
func (a *Action) Jail() string { return a.spec.Jail }

// File is the action file, which names the Queue.
func (a *Action) File() string { return a.spec.File }

// NotifyOnly tells whether a ban leaves nothing behind that must be undone, as with mail:
// such jobs may be dropped when a queue is full.
func (a *Action) NotifyOnly() bool { return a.props["actionunban"] == "" }

const (
	inet4 = "inet4"
	inet6 = "inet6"
)

// ops are the properties that are commands.
func ops() []string {
	return []string{"actionstart", "actionstop", "actionflush", "actioncheck", "actionrepair", "actionban",
		"actionunban", "actionreban", "actionprolong", "actionreload"}
}

// completeProps adds what fail2ban's actions always have as tags, set or not.
func completeProps(s Spec) map[string]string {
	props := map[string]string{}
	for _, op := range ops() {
		if op != "actionprolong" {
			props[op] = ""
		}
	}
	for key, value := range s.Props {
		props[key] = value
	}
	props["timeout"] = strconv.FormatInt(int64(s.Timeout/time.Second), 10)
	return props
}

// conditional tells whether any property differs by family (§4.4).
func (a *Action) conditional() bool {
	for key := range a.spec.Props {
		if strings.Contains(key, "?family=") {
			return true
		}
	}
	return false
}

func (a *Action) lookup(key, fam string) string {
	if value, ok := a.props[key+"?family="+fam]; ok && fam != "" {
		return value
	}
	return a.props[key]
}

func isTrue(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "on", "true", "yes":
		return true
	}
	return false
}

// bootID tells one boot of the kernel from the next (random(4)). Without it nothing is taken
// over from an earlier run, only undone.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
