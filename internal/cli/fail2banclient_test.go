package cli

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gaol/internal/control"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test binary gaol itself where it is called by a name of gaol's.
func TestMain(m *testing.M) {
	if slices.Contains([]string{"gaol", "fail2ban-client", "fail2ban-server"}, filepath.Base(os.Args[0])) {
		os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// clientTree is the configuration that clients and servers are compared on.
var clientTree = map[string]string{
	"fail2ban.conf": `[Definition]
loglevel = INFO
logtarget = DIR/f2b.log
syslogsocket = auto
socket = DIR/f2b.sock
pidfile = DIR/f2b.pid
dbfile = DIR/f2b.sqlite3
dbpurgeage = 1d
dbmaxmatches = 10
allowipv6 = auto
`,
	"gaol.conf": "[Definition]\nstate = DIR/state\nsocket = DIR/gaol.sock\n",
	"jail.conf": `[DEFAULT]
backend = polling
usedns = no
ignoreself = false
action = rec[name=%(__name__)s]
filter = demo
[web]
enabled = true
logpath = DIR/web.log
maxretry = 3
findtime = 10m
bantime = 1h
[ssh]
enabled = true
logpath = DIR/ssh.log
          DIR/ssh2.log
maxretry = 5
ignoreip = 192.0.2.0/24 127.0.0.1
`,
	"filter.d/demo.conf": `[Definition]
failregex = ^bad <HOST>$
            ^worse login from <ADDR> as <F-USER>\S+</F-USER>$
ignoreregex = ^ok
`,
	"action.d/rec.conf": `[Definition]
actionstart = echo "start <name>" >> DIR/rec.out
actionstop = echo "stop <name>" >> DIR/rec.out
actioncheck =
actionban = echo "ban <name> <ip>" >> DIR/rec.out
actionunban = echo "unban <name> <ip>" >> DIR/rec.out
[Init]
port = 22
`,
}

func writeClientTree(t *testing.T, dir string) {
	t.Helper()
	for name, text := range clientTree {
		path := filepath.Join(dir, "conf", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, log := range []string{"web.log", "ssh.log", "ssh2.log"} {
		if err := os.WriteFile(filepath.Join(dir, log), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// said is one command of a run and what became of it.
type said struct{ Command, Out, Err, Status string }

// runClient runs all commands with one client against one server.
func runClient(t *testing.T, server, client string) []said {
	t.Helper()
	dir := t.TempDir()
	writeClientTree(t, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	gaol := filepath.Join(dir, "fail2ban-client")
	if err := os.Symlink(self, gaol); err != nil {
		t.Fatal(err)
	}
	name := map[string]string{"real": "real", "gaol": gaol}
	cmd := exec.CommandContext(t.Context(), "unshare", "-n", python, "testdata/client/run.py", dir, name[server], name[client], "testdata/client/commands.txt")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run %s against %s: %v\n%s\n%.2000s", client, server, err, stderr.String(), out)
	}
	var all []said
	for _, one := range strings.Split(string(out), "\x00")[1:] {
		parts := strings.Split(one, "\x01")
		all = append(all, said{parts[0], parts[1], parts[2], parts[3]})
	}
	return all
}

// TestClientsAndServers compares the four pairs of real and gaol (issue 3, "Client"). What
// differs is in docs/decisions/0040-deviations.md.
func TestClientsAndServers(t *testing.T) {
	needRoot(t)
	pairs := [][2]string{{"real", "real"}, {"gaol", "real"}, {"gaol", "gaol"}, {"real", "gaol"}}
	results := make([][]said, len(pairs))
	t.Run("run", func(t *testing.T) {
		for i, p := range pairs {
			t.Run(p[1]+" client, "+p[0]+" server", func(t *testing.T) {
				t.Parallel()
				results[i] = runClient(t, p[0], p[1])
			})
		}
	})
	if t.Failed() {
		return
	}
	if len(results[0]) < 150 {
		t.Errorf("only %d commands were run", len(results[0]))
	}
	for i, p := range pairs[1:] {
		for k, want := range results[0] {
			want, got := known(want), known(results[i+1][k])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s client, %s server: %s (-real +got):\n%s", p[1], p[0], want.Command, diff)
			}
		}
	}
}

// known takes out of an answer what is known to differ.
func known(s said) said {
	switch s.Command {
	case "version", "-V", "--version":
		s.Out = strings.ReplaceAll(s.Out, "1.0.2", "1.1.0")
	case "--nope":
		s.Out = "" // the list of options, in our own words

	}
	// §0: 1.1's token for IPv6 addresses.
	s.Out = strings.ReplaceAll(s.Out, "{1,4}::?|::){1,7}", "{1,4}::?|:){1,7}")
	return s
}

func TestOptionsOfClients(t *testing.T) {
	for _, c := range []struct {
		args   string
		rest   string
		status bool
	}{
		{"-xf start", "start", true},
		{"-c /x -vv set j bantime -1", "set j bantime -1", true},
		{"-c/x --socket=/s ping", "ping", true},
		{"--timeout 3 --loglevel DEBUG start", "start", true},
		{"-- -x", "-x", true},
		{"-c", "", false},
		{"--nope", "", false},
		{"-Z", "", false},
		{"--timeout x", "", false},
	} {
		var o fail2banOptions
		rest, err := o.parse(strings.Fields(c.args))
		if (err == nil) != c.status || strings.Join(rest, " ") != c.rest {
			t.Errorf("%s: rest %q, error %v", c.args, rest, err)
		}
	}
}

func TestTextsOfNewerServers(t *testing.T) {
	jail := listOf(pairOf("Filter", listOf(pairOf("Currently failed", int64(0)))), pairOf("Actions", listOf(pairOf("Banned IP list", listOf("192.0.2.1", "192.0.2.2")))))
	got := fail2banText([]string{"status", "--all"}, listOf(pairOf("Number of jail", int64(1)), pairOf("Jail list", "a"), pairOf("Status for the jails", dictOf("a", jail))))
	want := "Status\n|- Number of jail:\t1\n|- Jail list:\ta\n`- Status for the jails: \n   `- Jail: a\n      |- Filter\n      |  `- Currently failed:\t0\n      `- Actions\n         `- Banned IP list:\t192.0.2.1 192.0.2.2"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := fail2banText([]string{"stats"}, dictOf()); got != "No jails found." {
		t.Errorf("no jails: %q", got)
	}
	if got := fail2banText([]string{"stats"}, dictOf("a", listOf("polling", tupleOf(int64(1), int64(2)), tupleOf(int64(3), int64(4))))); !strings.Contains(got, "a        | polling  | 1        | 2        | 3        | 4") {
		t.Errorf("table:\n%s", got)
	}
}

func listOf(items ...any) []any               { return items }
func tupleOf(items ...any) control.Tuple      { return items }
func pairOf(name string, v any) control.Tuple { return control.Tuple{name, v} }

func dictOf(items ...any) (d control.Dict) {
	for i := 0; i+1 < len(items); i += 2 {
		d = append(d, control.Pair{Key: items[i], Value: items[i+1]})
	}
	return d
}

// TestServerInForeground is what systemd's unit of fail2ban runs: fail2ban-server -xf start.
func TestServerInForeground(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	writeClientTree(t, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fail2ban-client", "fail2ban-server"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "conf")
	server := exec.CommandContext(t.Context(), "unshare", "-n", filepath.Join(dir, "fail2ban-server"), "-c", conf, "-xf", "--logtarget", "STDOUT", "start")
	said, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(said)
	for started := 0; started < 2 && log.Scan(); {
		if strings.Contains(log.Text(), "jail started") {
			started++
		}
	}
	client := &fail2banClient{o: fail2banOptions{socket: filepath.Join(dir, "f2b.sock")}}
	if !client.await(nil) {
		t.Fatal("the server does not answer")
	}
	pid, err := os.ReadFile(filepath.Join(dir, "f2b.pid"))
	if err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(server.Process.Pid) {
		t.Errorf("pid file: %q, %v; want %d", pid, err, server.Process.Pid)
	}
	run := func(name string, words ...string) string {
		out, _ := exec.CommandContext(t.Context(), filepath.Join(dir, name), append([]string{"-c", conf}, words...)...).CombinedOutput()
		return string(out)
	}
	for _, name := range []string{"fail2ban-client", "fail2ban-server"} {
		if out := run(name, "start"); !strings.Contains(out, "Server already running") {
			t.Errorf("%s start: %s", name, out)
		}
	}
	if out := run("fail2ban-server", "stop"); out != "Shutdown successful\n" {
		t.Errorf("stop: %s", out)
	}
	for log.Scan() {
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if out := run("fail2ban-client", "ping"); !strings.Contains(out, "Is fail2ban running?") {
		t.Errorf("ping after the end: %s", out)
	}
}

// TestRestartWaitsForTheEnd starts, restarts and stops in the background, one after another:
// no server meets the one before it.
func TestRestartWaitsForTheEnd(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	writeClientTree(t, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(dir, "fail2ban-client")
	if err := os.Symlink(self, client); err != nil {
		t.Fatal(err)
	}
	script := `cd "$1/.."; c="$0 -c conf"; for w in start restart stop start ping; do $c $w || exit 1; done
mv $1/jail.conf $1/x; sed 's/filter = demo/filter = nope/' $1/x >$1/jail.conf
$c reload 2>/dev/null; $c reload web 2>/dev/null; $c status | tail -n 1; $0 -c $1 -s $1/other.sock start 2>&1 | grep -o 'in use by another gaol'; test -s $1/../f2b.pid && echo kept; $c stop; $c start 2>/dev/null; echo $?`
	out, err := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", script, client, filepath.Join(dir, "conf")).CombinedOutput()
	want := `Server ready
Shutdown successful
Server ready
Shutdown successful
Server ready
Server replied: pong
OK
errors in the configuration: 1; what they break keeps its running version (mend them and run: gaol reload)
` + "`- Jail list:\tssh, web" + `
in use by another gaol
kept
Shutdown successful
255
`
	if diff := cmp.Diff(want, string(out)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// needRoot ends a test that needs a network namespace and may not make one; under CI it fails.
func needRoot(t *testing.T) {
	t.Helper()
	const how = "needs root for a network namespace: sudo go test ./internal/cli"
	switch {
	case os.Getuid() == 0:
	case os.Getenv("CI") != "":
		t.Fatal(how)
	default:
		t.Skip(how)
	}
}
