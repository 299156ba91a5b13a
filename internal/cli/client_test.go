package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestScripts runs the specification of the client subcommands, testdata/script/*.txt, against
// a daemon that is canned but listens on a real socket. The scripts know two commands: `gaol`,
// and `daemon [broken|process]`, which starts one on $SOCK.
func TestScripts(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	time.Local = time.UTC
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SOCK", filepath.Join(env.WorkDir, "sock"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"gaol": gaolCmd, "daemon": daemonCmd},
	})
}

func gaolCmd(ts *testscript.TestScript, neg bool, args []string) {
	root := &cobra.Command{Use: "gaol", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(clientCommands("1.2", func() error {
		if ts.Getenv("DROP") != "" {
			return errors.New(ts.Getenv("DROP"))
		}
		return nil
	})...)
	root.SetArgs(args)
	root.SetOut(ts.Stdout())
	root.SetErr(ts.Stderr())
	code := 0
	if err := root.Execute(); err != nil {
		code = printError(ts.Stderr(), err)
	}
	if (code != 0) != neg {
		ts.Fatalf("exit status %d", code)
	}
}

func daemonCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 && args[0] == "process" {
		ts.Check(startProcess(ts, ts.Getenv("SOCK")))
		return
	}
	s, err := control.Listen(control.ServerOptions{Path: ts.Getenv("SOCK"), Daemon: canned{broken: len(args) > 0}})
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
}

// canned answers as a daemon would that has one sound and one broken jail. What it says of
// bans holds what an attacker would write.
type canned struct {
	broken  bool
	stopped chan struct{} // closed by Stop
}

func (d canned) bans() []event.Ban {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return []event.Ban{
		{Jail: "sshd", ID: "203.0.113.66", Start: start, End: start.Add(10 * time.Minute), Count: 3,
			Regex: "filter.d/sshd.conf:41", Matches: []string{"Failed password for \x1b]0;owned\a\u009b31m\u202e from 203.0.113.66"}},
		{Jail: "sshd", ID: "198.51.100.0/24", Start: start, Manual: true, Reason: "scans\x1b[2J"},
	}
}

func (d canned) status(jail string) (control.Reply, error) {
	s := event.Status{
		Version: "1.2", PID: 42, Started: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), Config: "/etc/fail2ban",
		Firewall: "nft", FirewallProblem: "it is broken", Repairs: 3, LastRepair: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), Problems: []string{"jail.local:3: odd"},
		Jails: []event.JailStatus{{
			Name: "sshd", Running: true, Filter: "sshd", MaxRetry: 3, FindTime: 10 * time.Minute, BanTime: 90 * time.Minute,
			Port: "2222", Protocol: "tcp", Actions: []string{"gaol"}, Repairs: 1, LastRepair: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), Lines: 1000, Aborted: 2, CutLines: 1,
			Sources:         []event.SourceStatus{{Name: "/var/log/auth.log", Found: true, Lines: 1000}, {Name: "/var/log/secure"}},
			CurrentlyFailed: 2, TotalFailed: 17, CurrentlyBanned: 2, TotalBanned: 5, Bans: d.bans(),
			ActionStates: []event.ActionStatus{{Name: "well"}, {Name: "mail", Failing: true, Failures: 3, Waiting: 2, Dropped: 1,
				FailedAt: time.Date(2026, 11, 24, 11, 0, 0, 0, time.UTC), Error: "exit status 75"}},
		}, {Name: "nginx", Problem: "jail.local:9: no such filter"}},
	}
	if jail == "" {
		return control.Reply{Status: &s}, nil
	}
	for _, j := range s.Jails {
		if j.Name == jail {
			s.Jails = []event.JailStatus{j}
			return control.Reply{Status: &s}, nil
		}
	}
	return control.Reply{}, &control.Error{Fault: control.Unknown, Msg: fmt.Sprintf("no jail is called %q", jail), Hint: "these run: sshd"}
}

func (d canned) Do(_ context.Context, c control.Command) (control.Reply, error) {
	switch c := c.(type) {
	case control.Status:
		return d.status(c.Jail)
	case control.Version:
		return d.status("")
	case control.Ban:
		return d.ban(c)
	case control.Unban:
		return control.Reply{Bans: d.hits(c.ID)}, nil
	case control.Banned:
		return control.Reply{Bans: d.hits(c.ID)}, nil
	case control.Reload:
		r := control.Reply{Problems: []string{"jail.local:9: no such filter"}}
		if d.broken {
			return r, &control.Error{Fault: control.Failed, Msg: "nothing was changed", Hint: "mend it and run: gaol reload"}
		}
		return r, nil
	case control.Stop:
		close(d.stopped)
	}
	return control.Reply{}, nil
}

func (d canned) ban(c control.Ban) (control.Reply, error) {
	if a, err := netip.ParseAddr(c.ID); err == nil && a.IsLoopback() {
		return control.Reply{}, &control.Error{Fault: control.Refused, Msg: c.ID + " is never banned: it is a loopback address"}
	}
	b := event.Ban{Jail: c.Jail, ID: c.ID, Start: d.bans()[0].Start, Reason: c.Reason, Manual: true}
	if c.For == nil {
		b.End = b.Start.Add(time.Hour)
	} else if *c.For >= 0 {
		b.End = b.Start.Add(*c.For)
	}
	outcome := control.Imposed
	if len(d.hits(c.ID)) > 0 {
		outcome = control.Prolonged
	}
	return control.Reply{Bans: []event.Ban{b}, Outcome: outcome}, nil
}

func (d canned) hits(id string) (out []event.Ban) {
	for _, b := range d.bans() {
		if id == "" || id == b.ID {
			out = append(out, b)
		}
	}
	return out
}

// processEnv makes TestDaemonProcess a daemon on that socket.
const processEnv = "GAOL_TEST_DAEMON"

// startProcess starts a daemon in a process of its own, which `gaol stop` can see end.
func startProcess(ts *testscript.TestScript, socket string) error {
	cmd := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestDaemonProcess$")
	cmd.Env = append(os.Environ(), processEnv+"="+socket)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ts.Defer(func() {
		_, err := io.Copy(io.Discard, out)
		ts.Check(err)
		ts.Check(cmd.Wait())
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the daemon to be ready: %w", err)
	}
	return nil
}

// TestDaemonProcess is that process; by itself it tests nothing.
func TestDaemonProcess(t *testing.T) {
	socket := os.Getenv(processEnv)
	if socket == "" {
		return
	}
	d := canned{stopped: make(chan struct{})}
	s, err := control.Listen(control.ServerOptions{Path: socket, Daemon: d})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	<-d.stopped
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestEscapeJSON(t *testing.T) {
	var b strings.Builder
	if err := printJSON(&b, []string{"a\x1b\u009b\u202e\U000e0001<é\n"}); err != nil {
		t.Fatal(err)
	}
	want := "[\n  \"a\\u001b\\u009b\\u202e\\udb40\\udc01<é\\n\"\n]\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestShowSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "for ever", 0: "0s", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m", time.Hour: "1h",
		48 * time.Hour: "2d", 25 * time.Hour: "25h", 90 * time.Second: "1m30s", 20 * time.Second: "20s",
	} {
		if got := showSpan(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestReadSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"1h30m": 90 * time.Minute, "600": 10 * time.Minute, "-1": -1, "0": 0, "900y": 1 << 62} {
		d, err := readSpan(text)
		if err != nil || d == nil || *d < want-1 || *d > want {
			t.Errorf("%s: %v %v, want %v", text, d, err, want)
		}
	}
	if d, err := readSpan(""); d != nil || err != nil {
		t.Errorf("empty: %v, %v", d, err)
	}
}
