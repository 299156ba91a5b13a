package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gaol/internal/config"
)

const compatibilityPage = "docs/compatibility.md"

// TestCompatibilityTable tries every option and command of fail2ban on gaol and holds the page
// to what came of it. What there is to try is read from the installed fail2ban: its help texts
// and its configuration. GAOL_WRITE_DOCS=1 writes the page.
func TestCompatibilityTable(t *testing.T) {
	notes := differences()
	var table strings.Builder
	section := func(title string, names []string, works func([]string) map[string]bool) {
		worked := works(names)
		fmt.Fprintf(&table, "\n## %s\n\n| fail2ban | gaol | what differs |\n|---|---|---|\n", title)
		for _, name := range names {
			state, note := "no", notes[title+": "+name]
			switch {
			case worked[name] && note == "":
				state = "yes"
			case worked[name]:
				state = "differs"
			default:
				t.Errorf("%s: %s does not work", title, name)
			}
			delete(notes, title+": "+name)
			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), state, note)
		}
		if len(names) < 5 {
			t.Errorf("%s: found only %q", title, names)
		}
	}
	section("fail2ban.conf", globalOptions(t), each(globalIsRead(t)))
	section("jail.conf", jailOptions(t), each(jailIsRead(t)))
	section("filter.d", filterOptions(), each(jailIsRead(t)))
	section("action.d", actionOptions(), each(isNamedIn(t, "internal/action")))
	ask := newAsked(t)
	section("fail2ban-client, commands", clientCommands(t), ask.commands)
	section("fail2ban-client and fail2ban-server, options", helpOptions(t, "fail2ban-client"), ask.lines(clientOption))
	section("fail2ban-regex, options", helpOptions(t, "fail2ban-regex"), ask.lines(regexOption))
	for left := range notes {
		t.Errorf("differences() has %q, which fail2ban does not have", left)
	}
	holdPage(t, table.String())
}

// each tries names one by one.
func each(works func(string) bool) func([]string) map[string]bool {
	return func(names []string) map[string]bool {
		worked := map[string]bool{}
		for _, name := range names {
			worked[name] = works(name)
		}
		return worked
	}
}

// holdPage compares the generated part of the page, or writes it.
func holdPage(t *testing.T, want string) {
	t.Helper()
	page := read(t, compatibilityPage)
	got := between(t, page, "<!-- compatibility -->\n", "<!-- end of compatibility -->")
	switch {
	case got == want:
	case os.Getenv("GAOL_WRITE_DOCS") != "":
		page = strings.Replace(page, "<!-- compatibility -->\n"+got, "<!-- compatibility -->\n"+want, 1)
		if err := os.WriteFile(filepath.Join(root, compatibilityPage), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		had := strings.Split(got, "\n")
		for _, l := range strings.Split(want, "\n") {
			if !slices.Contains(had, l) {
				t.Errorf("%s has not: %s", compatibilityPage, l)
			}
		}
		t.Errorf("%s is not what came of the trial; write it with\n  GAOL_WRITE_DOCS=1 go test ./test/docs -run Compatibility", compatibilityPage)
	}
}

// options are the keys of a section of one of the installed fail2ban's files, in order.
func options(t *testing.T, file, from, to string) (keys []string) {
	t.Helper()
	text, err := os.ReadFile("/etc/fail2ban/" + file)
	if err != nil {
		missing(t, "read the installed fail2ban's configuration", err)
	}
	_, section, _ := strings.Cut(string(text), "\n["+from+"]\n")
	section, _, _ = strings.Cut(section, "\n["+to+"]\n")
	for _, m := range regexp.MustCompile(`(?m)^#?\s?([a-z0-9_.]+) *=`).FindAllStringSubmatch(section, -1) {
		if !slices.Contains(keys, m[1]) {
			keys = append(keys, m[1])
		}
	}
	return keys
}

func globalOptions(t *testing.T) []string {
	return append(options(t, "fail2ban.conf", "DEFAULT", "Thread"), append(options(t, "fail2ban.conf", "Thread", ""), "allowipv6")...)
}

// more are jail options that fail2ban knows and its jail.conf does not set (jail.conf(5)).
func more() []string {
	return []string{"logpath", "journalmatch", "logtimezone", "maxlines", "prefregex", "failregex", "ignoreregex", "datepattern",
		"ignoreself", "ignoreip", "ignorecache", "skip_if_nologs", "systemd_if_nologs"}
}

func jailOptions(t *testing.T) []string {
	all := options(t, "jail.conf", "DEFAULT", "sshd")
	for _, key := range more() {
		if !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return slices.DeleteFunc(all, func(key string) bool { return strings.HasSuffix(key, "_apikey") || key == "cfemail" })
}

func filterOptions() []string {
	return []string{"prefregex", "failregex", "ignoreregex", "maxlines", "datepattern", "journalmatch"}
}

func actionOptions() []string {
	return []string{"actionstart", "actionstop", "actioncheck", "actionban", "actionunban", "actionprolong", "actionflush",
		"actionreload", "actionrepair", "actionrepair_on_unban", "actionstart_on_demand", "norestored", "timeout"}
}

// values are two values for an option that must come to different jails; others take pair().
func values() map[string][2]string {
	return map[string][2]string{
		"enabled": {"false", "true"}, "backend": {"auto", "polling"}, "usedns": {"no", "yes"}, "mode": {"normal", "aggressive"},
		"filter": {"sshd", "postfix"}, "action": {"iptables", "nftables"}, "banaction": {"iptables", "nftables"}, "banaction_allports": {"iptables", "nftables"},
		"journalmatch": {"_COMM=a", "_COMM=b"}, "logtimezone": {"UTC", "UTC+0200"}, "logencoding": {"utf-8", "ascii"},
		"prefregex": {"^a <F-CONTENT>.+</F-CONTENT>$", "^b <F-CONTENT>.+</F-CONTENT>$"}, "failregex": {"^a <HOST>", "^b <HOST>"},
		"ignoreip": {"192.0.2.1", "192.0.2.2"}, "ignorecache": {`key="<ip>"`, `key="<ip4>"`}, "protocol": {"tcp", "udp"}, "port": {"22", "23"},
		"ignoreself": {"false", "true"}, "skip_if_nologs": {"false", "true"}, "systemd_if_nologs": {"false", "true"},
		"bantime.increment": {"false", "true"}, "bantime.overalljails": {"false", "true"}, "bantime.multipliers": {"1 2", "1 3"},
		"bantime.formula": {"ban.Time * 2", "ban.Time * 3"}, "allowipv6": {"yes", "no"}, "mta": {"sendmail", "mail"}, "stacksize": {"0", "64"}, "loglevel": {"INFO", "DEBUG"},
	}
}

func pair(key string) [2]string {
	if v, ok := values()[key]; ok {
		return v
	}
	if strings.HasPrefix(key, "action_") {
		return [2]string{"iptables", "nftables"}
	}
	return [2]string{"11", "12"}
}

// loaded is the installed configuration with some lines on top.
func loaded(t *testing.T, dir, name, lines string) *config.Config {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	c, _ := config.Load(config.LoadOptions{Dir: dir})
	return c
}

func installed(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS("/etc/fail2ban")); err != nil {
		missing(t, "copy the installed fail2ban's configuration", err)
	}
	return dir
}

// jailIsRead says whether two values of an option make two different jails, apart from the
// list of what was read.
func jailIsRead(t *testing.T) func(string) bool {
	dir := installed(t)
	return func(key string) bool {
		var jails [2][]config.Jail
		for i, value := range pair(key) {
			lines := "[probe]\n"
			for name, other := range map[string]string{"enabled": "true", "filter": "sshd[mode=%(mode)s]", "logpath": "/var/log/probe.log",
				"action": "%(action_mwl)s", "bantime.increment": "true", "blocklist_de_apikey": "x"} {
				switch {
				case name == key:
					continue
				case name == "action" && key == "fail2ban_agent":
					other = "%(action_blocklist_de)s"
				case name == "action" && (strings.HasPrefix(key, "action_") || key == "banaction_allports"):
					other = "%(" + key + ")s"
				}
				lines += name + " = " + other + "\n"
			}
			jails[i] = loaded(t, dir, "jail.d/zz.local", sortedLines(lines)+key+" = "+value+"\n").Jails
			for j := range jails[i] {
				jails[i][j].Options = nil
			}
		}
		return !reflect.DeepEqual(jails[0], jails[1])
	}
}

func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines[1:])
	return strings.Join(lines, "")
}

func globalIsRead(t *testing.T) func(string) bool {
	dir := installed(t)
	return func(key string) bool {
		var got [2]config.Global
		for i, value := range pair(key) {
			section := "Definition"
			if key == "stacksize" {
				section = "Thread"
			}
			got[i] = loaded(t, dir, "fail2ban.d/zz.local", "["+section+"]\n"+key+" = "+value+"\n").Global
			got[i].Options = nil
		}
		return !reflect.DeepEqual(got[0], got[1])
	}
}

// isNamedIn says whether a name stands as a text in the source of a room.
func isNamedIn(t *testing.T, room string) func(string) bool {
	t.Helper()
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(root, room, "*.go"))
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			all.WriteString(read(t, filepath.Join(room, filepath.Base(f))))
		}
	}
	return func(name string) bool { return strings.Contains(all.String(), `"`+name+`"`) }
}

// helpText is what one of the installed fail2ban's programs says of itself.
func helpText(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/usr/bin/"+program, "--help").Output()
	if err != nil {
		missing(t, "ask the installed fail2ban", err)
	}
	return string(out)
}

// clientCommands are the usages in fail2ban-client's help.
func clientCommands(t *testing.T) (all []string) {
	_, text, _ := strings.Cut(helpText(t, "fail2ban-client"), "\nCommand:\n")
	for _, m := range regexp.MustCompile(`(?m)^    (\S.*?)(?:  .*| (?:sets|gets) .*)?$`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// helpOptions are the options in a program's help, as "-x, --long VALUE".
func helpOptions(t *testing.T, program string) (all []string) {
	text, _, _ := strings.Cut(helpText(t, program), "\nCommand:\n")
	for _, m := range regexp.MustCompile(`(?m)^ {2,4}(-\S.*?)(?:  .*)?$`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}
