package docs

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asked is a gaol that runs on the installed configuration, asked under fail2ban's names.
type asked struct {
	t *testing.T
	w *world
}

func newAsked(t *testing.T) *asked {
	w := newWorld(t)
	w.do("mkdir twin && for p in client server regex; do ln -s $(command -v gaol) twin/fail2ban-$p; done")
	w.start(w.dir, "gaol run -c /etc/fail2ban")
	return &asked{t, w}
}

// commands tries the usages with the placeholders filled in. What ends the daemon or its jail
// is tried last, on a daemon of its own.
func (a *asked) commands(usages []string) map[string]bool {
	last := []string{"stop <JAIL>", "restart", "start", "stop"}
	alone := map[string]string{
		"stop <JAIL>": "fail2ban-client stop sshd && fail2ban-client set dbfile None",
		"restart":     "fail2ban-client restart && fail2ban-client ping",
		"start":       "fail2ban-client stop; fail2ban-client start && fail2ban-client ping",
		"stop":        "fail2ban-client stop && ! fail2ban-client ping",
	}
	worked := a.lines(func(usage string) string {
		if alone[usage] != "" {
			return "false"
		}
		words := usage
		for _, r := range slices.SortedFunc(maps.Keys(fillings()), func(x, y string) int { return len(y) - len(x) }) {
			words = strings.ReplaceAll(words, r, fillings()[r])
		}
		return before(usage) + "fail2ban-client " + regexp.MustCompile(`\[[^\]]*\]|\]`).ReplaceAllString(words, "")
	})(usages)
	maps.Copy(worked, newAsked(a.t).lines(func(usage string) string { return alone[usage] })(last))
	worked["set dbfile <FILE>"] = worked["stop <JAIL>"] // it is refused while jails run, as in fail2ban
	return worked
}

// lines runs one shell line for each name, all of them in one shell.
func (a *asked) lines(line func(string) string) func([]string) map[string]bool {
	return func(names []string) map[string]bool {
		script := "PATH=$PWD/twin:$PATH\n"
		for i, name := range names {
			script += fmt.Sprintf("( %s ) </dev/null >said 2>&1; status=$?; echo; echo \"%d $status\"; sed 's/^/> /' said | tail -n 2\n", line(name), i)
		}
		a.w.write(filepath.Join(a.w.dir, "script"), script)
		worked, said := map[string]bool{}, a.w.do("bash script")
		for i, name := range names {
			worked[name] = strings.Contains("\n"+said, fmt.Sprintf("\n%d 0\n", i))
		}
		a.t.Logf("%s", said)
		return worked
	}
}

// before is what has to be done so that a usage can succeed.
func before(usage string) string {
	for prefix, line := range map[string]string{
		"set <JAIL> dellogpath": "fail2ban-client set sshd addlogpath /var/log/other.log; ", "set <JAIL> delaction": "fail2ban-client set sshd addaction probe; ",
		"set <JAIL> delignoreip": "fail2ban-client set sshd addignoreip 192.0.2.1; ", "set <JAIL> addlogpath": ": >/var/log/other.log; ",
		"set <JAIL> delignoreregex": "fail2ban-client set sshd addignoreregex '^a <HOST>'; ",
	} {
		if strings.HasPrefix(usage, prefix) {
			return line
		}
	}
	return ""
}

func fillings() map[string]string {
	return map[string]string{
		"<JAIL>": "sshd", "add <JAIL> <BACKEND>": "add probe polling", "start <JAIL>": "start probe", "<IP> ... <IP>": "192.0.2.1 192.0.2.2", "<IP>": "192.0.2.1",
		"<LEVEL>": "INFO", "<TARGET>": "STDOUT", "auto|<SOCKET>": "auto", "set dbfile <FILE>": "set dbfile None", "<FILE>": "/var/log/other.log",
		"<INT>": "7", "<SECONDS>": "90000", "on|off": "off", "true|false": "true", "ignorecommand <VALUE>": "ignorecommand ''", "ignorecache <VALUE>": `ignorecache 'key="<ip>"'`,
		"usedns <VALUE>": "usedns no", "<ENCODING>": "utf-8", "addjournalmatch <MATCH>": "addjournalmatch _COMM=sshd", "deljournalmatch <MATCH>": "deljournalmatch",
		"<REGEX>": "'^a <HOST>'", "<INDEX>": "0", "<TIME>": "700", "<PATTERN>": "'%Y'", "<RETRY>": "6", "<LINES>": "2",
		"addaction <ACT>[ <PYTHONFILE> <JSONKWARGS>]": "addaction probe", "delaction <ACT>": "delaction probe", "<ACT>": "iptables-multiport", "<CMD>": "true",
		"<TIMEOUT>": "30", "<PROPERTY> <VALUE>": "port 22", "<METHOD>[ <JSONKWARGS>]": "start", "<PROPERTY>": "port",
	}
}

// clientOption uses an option of the client with a command that changes nothing.
func clientOption(usage string) string {
	first := regexp.MustCompile(`^(--?[\w-]+)`).FindString(usage)
	switch first {
	case "-c", "-s", "-p", "--pname", "--loglevel", "--logtarget", "--syslogsocket", "--timeout":
		value := map[string]string{"-c": "/etc/fail2ban", "-s": "/var/run/fail2ban/fail2ban.sock", "--loglevel": "INFO", "--timeout": "3"}[first]
		return "fail2ban-client " + first + " " + or(value, "probe") + " ping"
	case "--str2sec":
		return "fail2ban-client --str2sec 1h"
	case "-i":
		return "echo quit | fail2ban-client -i"
	case "-x", "-b", "-f", "--async", "-v", "-q": // the first four are of a start; a ping takes them too
		return "fail2ban-client " + first + " ping"
	}
	return "fail2ban-client " + first
}

// regexOption uses an option of fail2ban-regex on one line.
func regexOption(usage string) string {
	first := regexp.MustCompile(`^(--?[\w-]+)`).FindString(usage)
	value := map[string]string{"-c": "/etc/fail2ban", "-d": "'%Y'", "--timezone": "UTC", "-e": "utf-8", "--usedns": "no", "-L": "1",
		"-m": "_COMM=sshd", "-l": "info", "--verbosity": "1", "-o": "ip"}[first]
	return "fail2ban-regex " + first + " " + value + " '2026-11-24T14:00:00Z a 192.0.2.1' '^ a <HOST>$'"
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// differences are the rows that work otherwise than in fail2ban, with what is otherwise.
func differences() map[string]string {
	client, options := "fail2ban-client, commands: ", "fail2ban-client and fail2ban-server, options: "
	return map[string]string{
		"fail2ban.conf: stacksize":                                              "taken and shown, without effect: Go's stacks grow by themselves",
		"fail2ban.conf: logtarget":                                              "heeded by the service and by fail2ban-server and fail2ban-client; `gaol run` by hand logs to standard output; no `format`",
		"fail2ban.conf: dbfile":                                                 "read at the first start, never written; gaol keeps [its own](state.md)",
		"jail.conf: logencoding":                                                "auto is UTF-8; UTF-7 and ISO-2022 but Japan's are not known",
		"jail.conf: skip_if_nologs":                                             "without it a jail whose logs are missing waits for them, and no other jail for it",
		"jail.conf: bantime.formula":                                            "Python's expressions, run by Starlark ([0041](decisions/0041-increment.md))",
		"action.d: actionprolong":                                               "run for every ban that ends later than it did, also for one that further failures extend",
		client + "stop":                                                         "bans of `banaction = gaol` stay in the kernel until they end",
		client + "reload [--restart] [--unban] [--all]":                         "gaol reads its own tree, not what the client sends",
		client + "reload [--restart] [--unban] [--if-exists] <JAIL>":            "gaol reads its own tree, not what the client sends",
		client + "help":                                                         "our own words",
		client + "version":                                                      "the 1.1 that gaol speaks",
		client + "set dbfile <FILE>":                                            "taken where no jail runs, as in fail2ban; it changes nothing",
		client + "set syslogsocket auto|<SOCKET>":                               "refused where the log goes there and nobody listens",
		client + "set <JAIL> logencoding <ENCODING>":                            "auto is UTF-8; UTF-7 and ISO-2022 but Japan's are not known",
		client + "set <JAIL> usedns <VALUE>":                                    "counts for all regexes at once",
		client + "set <JAIL> attempt <IP> [<failure1> ... <failureN>]":          "who is in ignoreip is not counted, as in 1.1",
		client + "set <JAIL> banip <IP> ... <IP>":                               "own addresses and gateways are refused",
		client + "set <JAIL> addaction <ACT>[ <PYTHONFILE> <JSONKWARGS>]":       "of Python files only `smtp.py`, by its twin",
		client + "set <JAIL> action <ACT> <PROPERTY> <VALUE>":                   "the action is stopped and started anew with all bans",
		client + "set <JAIL> action <ACT> <METHOD>[ <JSONKWARGS>]":              "of `banaction = gaol` they are the jail's; fail2ban's inner ones are refused ([0040](decisions/0040-deviations.md))",
		client + "add <JAIL> <BACKEND>":                                         "a jail that runs already is told so, as in 1.1",
		options + "-v":                                                          "taken; there is no such log",
		options + "-h, --help":                                                  "our own words",
		options + "-V, --version":                                               "the 1.1 that gaol speaks",
		"fail2ban-regex, options: -h, --help":                                   "our own words",
		"fail2ban-regex, options: -m JOURNALMATCH, --journalmatch=JOURNALMATCH": "taken; the log `systemd-journal` is refused, with the journalctl command that writes it to a file",
	}
}
