package engine

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/host"
)

// change is one key of `set JAIL KEY ...`.
type change struct {
	words  int    // how many must follow
	answer string // setting whose value is the reply; empty: none
	anew   bool   // the jail's logs or actions change
	number bool   // the first word is a number; fail2ban says so before it looks for the jail
	apply  func(j *config.Jail, args []string) error
	idle   bool                               // the first word is on or off
	live   func(w *worker, args []string) any // instead of apply: no matter of configuration
}

// check is what can be said of the words before the jail is known.
func (c *change) check(args []string) error {
	if c.idle && args[0] != "on" && args[0] != "off" {
		return invalid("Exception", "Invalid idle option, must be 'on' or 'off'")
	}
	if !c.number {
		return nil
	}
	_, err := number(args[0])
	return err
}

// changeOf finds a key; nil: there is none.
func changeOf(key string) *change {
	switch key {
	case "maxretry", "maxmatches", "maxlines":
		return &change{words: 1, answer: key, number: true, apply: func(j *config.Jail, a []string) error { return setNumber(j, key, a[0]) }}
	case "bantime", "findtime":
		return &change{words: 1, answer: key, apply: func(j *config.Jail, a []string) error { return setTime(j, key, a[0]) }}
	case "usedns", "ignoreself", "ignorecommand", "ignorecache", "logtimezone", "datepattern", "prefregex":
		return &change{words: 1, answer: key, apply: func(j *config.Jail, a []string) error { return setText(j, key, a[0]) }}
	case "logencoding":
		return &change{words: 1, answer: key, anew: true, apply: func(j *config.Jail, a []string) error { return setText(j, key, a[0]) }}
	case "addignoreip", "delignoreip":
		return &change{answer: "ignoreip", apply: func(j *config.Jail, a []string) error { return editIgnoreIP(j, key, a) }}
	case "addfailregex", "addignoreregex":
		return &change{words: 1, answer: key[3:], apply: func(j *config.Jail, a []string) error {
			rules := rulesOf(j, key[3:])
			*rules = append(*rules, config.Rule{Expr: a[0], Pos: config.Pos{File: "fail2ban-client"}})
			return nil
		}}
	case "delfailregex", "delignoreregex":
		return &change{words: 1, answer: key[3:], number: true, apply: func(j *config.Jail, a []string) error {
			return deleteRule(rulesOf(j, key[3:]), a[0])
		}}
	case "addlogpath", "dellogpath":
		return &change{words: 1, answer: "logpath", anew: true, apply: func(j *config.Jail, a []string) error { return editLogPath(j, key, a) }}
	case "addjournalmatch", "deljournalmatch":
		return &change{answer: "journalmatch", anew: true, apply: func(j *config.Jail, a []string) error { return editJournalMatch(j, key, a) }}
	case "idle":
		return &change{words: 1, idle: true, live: setIdle}
	case "addaction", "delaction", "action":
		return actionChange(key)
	}
	if strings.HasPrefix(key, "bantime.") {
		return &change{words: 1, answer: key, apply: func(j *config.Jail, a []string) error { return setIncrement(j, key, a[0]) }}
	}
	return nil
}

func number(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, invalid("ValueError", "invalid literal for int() with base 10: "+pyRepr(text))
	}
	return n, nil
}

func setNumber(j *config.Jail, key, text string) error {
	n, err := number(text)
	if err != nil {
		return err
	}
	switch key {
	case "maxretry":
		j.MaxRetry = n
	case "maxmatches":
		j.MaxMatches = n
	case "maxlines":
		if n < 1 {
			return invalid("ValueError", "maxlines must be integer greater than zero")
		}
		j.Filter.MaxLines = n
	}
	return nil
}

// span reads fail2ban's time grammar.
func span(text string) (time.Duration, error) {
	s, err := config.Seconds(text)
	if err != nil {
		return 0, invalid("NameError", "name "+pyRepr(text)+" is not defined")
	}
	return time.Duration(s * float64(time.Second)), nil
}

func setTime(j *config.Jail, key, text string) error {
	d, err := span(text)
	if err != nil {
		return err
	}
	if key == "bantime" {
		j.BanTime = d
	} else {
		j.FindTime = d
	}
	return nil
}

func setText(j *config.Jail, key, text string) error {
	switch key {
	case "usedns":
		j.UseDNS = "no"
		if mode := strings.ToLower(text); slices.Contains([]string{"yes", "warn", "raw"}, mode) {
			j.UseDNS = mode
		}
		j.Filter.UseDNS = j.UseDNS
	case "ignoreself":
		j.IgnoreSelf = truth(text)
	case "ignorecommand":
		j.IgnoreCommand = text
		j.Options[key] = valueOf(text)
	case "ignorecache":
		j.IgnoreCache = text
		j.Options[key] = valueOf(text)
	case "logtimezone":
		if _, err := date.ParseZone(text); err != nil {
			return invalid("ValueError", "Unknown or unsupported time zone: "+pyRepr(text))
		}
		j.LogTimezone = text
	case "datepattern":
		j.Filter.DatePattern, j.Filter.DatePatternPos = text, config.Pos{File: "fail2ban-client"}
	case "prefregex":
		j.Filter.Prefregex = config.Rule{Expr: text, Pos: config.Pos{File: "fail2ban-client"}}
	case "logencoding":
		if _, err := date.Decoder(text); err != nil {
			return invalid("LookupError", "unknown encoding: "+text)
		}
		j.LogEncoding = text
	}
	return nil
}

// setIncrement sets one of bantime.X; X that nobody reads are kept, as fail2ban keeps them.
func setIncrement(j *config.Jail, key, text string) error {
	inc := &j.Increment
	switch key {
	case "bantime.increment":
		inc.On = truth(text)
	case "bantime.overalljails":
		inc.OverallJails = truth(text)
	case "bantime.factor":
		inc.Factor = text
	case "bantime.formula":
		inc.Formula = text
	case "bantime.multipliers":
		inc.Multipliers = nil
		for _, word := range strings.Fields(text) {
			n, err := number(word)
			if err != nil {
				return err
			}
			inc.Multipliers = append(inc.Multipliers, n)
		}
	case "bantime.maxtime", "bantime.rndtime":
		d, err := span(text)
		if err != nil {
			return err
		}
		if key == "bantime.maxtime" {
			inc.MaxTime = max(d, 0)
		} else {
			inc.RndTime = max(d, 0)
		}
	}
	j.Options[key] = valueOf(text)
	return nil
}

func rulesOf(j *config.Jail, key string) *[]config.Rule {
	if key == "failregex" {
		return &j.Filter.Failregex
	}
	return &j.Filter.Ignoreregex
}

// deleteRule deletes by index, from the end where it is negative; one that is not there is no
// error.
func deleteRule(rules *[]config.Rule, text string) error {
	n, err := number(text)
	if err != nil {
		return err
	}
	if n < 0 {
		n += len(*rules)
	}
	if n >= 0 && n < len(*rules) {
		*rules = slices.Delete(*rules, n, n+1)
	}
	return nil
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func editIgnoreIP(j *config.Jail, key string, args []string) error {
	if key == "delignoreip" && len(args) == 0 {
		return missingWord()
	}
	all := ignoreIPs(j.IgnoreIP)
	for _, one := range args {
		id, kind := host.ParseID(one)
		if kind == event.Raw || kind == event.Name {
			id = one
		}
		if key == "addignoreip" {
			all = append(all, id)
			continue
		}
		if one == "--all" {
			all = nil
			continue
		}
		i := slices.Index(all, id)
		if i < 0 {
			return invalid("ValueError", "list.remove(x): x not in list")
		}
		all = slices.Delete(all, i, i+1)
	}
	j.IgnoreIP = all
	return nil
}

func editLogPath(j *config.Jail, key string, args []string) error {
	path := args[0]
	if key == "addlogpath" {
		mode := "head"
		if len(args) > 1 {
			mode = args[1]
		}
		if mode != "head" && mode != "tail" {
			return invalid("ValueError", "File option must be 'head' or 'tail'")
		}
		if !exists(path) {
			return invalid("FileNotFoundError", path)
		}
		j.LogPath = append(j.LogPath, path+" "+mode)
		return nil
	}
	var left []string
	for _, l := range j.LogPath {
		glob, mode, _ := strings.Cut(l, " ")
		if ok, err := filepath.Match(glob, path); glob != path && (err != nil || !ok) {
			left = append(left, l)
			continue
		}
		files, err := filepath.Glob(glob)
		if err != nil {
			return err
		}
		for _, f := range files { // a glob becomes its other files
			if f != path {
				left = append(left, f+" "+mode)
			}
		}
	}
	j.LogPath = left
	return nil
}

func editJournalMatch(j *config.Jail, key string, args []string) error {
	if !strings.HasPrefix(j.Backend, "systemd") {
		return nil
	}
	line := strings.Join(args, " ")
	if key == "addjournalmatch" {
		j.Filter.JournalMatch = append(j.Filter.JournalMatch, line)
		return nil
	}
	if line == "" {
		j.Filter.JournalMatch = nil
		return nil
	}
	before := len(j.Filter.JournalMatch)
	j.Filter.JournalMatch = slices.DeleteFunc(j.Filter.JournalMatch, func(l string) bool { return l == line })
	if len(j.Filter.JournalMatch) == before {
		return invalid("ValueError", "Match "+pyRepr(line)+" not found")
	}
	return nil
}

func setIdle(w *worker, args []string) any {
	w.idle = args[0] == "on"
	if w.listener != nil {
		w.listener.idle.Store(w.idle)
	}
	return w.idle
}

// pyRepr is text as Python prints it in messages.
func pyRepr(text string) string { return control.Repr(text) }

func valueOf(text string) config.Value { return config.Value{Lines: []config.Line{{Text: text}}} }
