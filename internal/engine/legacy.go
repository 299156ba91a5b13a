package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"gaol/internal/config"
	"gaol/internal/control"
)

// listenFail2ban serves fail2ban's clients on fail2ban's own socket. gaol is whole without it:
// where it cannot be served, that is a warning.
func (e *engine) listenFail2ban(undo *cleanups) error {
	if e.o.Fail2ban == "" {
		return nil
	}
	srv, err := control.ListenFail2ban(control.Fail2banOptions{Path: e.o.Fail2ban, Daemon: e, Version: config.DefaultVersion})
	if err != nil {
		e.log.Warn("fail2ban-client cannot be served", "logger", "server", "error", err)
		return nil
	}
	undo.add("close fail2ban's socket", srv.Close)
	return nil
}

// reloadBy carries out a reload, with what fail2ban-client adds to one.
func (e *engine) reloadBy(c control.Reload) (control.Reply, error) {
	if c.Jail != "" && e.find(c.Jail) == nil {
		return control.Reply{}, e.noJail(c.Jail)
	}
	if c.Unban || c.Restart {
		if _, err := e.unban(context.Background(), control.Unban{Jail: c.Jail, All: true}); err != nil && c.Jail == "" {
			return control.Reply{}, err
		}
	}
	problems, err := e.reload(c)
	return control.Reply{Problems: texts(problems)}, err
}

// change carries out the commands of runtime*.go.
func (e *engine) change(ctx context.Context, c control.Command) (control.Reply, error) {
	var v any
	var err error
	switch c := c.(type) {
	case control.FlushLogs:
		v, err = e.flushLogs()
	case control.Get:
		v, err = e.get(c)
	case control.Set:
		v, err = e.set(ctx, c)
	case control.Attempt:
		v, err = e.attempt(ctx, c)
	case control.ControlJail:
		err = e.controlJail(c)
	default:
		return control.Reply{}, &control.Error{Fault: control.Unknown, Msg: fmt.Sprintf("gaol knows no command %T", c)}
	}
	return control.Reply{Value: v}, err
}

// LogFile is where the log goes, for those who change it at run time.
type LogFile interface {
	Setting(key string) string       // of loglevel, logtarget and syslogsocket, in fail2ban's words
	Set(key, value string) error     // on an error all stays as it was
	Flush() (rolled bool, err error) // opens the file anew; false: it is none
}

func (e *engine) flushLogs() (string, error) {
	if e.o.LogFile == nil {
		return "flushed", nil
	}
	rolled, err := e.o.LogFile.Flush()
	if err != nil {
		return "", err
	}
	if rolled {
		return "rolled over", nil
	}
	return "flushed", nil
}

var errNoLogFile = errors.New("this gaol's log is fixed")

// isGaol says whether a process runs this program: gaol answers on fail2ban's socket too.
func isGaol(pid int) bool {
	own, err1 := os.Readlink("/proc/self/exe")
	other, err2 := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err1 == nil && err2 == nil && strings.TrimSuffix(own, " (deleted)") == strings.TrimSuffix(other, " (deleted)")
}
