package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// logFile is where a daemon logs: a file that is opened anew after logrotate moved it, one of the
// standard streams, or syslogd or journald. Target and level can be changed while it is in use.
type logFile struct {
	level       *slog.LevelVar
	stdout, err io.Writer

	mu     sync.Mutex
	name   string // of level, in fail2ban's words
	target logTarget
	socket string // of syslogd; empty or "auto": its usual one
	out    io.Writer
	file   *os.File   // nil: no file
	sys    *daemonLog // nil: neither syslogd nor journald
	lost   bool       // nobody hears on the other side of sys, and it was told
}

// openLog opens target for a daemon; "" is STDOUT. socket is where SYSLOG is. Where syslogd or
// journald cannot be reached, that is told on standard error, and so is what is logged until
// they can.
func openLog(c *cobra.Command, target, socket string, level slog.Level) (*logFile, error) {
	l := &logFile{level: &slog.LevelVar{}, stdout: c.OutOrStdout(), err: c.ErrOrStderr(), socket: socket}
	l.level.Set(level)
	l.name = levelName(level)
	t, err := parseLogTarget(or(target, "STDOUT"))
	if err != nil {
		return l, err
	}
	if !t.far() {
		return l, l.setTarget(or(target, "STDOUT"))
	}
	l.target, l.out = t, l.err
	if l.sys, err = dialLog(t, socket); err != nil {
		l.lose(err)
	}
	return l, nil
}

// levelName is fail2ban's word for a level (§1.8).
func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l > slog.LevelInfo:
		return "NOTICE"
	case l == slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// Write implements io.Writer.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow()
	return l.out.Write(b)
}

// Record implements engine.Recorder.
func (l *logFile) Record(t time.Time, level slog.Level, logger, message string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sys != nil {
		err := l.sys.send(level, logger, message)
		if err == nil {
			l.lost = false
			return nil
		}
		l.lose(err)
	}
	l.follow()
	_, err := io.WriteString(l.out, l.target.line(t, level, logger, message))
	return err
}

// lose tells once that syslogd or journald cannot be reached.
func (l *logFile) lose(err error) {
	if !l.lost {
		fmt.Fprintf(l.err, "gaol: error: %v; logging to standard error until then\n", err)
	}
	l.lost = true
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}

func (l *logFile) close() error {
	if l.sys != nil {
		l.sys.close()
	}
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Setting implements engine.LogFile.
func (l *logFile) Setting(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch key {
	case "loglevel":
		return l.name
	case "logtarget":
		return l.target.name
	}
	return or(l.socket, "auto")
}

// Set implements engine.LogFile.
func (l *logFile) Set(key, value string) error {
	switch key {
	case "loglevel":
		return l.setLevel(value)
	case "logtarget":
		return l.setTarget(value)
	}
	return l.setSyslogSocket(value)
}

func (l *logFile) setLevel(name string) error {
	level, err := logLevel(name, "")
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level.Set(level)
	l.name = strings.ToUpper(name)
	return nil
}

func (l *logFile) setTarget(target string) error {
	t, err := parseLogTarget(target)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out, file, sys := l.stdout, (*os.File)(nil), (*daemonLog)(nil)
	switch {
	case t.name == "STDOUT" || t.name == "SYSOUT":
	case t.name == "STDERR":
		out = l.err
	case t.far():
		out = l.err
		sys, err = dialLog(t, l.socket)
	default:
		file, err = os.OpenFile(t.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			err = fmt.Errorf("open log: %w", err)
		}
		out = file
	}
	if err != nil {
		return err
	}
	_ = l.close()
	l.target, l.out, l.file, l.sys, l.lost = t, out, file, sys, false
	return nil
}

// setSyslogSocket moves the log at once where it goes to syslogd.
func (l *logFile) setSyslogSocket(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target.name == "SYSLOG" {
		sys, err := dialLog(l.target, path)
		if err != nil {
			return err
		}
		_ = l.close()
		l.sys, l.lost = sys, false
	}
	l.socket = path
	return nil
}

// Flush implements engine.LogFile.
func (l *logFile) Flush() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return false, nil
	}
	return true, l.reopen()
}

// reopen goes over to the file that has the log's name now, and makes it where there is none.
func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.target.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	_ = l.file.Close()
	l.out, l.file = file, file
	return nil
}

// follow reopens a log that was renamed or deleted (logrotate), so that no record is written to
// a file that is about to be compressed, whether or not somebody tells us. Where it cannot be
// opened the old file goes on.
func (l *logFile) follow() {
	if l.file == nil {
		return
	}
	own, err := l.file.Stat()
	if err != nil || !own.Mode().IsRegular() {
		return
	}
	if named, err := os.Stat(l.target.name); err != nil && errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(own, named) {
		_ = l.reopen()
	}
}

// flushOn flushes when the signal comes, as fail2ban does; until stop is called.
func (l *logFile) flushOn(s os.Signal) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s)
	go func() {
		for range c {
			if _, err := l.Flush(); err != nil {
				fmt.Fprintf(l.err, "gaol: error: %v\n", err)
			}
		}
	}()
	return func() { signal.Stop(c); close(c) }
}
