package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check is every finding: what Load reported and what a configuration that loads may still get
// wrong. It reads nothing but what was loaded; the kernel's side is not its business.
func (c *Config) Check() []Problem {
	k := &checker{problems: slices.Clone(c.problems)}
	for i := range c.Jails {
		if j := &c.Jails[i]; !j.Broken {
			k.sources(j)
			k.inherited(j)
			k.sshd(j)
			k.mode(j)
			k.words(j)
			k.aggregate(j)
			k.escalate(j)
			for n := range j.Actions {
				k.commands(j, &j.Actions[n])
			}
		}
	}
	return tidy(k.problems)
}

type checker struct {
	problems []Problem
}

func (k *checker) say(s Severity, j *Jail, at Pos, hint, format string, args ...any) {
	k.problems = append(k.problems, Problem{Pos: at, Severity: s, Jail: j.Name, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// sources finds jails that cannot find or ban anybody.
func (k *checker) sources(j *Jail) {
	journal := strings.HasPrefix(j.Backend, "systemd")
	switch {
	case journal && len(j.Filter.JournalMatch) == 0:
		k.say(Warning, j, j.Where("backend"), "write journalmatch = _SYSTEMD_UNIT=NAME.service",
			"jail %q reads the whole journal: its filter has no journalmatch", j.Name)
	case !journal && len(j.LogPath) == 0 && len(j.Filter.JournalMatch) == 0 && j.Container == "":
		k.say(Error, j, j.Where("logpath"), "write logpath = /path/of/the.log", "jail %q has no logpath, it watches nothing", j.Name)
	}
	if len(j.Filter.Failregex) == 0 {
		k.say(Error, j, j.Where("filter"), "write failregex = ... in the filter or in the jail", "jail %q has no failregex, it finds nobody", j.Name)
	}
	if len(j.Actions) == 0 {
		k.say(Warning, j, j.Where("action"), "write banaction = gaol", "jail %q has no action, it bans nobody", j.Name)
	}
}

// inherited finds a jail whose container was named, and which goes on reading the log that another
// file gave it: jail.conf has a logpath for each of its jails.
func (k *checker) inherited(j *Jail) {
	at := j.Where("logpath")
	inside := slices.ContainsFunc(j.LogPath, func(l string) bool { return strings.HasPrefix(l, "container:") })
	if j.Container == "" || len(j.LogPath) == 0 || inside || strings.HasPrefix(j.Backend, "systemd") || at.File == j.Where("container").File {
		return
	}
	path, _, _ := strings.Cut(j.LogPath[0], " ")
	k.say(Warning, j, j.Where("container"), "write `logpath =` in ["+j.Name+"] to read the container's log; or write the logpath that is meant beside `container`",
		"jail %q reads %s of this machine, which %s gives it, and not the log of container %s", j.Name, path, at, j.Container)
}

// words checks options that fail2ban maps silently when it does not know them.
func (k *checker) words(j *Jail) {
	if !slices.Contains([]string{"yes", "warn", "no", "raw"}, strings.ToLower(j.UseDNS)) {
		k.say(Warning, j, j.Where("usedns"), "write usedns = yes, warn, no or raw", "usedns %s is none of yes, warn, no, raw; it means no", quote(j.UseDNS))
	}
	if f := strings.ToLower(strings.TrimSpace(j.LogFormat)); !slices.Contains([]string{"", "plain", "json-file", "cri", "k8s-file"}, f) {
		k.say(Warning, j, j.Where("logformat"), "write logformat = json-file, cri or plain", "logformat %s is none of plain, json-file, cri; it means plain", quote(j.LogFormat))
	}
}

// sshdWord finds a program pattern that ends with the literal sshd.
var sshdWord = lazyRegexp(`(?:^|[(|:])sshd(?:$|[)|])`)

// sshd finds filters that miss OpenSSH ≥ 9.8, which logs as sshd-session.
func (k *checker) sshd(j *Jail) {
	_, own := j.Options["prefregex"]
	if own || !sshdWord().MatchString(j.Filter.Daemon) || strings.Contains(j.Filter.Daemon, "session") {
		return
	}
	line := "filter = " + j.FilterName + "["
	for _, key := range slices.Sorted(maps.Keys(j.Filter.Params)) {
		if key != "logtype" && key != "_daemon" {
			line += key + "=" + quoteParam(j.Filter.Params[key]) + ", "
		}
	}
	if _, passed := j.Filter.Params["mode"]; !passed && j.Options["mode"].Lines != nil {
		line += "mode=%(mode)s, "
	}
	k.say(Warning, j, j.Where("filter"), "write in ["+j.Name+"]: "+line+`_daemon="sshd(?:-session|-auth)?"]`,
		"filter %q of jail %q expects lines of %q only; OpenSSH since 9.8 logs as sshd-session, which it does not match",
		j.FilterName, j.Name, j.Filter.Daemon)
}

// mode finds a mode that stands in the jail and never gets to the filter: only the default
// filter = %(__name__)s[mode=%(mode)s] hands it on (§1.4).
func (k *checker) mode(j *Jail) {
	v, set := j.Options["mode"]
	if _, passed := j.Filter.Params["mode"]; !set || passed || j.FilterName == "" {
		return
	}
	k.say(Warning, j, v.Pos(), "write in ["+j.Name+"]: filter = "+j.FilterName+"[mode=%(mode)s]",
		"mode = %s of jail %q reaches no filter, since filter = %s does not pass it on", v.Text(), j.Name, j.FilterName)
}

func quoteParam(s string) string {
	if strings.ContainsAny(s, ",] \"") {
		return `'` + s + `'`
	}
	return s
}

// commandOptions are the options of an action that are run by the shell.
func commandOptions() []string {
	return []string{"actionstart", "actionstop", "actionflush", "actionreload", "actioncheck", "actionrepair",
		"actionban", "actionprolong", "actionreban", "actionunban"}
}

// commands looks at the commands of one action as they would run.
func (k *checker) commands(j *Jail, a *Action) {
	if a.Native {
		return
	}
	for _, key := range commandOptions() {
		for _, l := range a.Props[key].Lines {
			k.typography(j, key, l)
			k.unresolved(j, a, key, l)
		}
	}
}

var (
	bentDash = lazyRegexp(`(?:^|\s)([\x{2010}-\x{2015}\x{2212}]\S*)`)
	bentMark = lazyRegexp(`[\x{2010}-\x{2015}\x{2212}\x{2018}-\x{201F}\x{00A0}\x{3000}]`)
)

// typography finds what a web page or a word processor made of - and ".
func (k *checker) typography(j *Jail, key string, l Line) {
	if m := bentDash().FindStringSubmatch(l.Text); m != nil && len([]rune(m[1])) > 1 {
		rest := string([]rune(m[1])[1:])
		k.say(Error, j, l.Pos, "write --"+rest+" (or -"+rest+") with plain minus signs",
			"%s: %q begins with a typographic dash (%U); the program will not take it as an option", key, m[1], []rune(m[1])[0])
		return
	}
	if m := bentMark().FindString(l.Text); m != "" {
		k.say(Warning, j, l.Pos, "write plain - \" ' and blanks in commands", "%s: typographic character %q (%U)", key, m, []rune(m)[0])
	}
}

// runtimeTag is the tags that exist when a command runs (§1.7).
var runtimeTag = lazyRegexp(`^(?:ip|family|ip-rev|ip-host|fid|failures|time|bantime|bancount|matches|restored|F-.*|ip(?:jail)?matches|` +
	`ip(?:jail)?failures|raw-ticket|jail\.(?:banned|banned_total|found|found_total|name)|(?:fq|sh)-hostname|br|sp|timeout)$`)

// atCommand is a tag where the shell expects a program.
var atCommand = lazyRegexp(`(?:^|[;|&{(])\s*$`)

// unresolved finds tags of the action's files that nothing defines. They reach the shell as
// redirections. What only substitution made look like a tag, such as the address in a mail's
// <<sender>>, is none.
func (k *checker) unresolved(j *Jail, a *Action, key string, l Line) {
	for _, m := range tagForm().FindAllStringSubmatchIndex(l.Text, -1) {
		tag := l.Text[m[2]:m[3]]
		if runtimeTag().MatchString(tag) || !a.written[tag] || a.defines(tag) {
			continue
		}
		severity := Warning
		if atCommand().MatchString(l.Text[:m[0]]) {
			severity = Error
		}
		k.say(severity, j, l.Pos, "define it: "+tag+" = VALUE in [Init] of action.d/"+a.File+".local, or pass "+a.File+"["+tag+"=VALUE]",
			"%s: tag <%s> has no value; the shell would read it as a redirection", key, tag)
	}
}

// defines says whether run time has a value for tag, in any family.
func (a *Action) defines(tag string) bool {
	if _, ok := a.Props[tag]; ok {
		return true
	}
	return slices.ContainsFunc(a.Order, func(key string) bool { return strings.HasPrefix(key, tag+"?") })
}
