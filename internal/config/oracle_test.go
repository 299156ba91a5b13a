package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dumper runs the installed client's -d, which reads a configuration and prints the commands it
// would send, over each directory. It needs no daemon. One process for all: Python's start
// costs more than a dump.
const dumper = `
import sys, os, ast, json
from fail2ban.client.fail2banclient import exec_command_line
for d in sys.argv[1:]:
    r, w = os.pipe()
    if os.fork() == 0:
        os.dup2(w, 1)
        try: exec_command_line(['fail2ban-client', '-d', '-c', d])
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(w)
    with os.fdopen(r, encoding='utf-8') as f:
        lines = [ast.literal_eval(l) for l in f if l.startswith('[')]
    os.wait()
    print(json.dumps(lines), flush=True)  # else the next fork inherits the text
`

// oracle is the commands that fail2ban compiles each directory to.
func oracle(t *testing.T, dirs ...string) [][]any {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"-c", dumper}, dirs...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test: "+errs.String())
	}
	var all [][]any
	for line := range strings.Lines(string(out)) {
		var commands []any
		if err := json.Unmarshal([]byte(line), &commands); err != nil {
			t.Fatal(err)
		}
		all = append(all, commands)
	}
	if len(all) != len(dirs) {
		t.Fatalf("%d answers to %d directories\n%s", len(all), len(dirs), errs.String())
	}
	return all
}

// ours is the same as gaol compiles it.
func ours(t *testing.T, dir string) []any {
	t.Helper()
	c, problems := Load(LoadOptions{Dir: dir, Version: oracleVersion(t)})
	for _, p := range problems {
		if p.Severity == Error {
			t.Errorf("%v", p)
		}
	}
	return asJSON(t, Dump(c))
}

// asJSON is commands as the oracle's answers are, read from JSON.
func asJSON(t *testing.T, dump []Command) []any {
	t.Helper()
	body, err := json.Marshal(dump)
	if err != nil {
		t.Fatal(err)
	}
	var commands []any
	if err := json.Unmarshal(body, &commands); err != nil {
		t.Fatal(err)
	}
	return commands
}

// oracleVersion is what %(fail2ban_version)s is to the installed client.
func oracleVersion(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), "fail2ban-client", "-V").Output()
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	return strings.TrimSpace(string(out))
}

// shown is one text per command.
func shown(commands []any) []string {
	out := make([]string, len(commands))
	for i, c := range commands {
		out[i] = fmt.Sprintf("%q", c)
	}
	return out
}

// newer names the actions in which gaol follows a newer fail2ban than the installed one: there
// a parameter replaces the values of both families (§0).
func newer(command string) bool {
	return strings.HasPrefix(command, `["multi-set" "pass2allow-ftp" "action"`)
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w && !newer(w) {
			at := max(0, samePrefix(g, w)-120)
			t.Fatalf("command %d of %d differs: %.60s\n ours     ...%.300s\n fail2ban ...%.300s", i, len(want), w, g[min(at, len(g)):], w[min(at, len(w)):])
		}
	}
}

// samePrefix is how many bytes a and b begin with alike.
func samePrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

var jailHead = regexp.MustCompile(`(?m)^\[([^\]]+)\]`)

// allJails enables every jail of the installed jail.conf.
func allJails(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile(installed + "/jail.conf")
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	var b strings.Builder
	for _, m := range jailHead.FindAllStringSubmatch(string(body), -1) {
		if !slices.Contains([]string{"DEFAULT", "INCLUDES"}, m[1]) {
			fmt.Fprintf(&b, "[%s]\nenabled = true\n", m[1])
		}
	}
	return b.String()
}

func TestEveryDebianJailCompilesAsFail2ban(t *testing.T) {
	dir := debianTree(t, map[string]string{"jail.local": allJails(t)})
	got, want := shown(ours(t, dir)), shown(oracle(t, dir)[0])
	if len(want) < 1000 {
		t.Fatalf("the oracle printed %d commands only", len(want))
	}
	compare(t, got, want)
}

// everything is a jail per installed action and per installed filter in each of its modes.
func everything(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("[DEFAULT]\nlogpath = /etc/passwd\nfilter = vsftpd\n")
	for _, name := range standalone(t, "action.d") {
		fmt.Fprintf(&b, "[a-%s]\nenabled = 1\naction = %s[name=x-%%(__name__)s, dest=\"a b, c\", port='1,2']\n", name, name)
	}
	b.WriteString("[mail]\nenabled = 1\naction = smtp.py[name=other, host=\"l\u00f6~c'al:25\", sender=\"\u20ac <b>&c\", matches=%(__name__)s]\n" +
		"  smtp.py[actname=second, dest='say \"\\x\"']\n")
	for _, name := range standalone(t, "filter.d") {
		for i, params := range []string{"", "[mode=aggressive]", "[mode=extra]", "[mode=ddos]", "[logtype=journal]", "[logtype=rfc5424, mode=normal]"} {
			fmt.Fprintf(&b, "[f-%s-%d]\nenabled = 1\nfilter = %s%s\naction =\n", name, i, name, params)
		}
	}
	return b.String()
}

// standalone is the installed files of folder that are no mere includes of others.
func standalone(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(installed, folder, "*.conf"))
	if err != nil || len(paths) == 0 {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	var names []string
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".conf")
		body, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "common") && bytes.Contains(body, []byte("\n[Definition]")) {
			names = append(names, name)
		}
	}
	return names
}

func TestEveryDebianFilterAndActionCompilesAsFail2ban(t *testing.T) {
	dir := debianTree(t, map[string]string{"jail.local": everything(t)})
	compare(t, shown(ours(t, dir)), shown(oracle(t, dir)[0]))
}
