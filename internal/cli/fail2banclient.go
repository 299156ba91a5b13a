package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
)

// failed is the exit status of fail2ban-client on any failure (§5.2).
const failed = 255

// fail2banClient is one call of fail2ban-client or fail2ban-server.
type fail2banClient struct {
	name    string // what it was called as
	o       fail2banOptions
	in      io.Reader
	out     io.Writer
	errw    io.Writer
	version string

	embedded bool // no directory has a configuration: the one inside of gaol
}

// Fail2banClient runs the command line of fail2ban-client, or of fail2ban-server where name
// says so, and returns the exit status: 0 done, 255 failed.
func Fail2banClient(name string, args []string, in io.Reader, out, errw io.Writer) int {
	c := &fail2banClient{name: name, in: in, out: out, errw: errw, version: config.DefaultVersion}
	rest, err := c.o.parse(args)
	if err != nil {
		c.usage()
		fmt.Fprintln(c.errw, "Init of command line failed")
		return failed
	}
	if status, done := c.answerAlone(); done {
		return status
	}
	if c.o.conf == "" {
		c.o.conf = config.DefaultDir()
		c.embedded = c.o.conf == "" // as gaol itself has it, on a machine that never had a fail2ban
	}
	if info, err := os.Stat(c.o.conf); !c.embedded && (err != nil || !info.IsDir()) {
		c.logf("ERROR", "Base configuration directory "+c.o.conf+" does not exist")
		return failed
	}
	return c.run(rest)
}

// answerAlone carries out the options that need neither configuration nor server.
func (c *fail2banClient) answerAlone() (status int, done bool) {
	switch {
	case c.o.help:
		c.usage()
	case c.o.shortVersion:
		fmt.Fprintln(c.out, c.version)
	case c.o.longVersion:
		fmt.Fprintln(c.out, "Fail2Ban v"+c.version)
	case c.o.str2sec != "":
		s, err := config.Seconds(c.o.str2sec)
		if err != nil {
			fmt.Fprintf(c.out, "ERROR: name %s is not defined\n", control.Repr(c.o.str2sec))
			fmt.Fprintln(c.errw, "Init of command line failed")
			return failed, true
		}
		fmt.Fprintln(c.out, trimFloat(s))
	default:
		return 0, false
	}
	return 0, true
}

func trimFloat(f float64) string {
	if f == float64(int64(f)) {
		return fmt.Sprint(int64(f))
	}
	return fmt.Sprint(f)
}

func (c *fail2banClient) run(words []string) int {
	conf, problems := config.Load(config.LoadOptions{Dir: c.o.conf, Embedded: c.embedded, Version: c.version})
	if c.o.socket == "" {
		c.o.socket = conf.Global.Socket
	}
	if c.o.dump {
		return c.dump(conf, problems)
	}
	if c.o.test {
		if status := c.test(problems); status != 0 || len(words) == 0 {
			return status
		}
	}
	if c.o.interactive {
		return c.interact(conf, problems)
	}
	if len(words) == 0 && c.name != "fail2ban-server" {
		c.usage()
		return failed
	}
	if len(words) == 0 {
		words = []string{"start"}
	}
	return c.command(conf, problems, words)
}

// command carries out one command.
func (c *fail2banClient) command(conf *config.Config, problems []config.Problem, words []string) int {
	switch {
	case words[0] == "help":
		c.usage()
		return 0
	case words[0] == "start" && len(words) == 1:
		return c.start(conf)
	case words[0] == "stop" && len(words) == 1:
		return c.stop()
	case words[0] == "restart" && len(words) == 1:
		if status := c.stop(); status != 0 {
			return status
		}
		return c.start(conf)
	case words[0] == "restart":
		words = append([]string{"reload", "--restart"}, words[1:]...)
		fallthrough
	case words[0] == "reload":
		return c.reload(conf, problems, words[1:])
	case words[0] == "ping" && len(words) > 1: // how long to wait, which gaol does not need
		if _, err := strconv.ParseFloat(words[1], 64); err != nil {
			c.logf("ERROR", "could not convert string to float: "+control.Repr(words[1]))
			return failed
		}
	}
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return c.send(list, words)
}

// send asks the server and prints its answer; words choose the text.
func (c *fail2banClient) send(list []any, words []string) int {
	conn, err := control.DialFail2ban(context.Background(), c.o.socket, c.o.timeout)
	if err != nil {
		c.unreached(err)
		return failed
	}
	defer conn.Close()
	v, err := conn.Ask(list)
	if err == nil {
		fmt.Fprintln(c.out, fail2banText(words, v))
		return 0
	}
	var x control.Exception
	if !errors.As(err, &x) {
		c.logf("ERROR", err.Error())
		return failed
	}
	c.logf("ERROR", "NOK: "+x.Shown())
	fmt.Fprintln(c.out, refusal(x))
	return failed
}

// refusal is what a server's error is shown as.
func refusal(x control.Exception) string {
	switch {
	case strings.HasSuffix(x.Class, ".UnknownJailException"):
		return fmt.Sprintf("Sorry but the jail '%s' does not exist", x.Text())
	case strings.HasSuffix(x.Class, ".DuplicateJailException"):
		return fmt.Sprintf("The jail '%s' already exists", x.Text())
	case x.Class == "builtins.IndexError":
		return "Sorry but the command is invalid"
	}
	return x.Text()
}

func (c *fail2banClient) unreached(err error) {
	if errors.Is(err, os.ErrPermission) {
		c.logf("ERROR", "Permission denied to socket: "+c.o.socket+", (you must be root)")
		return
	}
	c.logf("ERROR", "Failed to access socket path: "+c.o.socket+". Is fail2ban running?")
}

// logf writes to standard error what fail2ban logs there.
func (c *fail2banClient) logf(level, msg string) {
	now := time.Now()
	fmt.Fprintf(c.errw, "%s,%03d %-24s[%d]: %-7s %s\n", now.Format(time.DateTime), now.Nanosecond()/1e6, "fail2ban", os.Getpid(), level, msg)
}

// dump prints the commands that a server is started with (-d).
func (c *fail2banClient) dump(conf *config.Config, problems []config.Problem) int {
	for _, cmd := range config.Dump(conf) {
		fmt.Fprintln(c.out, control.Repr(request(cmd)))
	}
	if !c.report(problems) && len(conf.Jails) > 0 && !sound(conf) {
		c.logf("ERROR", "Init of command line failed")
		return failed
	}
	return 0
}

// request is a command as it is sent.
func request(cmd config.Command) []any {
	list := slices.Clone([]any(cmd))
	for i, v := range list {
		if numbers, ok := v.(config.Numbers); ok {
			d := control.Dict{}
			for _, key := range slices.Sorted(maps.Keys(numbers)) {
				d = append(d, control.Pair{Key: key, Value: numbers[key]})
			}
			list[i] = d
		}
	}
	return list
}

// sound says whether a jail can run.
func sound(conf *config.Config) bool {
	for _, j := range conf.Jails {
		if !j.Broken {
			return true
		}
	}
	return false
}

// test says whether the configuration is sound (-t).
func (c *fail2banClient) test(problems []config.Problem) int {
	if !c.report(problems) {
		c.logf("ERROR", "ERROR: test configuration failed")
		return failed
	}
	fmt.Fprintln(c.out, "OK: configuration test is successful")
	return 0
}

// report logs what is wrong; true: no error.
func (c *fail2banClient) report(problems []config.Problem) bool {
	ok := true
	for _, p := range problems {
		if p.Severity == config.Error {
			ok = false
			c.logf("ERROR", p.String())
		}
	}
	return ok
}

// interact reads commands until the end of input or "quit" (-i).
func (c *fail2banClient) interact(conf *config.Config, problems []config.Problem) int {
	lines := bufio.NewScanner(c.in)
	for fmt.Fprint(c.out, "fail2ban> "); lines.Scan(); fmt.Fprint(c.out, "fail2ban> ") {
		words := config.JournalWords(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "quit" || words[0] == "exit" {
			return 0
		}
		c.command(conf, problems, words)
	}
	fmt.Fprintln(c.out)
	return 0
}

func (c *fail2banClient) usage() {
	fmt.Fprintf(c.out, `Usage: %s [OPTIONS] <COMMAND>

This is gaol %s, which speaks fail2ban's command line (v%s).

Options:
    -c, --conf DIR          configuration directory
    -s, --socket FILE       socket of the server
    -p, --pidfile FILE      file for the server's process id
    --loglevel LEVEL, --logtarget TARGET, --syslogsocket SOCKET, --pname NAME
                            of a server that is started
    -d, --dp, --dump-pretty print the commands that the configuration stands for
    -t, --test              say whether the configuration is sound
    -i                      read commands from standard input
    -b, -f                  start in the background (default), in the foreground
    -x                      replace a socket that nobody answers on
    -v, -q                  say more, say less
    --async, --timeout SEC  do not wait for the server, wait so long
    --str2sec TIME          print a length of time in seconds
    -h, --help              this text
    -V, --version           the version

Commands: start, stop, restart [JAIL], reload [--restart] [--unban] [--if-exists] [--all|JAIL],
    status [JAIL|--all [FLAVOUR]], stats, ping, version, banned [IP...], unban --all|IP...,
    flushlogs, echo, get ..., set ..., add JAIL [BACKEND], start JAIL, stop JAIL; as fail2ban
    has them, see fail2ban-client(1). gaol --help has gaol's own commands.
`, filepath.Base(c.name), version, c.version)
}
