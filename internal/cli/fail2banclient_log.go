package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// logFile is where a daemon logs: a file that is opened anew after logrotate moved it, or one
// of the standard streams. Target and level can be changed while it is in use.
type logFile struct {
	level       *slog.LevelVar
	stdout, err io.Writer

	mu     sync.Mutex
	name   string // of level, in fail2ban's words
	target string
	out    io.Writer
	file   *os.File // nil: a stream
}

// openLog opens target for a daemon. "" is STDOUT.
func openLog(c *cobra.Command, target string, level slog.Level) (*logFile, error) {
	l := &logFile{level: &slog.LevelVar{}, stdout: c.OutOrStdout(), err: c.ErrOrStderr()}
	l.level.Set(level)
	l.name = levelName(level)
	return l, l.SetTarget(or(target, "STDOUT"))
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
	return l.out.Write(b)
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Level implements engine.LogFile.
func (l *logFile) Level() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// SetLevel implements engine.LogFile.
func (l *logFile) SetLevel(name string) error {
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

// Target implements engine.LogFile.
func (l *logFile) Target() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

// SetTarget implements engine.LogFile. On an error the old target stays.
func (l *logFile) SetTarget(target string) error {
	out, file := l.stdout, (*os.File)(nil)
	switch target {
	case "STDOUT", "SYSOUT":
	case "STDERR":
		out = l.err
	case "SYSLOG", "SYSTEMD-JOURNAL":
		out = l.stdout // under systemd standard output is the journal (systemd.exec(5))
	default:
		f, err := os.OpenFile(target, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		out, file = f, f
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.target, l.out, l.file = target, out, file
	return nil
}

// Flush implements engine.LogFile.
func (l *logFile) Flush() (bool, error) {
	l.mu.Lock()
	target, file := l.target, l.file
	l.mu.Unlock()
	if file == nil {
		return false, nil
	}
	return true, l.SetTarget(target)
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
