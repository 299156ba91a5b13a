package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Command is one line of fail2ban's start-up stream, such as set sshd maxretry 5 (§5.3, -d).
// Its members are strings, ints, bools, lists of these, and Numbers.
type Command []any

// Numbers are the options of set thread, the one command that takes a dict.
type Numbers map[string]int

// Dump compiles the configuration into the commands that fail2ban-client -d prints, in its
// order. Globs of logpath are evaluated, as fail2ban does when it reads them.
func Dump(c *Config) []Command {
	out := dumpGlobal(c.Global)
	for i := range c.Jails {
		if !c.Jails[i].Broken {
			out = append(out, c.Jails[i].commands()...)
		}
	}
	for _, j := range c.Jails {
		if !j.Broken {
			out = append(out, Command{"start", j.Name})
		}
	}
	return out
}

func dumpGlobal(g Global) []Command {
	var out []Command
	if g.StackSize != nil {
		out = append(out, Command{"set", "thread", Numbers{"stacksize": *g.StackSize}})
	}
	for _, d := range [][2]string{{"syslogsocket", "auto"}, {"loglevel", "INFO"}, {"logtarget", "/var/log/fail2ban.log"}, {"allowipv6", "auto"},
		{"dbfile", "/var/lib/fail2ban/fail2ban.sqlite3"}, {"dbmaxmatches", ""}, {"dbpurgeage", "1d"}} {
		key, value := d[0], d[1]
		v, set := g.Options[key]
		switch {
		case key == "dbmaxmatches" && set:
			out = append(out, Command{"set", key, g.DBMaxMatches})
		case key == "dbmaxmatches":
		case set:
			out = append(out, Command{"set", key, v.Text()})
		default:
			out = append(out, Command{"set", key, value})
		}
	}
	return out
}

func (j *Jail) commands() []Command {
	out := []Command{{"add", j.Name, j.Backend}}
	set := func(args ...any) { out = append(out, append(Command{"set", j.Name}, args...)) }
	j.dumpFilter(set, &out)
	j.dumpOptions(set)
	for _, a := range j.Actions {
		if a.Python {
			set("addaction", a.Name, a.path, a.kwargs())
			continue
		}
		set("addaction", a.Name)
		out = append(out, Command{"multi-set", j.Name, "action", a.Name, a.pairs()})
	}
	return out
}

func (j *Jail) dumpFilter(set func(...any), out *[]Command) {
	f := &j.Filter
	if f.given["usedns"] || j.Options["usedns"].Lines != nil {
		set("usedns", f.UseDNS)
	}
	if f.given["prefregex"] {
		set("prefregex", f.Prefregex.Expr)
	}
	if f.MaxLines > 0 {
		set("maxlines", f.MaxLines)
	}
	for _, list := range []struct {
		name  string
		rules []Rule
	}{{"addignoreregex", f.Ignoreregex}, {"addfailregex", f.Failregex}} {
		switch len(list.rules) {
		case 0:
		case 1:
			set(list.name, list.rules[0].Expr)
		default:
			var all []any
			for _, r := range list.rules {
				all = append(all, r.Expr)
			}
			*out = append(*out, Command{"multi-set", j.Name, list.name, all})
		}
	}
	if f.given["datepattern"] {
		set("datepattern", f.DatePattern)
	}
	for _, m := range f.JournalMatch {
		args := []any{"addjournalmatch"}
		for _, w := range JournalWords(m) {
			args = append(args, w)
		}
		set(args...)
	}
}

func (j *Jail) dumpOptions(set func(...any)) {
	for _, key := range []string{"maxretry", "maxmatches", "findtime", "bantime", "bantime.increment", "bantime.factor", "bantime.formula",
		"bantime.multipliers", "bantime.maxtime", "bantime.rndtime", "bantime.overalljails", "ignorecommand", "ignoreself", "ignoreip",
		"ignorecache", "logtimezone", "logencoding"} {
		v, given := j.Options[key]
		if !given {
			continue
		}
		switch key {
		case "maxretry", "maxmatches":
			n, _ := strconv.Atoi(strings.TrimSpace(v.Text()))
			set(key, n)
		case "ignoreself", "bantime.increment", "bantime.overalljails":
			set(key, truth(v.Text()))
		case "ignoreip":
			args := []any{"addignoreip"}
			for _, ip := range j.IgnoreIP {
				args = append(args, ip)
			}
			set(args...)
		default:
			set(key, v.Text())
		}
	}
	if !strings.HasPrefix(j.Backend, "systemd") {
		j.dumpLogs(set)
	}
}

func (j *Jail) dumpLogs(set func(...any)) {
	for _, l := range j.LogPath {
		glob, mode, _ := cutLast(l)
		paths, err := filepath.Glob(glob)
		if err != nil {
			continue
		}
		slices.Sort(paths)
		for _, p := range paths {
			set("addlogpath", p, mode)
		}
	}
}

// cutLast splits at the last blank: the glob and head or tail of a LogPath.
func cutLast(s string) (front, last string, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// pairs is the list of an action's properties. Three of its options are booleans.
func (a *Action) pairs() []any {
	out := []any{}
	for _, key := range a.Order {
		var v any = a.Props[key].Text()
		switch key {
		case "actionstart_on_demand", "actionrepair_on_unban", "norestored":
			v = truth(a.Props[key].Text())
		}
		out = append(out, []any{key, v})
	}
	return out
}

// JournalWords splits a line of journalmatch as a shell would: blanks part, quotes hold
// together. A word "+" is OR.
func JournalWords(line string) []string {
	var words []string
	var word strings.Builder
	inside, quoted := false, rune(0)
	for _, r := range line {
		switch {
		case quoted != 0 && r == quoted:
			quoted = 0
		case quoted == 0 && (r == '"' || r == '\''):
			quoted, inside = r, true
		case quoted == 0 && (r == ' ' || r == '\t'):
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}
