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

// The installed fail2ban-client is the oracle: -d reads a configuration and prints the commands
// it would send. It needs no daemon.
const client = "fail2ban-client"

// oracle runs the installed client over dir and returns its commands as JSON lines.
func oracle(t *testing.T, dir string) []string {
	t.Helper()
	path, err := exec.LookPath(client)
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	cmd := exec.CommandContext(t.Context(), path, "-d", "-c", dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s -d -c %s: %v\n%s%s", client, dir, err, out, errs.String())
	}
	return pythonLines(t, out)
}

// pythonLines turns Python list literals, one per line, into JSON lines.
func pythonLines(t *testing.T, out []byte) []string {
	t.Helper()
	const script = "import sys,ast,json\nfor l in sys.stdin:\n  if l.startswith('['): print(json.dumps(ast.literal_eval(l), ensure_ascii=False))"
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script)
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	cmd.Stdin = bytes.NewReader(out)
	lines, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	return strings.Split(strings.TrimRight(string(lines), "\n"), "\n")
}

// ours is the same stream as gaol compiles it.
func ours(t *testing.T, dir string) []string {
	t.Helper()
	c, problems := Load(LoadOptions{Dir: dir, Version: oracleVersion(t)})
	for _, p := range problems {
		if p.Severity == Error {
			t.Errorf("%v", p)
		}
	}
	var lines []string
	for _, cmd := range Dump(c) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(cmd); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(b.String()))
	}
	return lines
}

// oracleVersion is what %(fail2ban_version)s is to the installed client.
func oracleVersion(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), client, "-V").Output()
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	return strings.TrimSpace(string(out))
}

// normal makes the two streams comparable: Python writes blanks behind commas and colons.
func normal(t *testing.T, lines []string) []string {
	t.Helper()
	out := make([]string, len(lines))
	for i, l := range lines {
		var v any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		out[i] = fmt.Sprintf("%q", v)
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
	got, want = normal(t, got), normal(t, want)
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
	got, want := ours(t, dir), oracle(t, dir)
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
	compare(t, ours(t, dir), oracle(t, dir))
}
