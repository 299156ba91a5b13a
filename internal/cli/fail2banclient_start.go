package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
)

// How long a server may take to answer, and to end: its actions have 30 s for that.
const (
	startLimit = 30 * time.Second
	endLimit   = 40 * time.Second
)

// start starts gaol, in the background unless -f was given.
func (c *fail2banClient) start(conf *config.Config) int {
	if c.alive() {
		c.logf("ERROR", "Server already running")
		return failed
	}
	args := c.daemonArgs(conf)
	if c.o.foreground {
		return Main(append([]string{"gaol"}, args...), c.in, c.out, c.errw)
	}
	self, err := os.Executable()
	if err != nil {
		c.logf("ERROR", err.Error())
		return failed
	}
	said, err := os.CreateTemp("", "gaol-start-")
	if err != nil {
		c.logf("ERROR", err.Error())
		return failed
	}
	defer said.Close()
	_ = os.Remove(said.Name())
	// Not a pipe: a daemon that writes to one whose reader has gone is killed (SIGPIPE).
	cmd := exec.CommandContext(context.Background(), self, args...)
	cmd.Args[0], cmd.Dir, cmd.Stderr = "gaol", "/", said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		c.logf("ERROR", err.Error())
		return failed
	}
	if c.o.async {
		return 0
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	if c.await(ended) {
		fmt.Fprintln(c.out, "Server ready")
		return 0
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // where it was only too slow
	<-ended
	if _, err := said.Seek(0, io.SeekStart); err == nil {
		_, _ = io.Copy(c.errw, said)
	}
	c.logf("ERROR", "Could not start server")
	return failed
}

// daemonArgs is the command line of gaol for a start.
func (c *fail2banClient) daemonArgs(conf *config.Config) []string {
	target := or(c.o.logtarget, conf.Global.LogTarget)
	if !c.o.foreground && (target == "STDERR" || target == "SYSOUT") {
		target = "STDOUT" // which is /dev/null
	}
	if strings.Contains(target, "/") {
		target = absolute(target)
	}
	from := []string{"-c", absolute(c.o.conf)}
	if c.embedded {
		from = []string{"--embedded"}
	}
	args := append([]string{"run"}, from...)
	args = append(args, "--fail2ban-socket", absolute(c.o.socket),
		"--pidfile", absolute(or(c.o.pidfile, conf.Global.PIDFile)),
		"--logtarget", target, "--syslogsocket", or(c.o.syslogsocket, conf.Global.SyslogSocket))
	if c.o.loglevel != "" {
		args = append(args, "--loglevel", c.o.loglevel)
	}
	return args
}

// absolute is a path as a daemon sees it, which runs in /.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		return abs
	}
	return path
}

func (c *fail2banClient) alive() bool {
	conn, err := control.DialFail2ban(context.Background(), c.o.socket, 5*time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, err = conn.Ask([]any{"ping"})
	return err == nil
}

// await waits until the server answers; false: it ended, or took too long.
func (c *fail2banClient) await(ended <-chan struct{}) bool {
	limit := time.After(cmp.Or(c.o.timeout, startLimit))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c.alive() {
			return true
		}
		select {
		case <-tick.C:
		case <-ended:
			return false
		case <-limit:
			return false
		}
	}
}

// stop ends the server and waits until its process is gone: the next start must not meet it.
func (c *fail2banClient) stop() int {
	pid := 0
	if conn, err := control.DialFail2ban(context.Background(), c.o.socket, 0); err == nil {
		pid = conn.PID()
		conn.Close()
	}
	status := c.send([]any{"stop"}, []string{"stop"})
	if status != 0 || pid == 0 {
		return status
	}
	limit := time.After(cmp.Or(c.o.timeout, endLimit))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil && !zombie(pid) {
		select {
		case <-tick.C:
		case <-limit:
			return status
		}
	}
	return status
}

// zombie says whether a process has ended, and only its parent has not asked yet (proc(5)).
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, ok := bytes.Cut(b, []byte(") "))
	return err != nil || ok && bytes.HasPrefix(state, []byte("Z"))
}

// reload sends the configuration. gaol reads its own; fail2ban takes the commands.
func (c *fail2banClient) reload(conf *config.Config, problems []config.Problem, words []string) int {
	jail := "--all"
	opts := []any{}
	var rest []any
	for _, w := range words {
		if w == "--restart" || w == "--unban" || w == "--if-exists" {
			opts = append(opts, w)
		} else {
			rest, jail = append(rest, w), w
		}
	}
	if len(rest) > 1 {
		c.logf("ERROR", "Unexpected argument(s) for reload: "+control.Repr(rest))
		return failed
	}
	if !c.alive() {
		c.logf("ERROR", "Could not find server")
		return failed
	}
	if jail != "--all" && !slices.ContainsFunc(conf.Jails, func(j config.Jail) bool { return j.Name == jail }) {
		c.logf("ERROR", "Failed during configuration: No section: "+control.Repr(jail))
		return failed
	}
	c.report(slices.DeleteFunc(problems, func(p config.Problem) bool { return jail != "--all" && p.Jail != "" && p.Jail != jail }))
	stream := []any{}
	for _, cmd := range config.Dump(conf) {
		if jail == "--all" || len(cmd) > 1 && cmd[1] == jail {
			stream = append(stream, request(cmd))
		}
	}
	return c.send([]any{"reload", jail, opts, stream}, []string{"reload"})
}
