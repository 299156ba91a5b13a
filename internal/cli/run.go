package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/engine"
	"gaol/internal/firewall"
)

// configFlags say which configuration is meant.
type configFlags struct {
	dir      string
	embedded bool
}

func (f *configFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.dir, "config", "c", "", "configuration directory (default /etc/gaol, else /etc/fail2ban, else the one inside gaol)")
	c.Flags().BoolVar(&f.embedded, "embedded", false, "use the configuration inside gaol")
}

func (f *configFlags) load() (*config.Config, []config.Problem) {
	o := config.LoadOptions{Dir: f.dir, Embedded: f.embedded}
	if o.Dir == "" && !o.Embedded {
		o.Dir = config.DefaultDir()
	}
	return config.Load(o)
}

type runFlags struct {
	configFlags
	state, socket, loglevel        string
	fail2banSocket, logtarget, pid string
	syslogSocket                   string
	dryRun                         bool
}

// runCommand is `gaol run`: the daemon, in the foreground.
func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Watch the logs and ban, in the foreground",
		Long: "Watches the logs of all enabled jails and closes ports to who attacks. Stays in the\n" +
			"foreground and logs to standard output, in fail2ban's format. SIGHUP reads the\n" +
			"configuration again; SIGTERM and Ctrl-C stop. Native bans stay in the kernel over a\n" +
			"stop and end by themselves; `gaol stop --unban` lifts them.",
		Example: "  gaol run -c /etc/fail2ban\n" +
			"  gaol run --dry-run",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error { return runDaemon(c, f) },
	}
	f.add(c)
	c.Flags().StringVar(&f.state, "state", "", "directory of bans, failures and read positions (default /var/lib/gaol)")
	c.Flags().StringVar(&f.socket, "socket", "", "control socket (default /run/gaol/gaol.sock)")
	c.Flags().StringVar(&f.fail2banSocket, "fail2ban-socket", "", "socket for fail2ban-client (default: socket of fail2ban.conf; none: not served)")
	c.Flags().StringVar(&f.logtarget, "logtarget", "", "file to log to, STDOUT, STDERR, SYSLOG or SYSTEMD-JOURNAL (default STDOUT; under systemd what fail2ban.conf names)")
	c.Flags().StringVar(&f.syslogSocket, "syslogsocket", "", "socket of syslogd, for SYSLOG (default: syslogsocket of fail2ban.conf)")
	c.Flags().StringVar(&f.pid, "pidfile", "", "file to write the process id to")
	c.Flags().StringVar(&f.loglevel, "loglevel", "", "ERROR, WARNING, NOTICE, INFO or DEBUG (default: loglevel of fail2ban.conf)")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, say who would be banned")
	return c
}

func runDaemon(c *cobra.Command, f runFlags) error {
	conf, _ := f.load() // for the global keys; the engine loads again and reports
	level, err := logLevel(f.loglevel, conf.Global.LogLevel)
	if err != nil {
		return err
	}
	target := or(f.logtarget, serviceLog(conf, os.Getenv("JOURNAL_STREAM")))
	socket := or(f.syslogSocket, conf.Global.SyslogSocket)
	log, err := openLog(c, target, socket, level)
	if err != nil && f.logtarget == "" { // a log that cannot be written must not leave the ports open
		fmt.Fprintf(c.ErrOrStderr(), "gaol: %v; logging to standard output\n", err)
		log, err = openLog(c, "STDOUT", socket, level)
	}
	if err != nil {
		return err
	}
	defer log.Close()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	defer log.flushOn(syscall.SIGUSR1)()
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := engine.Options{
		Load: f.load, StateDir: or(f.state, conf.Global.Own.State), Socket: or(f.socket, conf.Global.Own.Socket),
		Group: conf.Global.Own.SocketGroup, DryRun: f.dryRun, Version: version, Reload: hup,
		Fail2ban: f.fail2banOf(conf), LogFile: log,
		Log:   slog.New(engine.NewLogHandler(log, log.level)),
		Ready: func() { notify(daemon.SdNotifyReady) },
	}
	o.Services = slices.Concat(f.services(conf, o.Log), f.gateServices(conf, o.Log), f.hookServices(conf, o.Log), f.metricsServices(conf, o.Log))
	if f.dryRun && f.socket == "" {
		o.Socket = "" // the real daemon may be using it
	}
	if f.pid != "" {
		if !alivePID(f.pid) { // else by Ready, when it is sure that the other one is not in the way
			if err := writePID(f.pid); err != nil {
				return err
			}
		}
		o.Ready = func() {
			if err := writePID(f.pid); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "gaol: error: %v\n", err)
			}
			notify(daemon.SdNotifyReady)
		}
		defer removePID(f.pid)
	}
	err = engine.Run(ctx, o)
	notify(daemon.SdNotifyStopping)
	return hinted(err)
}

// serviceLog is where a service logs that no option tells: recidive and dashboards read what
// fail2ban.conf names. Everything else, and a run by hand, is standard output. journal is
// $JOURNAL_STREAM, which systemd sets for services (systemd.exec(5)).
func serviceLog(conf *config.Config, journal string) string {
	target := strings.TrimSpace(conf.Global.LogTarget)
	if t, _ := parseLogTarget(target); journal != "" && (strings.HasPrefix(t.name, "/") || t.far()) {
		return target
	}
	return "STDOUT"
}

// pidIn is the process that a pid file names; 0: none.
func pidIn(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// alivePID says whether a pid file belongs to another process that runs: the file of a server
// that serves is not to be taken by one that will fail for that reason.
func alivePID(path string) bool {
	pid := pidIn(path)
	return pid > 0 && pid != os.Getpid() && syscall.Kill(pid, 0) == nil
}

// removePID removes a pid file where it is ours.
func removePID(path string) {
	if pidIn(path) == os.Getpid() {
		_ = os.Remove(path)
	}
}

func writePID(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write process id: %w", err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("write process id: %w", err)
	}
	return nil
}

// fail2banOf is the socket on which fail2ban's clients are served; empty: none is.
func (f *runFlags) fail2banOf(conf *config.Config) string {
	if f.fail2banSocket == "none" || f.dryRun && f.fail2banSocket == "" {
		return ""
	}
	return or(f.fail2banSocket, conf.Global.Socket)
}

// notify tells systemd (sd_notify(3)); without NOTIFY_SOCKET nobody listens, which is no error.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// hinted adds the command that mends an error of the engine.
func hinted(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, firewall.ErrPermission):
		return withHint(err, "run it as root (sudo gaol run), or try: gaol run --dry-run")
	case errors.Is(err, firewall.ErrNone):
		return withHint(err, "load the kernel module nf_tables (modprobe nf_tables), or install the packages iptables and ipset")
	case errors.Is(err, engine.ErrFail2banRuns):
		return withHint(err, "stop it first: systemctl stop fail2ban (or: fail2ban-client stop)")
	case errors.Is(err, engine.ErrNoJail):
		return withHint(err, "list what is wrong: gaol check")
	case errors.Is(err, os.ErrPermission):
		return withHint(err, "run it as root: sudo gaol run")
	}
	return err
}

// logLevel reads fail2ban's names and numbers (§1.8); flag wins over configuration.
func logLevel(flag, conf string) (slog.Level, error) {
	switch strings.ToUpper(or(flag, conf)) {
	case "CRITICAL", "ERROR":
		return slog.LevelError, nil
	case "WARNING":
		return slog.LevelWarn, nil
	case "NOTICE":
		return engine.Notice, nil
	case "", "INFO", "MSG":
		return slog.LevelInfo, nil
	case "DEBUG", "TRACEDEBUG", "HEAVYDEBUG":
		return slog.LevelDebug, nil
	}
	// Python's numbers: a record is logged whose level is not lower.
	if n, err := strconv.ParseUint(or(flag, conf), 10, 16); err == nil {
		for _, l := range []struct {
			number uint64
			level  slog.Level
		}{{10, slog.LevelDebug}, {20, slog.LevelInfo}, {25, engine.Notice}, {30, slog.LevelWarn}} {
			if n <= l.number {
				return l.level, nil
			}
		}
		return slog.LevelError, nil
	}
	if flag == "" {
		return slog.LevelInfo, nil // config reports a bad loglevel; it must not stop the start
	}
	return 0, withHint(fmt.Errorf("read --loglevel %q", flag), "write ERROR, WARNING, NOTICE, INFO or DEBUG")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
