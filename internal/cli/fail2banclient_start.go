package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
)

// startLimit is how long a server may take to answer, and to end.
const startLimit = 30 * time.Second

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
	var said bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "gaol"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	early, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.logf("ERROR", err.Error())
		return failed
	}
	if c.o.async {
		return 0
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(&said, early) // until it ends: its standard error is no terminal
	}()
	if c.await(ended) {
		fmt.Fprintln(c.out, "Server ready")
		return 0
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-ended
	_ = cmd.Wait()
	fmt.Fprint(c.errw, said.String())
	c.logf("ERROR", "Could not start server")
	return failed
}

// daemonArgs is the command line of gaol for a start.
func (c *fail2banClient) daemonArgs(conf *config.Config) []string {
	args := []string{"run", "-c", c.o.conf, "--fail2ban-socket", c.o.socket,
		"--pidfile", or(c.o.pidfile, conf.Global.PIDFile),
		"--logtarget", or(c.o.logtarget, conf.Global.LogTarget)}
	if c.o.loglevel != "" {
		args = append(args, "--loglevel", c.o.loglevel)
	}
	return args
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
	limit := time.After(or2(c.o.timeout, startLimit))
	for tick := time.NewTicker(50 * time.Millisecond); ; {
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

// awaitEnd waits until the server's socket is gone.
func (c *fail2banClient) awaitEnd() {
	limit := time.After(or2(c.o.timeout, startLimit))
	for tick := time.NewTicker(50 * time.Millisecond); c.alive(); {
		select {
		case <-tick.C:
		case <-limit:
			return
		}
	}
}

func or2(a, b time.Duration) time.Duration {
	if a > 0 {
		return a
	}
	return b
}

// reload sends the configuration. gaol reads its own; fail2ban takes the commands.
func (c *fail2banClient) reload(conf *config.Config, problems []config.Problem, words []string) int {
	jail := "--all"
	opts := []any{}
	for _, w := range words {
		switch {
		case w == "--all":
		case strings.HasPrefix(w, "--"):
			opts = append(opts, w)
		default:
			jail = w
		}
	}
	if !c.alive() {
		c.logf("ERROR", "Could not find server")
		return failed
	}
	if jail != "--all" && !slices.ContainsFunc(conf.Jails, func(j config.Jail) bool { return j.Name == jail }) {
		c.logf("ERROR", "Failed during configuration: No section: "+control.Repr(jail))
		return failed
	}
	c.report(problems)
	stream := []any{}
	for _, cmd := range config.Dump(conf) {
		if jail == "--all" || len(cmd) > 1 && cmd[1] == jail {
			stream = append(stream, []any(cmd))
		}
	}
	return c.send([]any{"reload", jail, opts, stream}, []string{"reload"})
}
