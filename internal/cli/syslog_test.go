package cli

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gaol/internal/engine"

	"github.com/spf13/cobra"
)

// listener is a syslogd that keeps what it hears: a socket that nobody empties stops who writes.
type listener struct {
	*net.UnixConn
	all chan string
}

func syslogd(t *testing.T, path string) *listener {
	t.Helper()
	_ = os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	l := &listener{c, make(chan string, 1000)}
	go func() {
		defer close(l.all)
		b := make([]byte, 64<<10)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			l.all <- regexp.MustCompile(`\[\d+\]:`).ReplaceAllString(string(b[:n]), "[PID]:")
		}
	}()
	return l
}

// heard is the next datagram, without the process id.
func heard(t *testing.T, l *listener) string {
	t.Helper()
	select {
	case text, ok := <-l.all:
		if !ok {
			t.Fatal("the socket is closed")
		}
		return text
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is heard")
		return ""
	}
}

type logRun struct {
	*logFile
	log         *slog.Logger
	stdout, err bytes.Buffer
}

func openLogRun(t *testing.T, target, socket string) *logRun {
	t.Helper()
	r := &logRun{}
	c := &cobra.Command{}
	c.SetOut(&r.stdout)
	c.SetErr(&r.err)
	var err error
	if r.logFile, err = openLog(c, target, socket, slog.LevelInfo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	r.log = slog.New(engine.NewLogHandler(r.logFile, r.level)).With("logger", "actions")
	return r
}

func TestLogToSyslogAndJournal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	d := syslogd(t, path)
	r := openLogRun(t, "SYSLOG", path)
	say := func(want string) {
		t.Helper()
		r.log.Log(t.Context(), engine.Notice, "[web] Ban 192.0.2.1")
		if got := heard(t, d); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	set := func(key, value string) {
		t.Helper()
		if err := r.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	say("<29>fail2ban.actions[PID]: NOTICE [web] Ban 192.0.2.1\x00")
	set("logtarget", "SYSLOG[facility=local3]")
	say("<157>fail2ban.actions[PID]: NOTICE [web] Ban 192.0.2.1\x00")
	if err := r.Set("logtarget", "SYSLOG[facility=nope]"); err == nil || r.Setting("logtarget") != "SYSLOG" {
		t.Errorf("a facility that is none: %v, %s", err, r.Setting("logtarget"))
	}
	// syslogd starts anew: its socket is another one of the same name.
	d.Close()
	d = syslogd(t, path)
	say("<157>fail2ban.actions[PID]: NOTICE [web] Ban 192.0.2.1\x00")
	d2 := syslogd(t, filepath.Join(dir, "other"))
	set("syslogsocket", filepath.Join(dir, "other"))
	d = d2
	say("<157>fail2ban.actions[PID]: NOTICE [web] Ban 192.0.2.1\x00")
	if err := r.Set("syslogsocket", filepath.Join(dir, "nobody")); err == nil || r.Setting("syslogsocket") != filepath.Join(dir, "other") {
		t.Errorf("a socket of nobody: %v, %s", err, r.Setting("syslogsocket"))
	}
	set("logtarget", "SYSTEMD-JOURNAL") // on the same socket here, else on journald's
	say("PRIORITY=5\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER=fail2ban.actions\nMESSAGE=[web] Ban 192.0.2.1\n")
	if r.err.Len() > 0 || r.stdout.Len() > 0 {
		t.Errorf("said besides: %q %q", r.err.String(), r.stdout.String())
	}
}

// TestLogOfWhichNobodyHears: the lines go to standard error, and it is said once why.
func TestLogOfWhichNobodyHears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	r := openLogRun(t, "SYSLOG", path)
	r.log.Info("one")
	r.log.Info("two")
	d := syslogd(t, path)
	r.log.Info("three")
	if got := heard(t, d); !strings.Contains(got, "INFO three") {
		t.Errorf("heard %q", got)
	}
	said := regexp.MustCompile(`(?m)^\S+ \S+ fail2ban.*: `).ReplaceAllString(r.err.String(), "LINE: ")
	want := "gaol: error: open log: reach syslog: dial unixgram " + path + ": connect: no such file or directory; logging to standard error until then\n" +
		"LINE: INFO    one\nLINE: INFO    two\n"
	if said != want {
		t.Errorf("said %q\nwant %q", said, want)
	}
}

func TestLogTargetsWithOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for options, want := range map[string]string{
		"":                             `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.actions {8} \[\d+\]: INFO    said\n$`,
		"[padding=off]":                `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.actions\[\d+\]: INFO said\n$`,
		"[padding=on, datetime=off]":   `^fail2ban\.actions {8} \[\d+\]: INFO    said\n$`,
		`[padding="off",datetime=off]`: `^fail2ban\.actions\[\d+\]: INFO said\n$`,
	} {
		r := openLogRun(t, path+options, "")
		r.log.Info("said")
		text, err := os.ReadFile(path)
		if err != nil || !regexp.MustCompile(want).Match(text) || r.Setting("logtarget") != path {
			t.Errorf("%s: %q, %v", options, text, err)
		}
		os.Remove(path)
	}
	if _, err := parseLogTarget(path + "[format=short]"); err == nil {
		t.Error("a format of its own is taken")
	}
}

// TestSyslogIsFail2bans bans one address on fail2ban and on gaol, each with SYSLOG as its target,
// and holds what syslogd hears of it against each other.
func TestSyslogIsFail2bans(t *testing.T) {
	needRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, client := range []string{"/usr/bin/fail2ban-client", "gaol"} {
		dir := t.TempDir()
		writeClientTree(t, dir)
		if client == "gaol" {
			client = filepath.Join(dir, "fail2ban-client")
			if err := os.Symlink(self, client); err != nil {
				t.Fatal(err)
			}
		}
		d := syslogd(t, filepath.Join(dir, "log"))
		script := `ip link set lo up; c="$0 -c $1/conf"; $c --logtarget SYSLOG --syslogsocket $1/log start; $c get logtarget; $c get syslogsocket; $c set web banip 192.0.2.1; $c stop`
		cmd := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", script, client, dir)
		cmd.WaitDelay = time.Second // fail2ban's server keeps the pipes for a while
		out, err := cmd.CombinedOutput()
		want := "Server ready\nCurrent logging target is:\n`- SYSLOG\nCurrent syslog socket is:\n`- " + dir + "/log\n1\nShutdown successful\n"
		if string(out) != want {
			t.Fatalf("%s: %v\n%s", client, err, out)
		}
		got := ""
		for !strings.Contains(got, " Ban ") {
			got = heard(t, d)
		}
		told = append(told, got)
	}
	if len(told) != 2 || told[0] != told[1] {
		t.Errorf("syslogd hears %q", told)
	}
}
