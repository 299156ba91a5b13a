package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// legacy turns fail2ban's commands into this package's, and the replies into the values that
// fail2ban's clients print (§5.3).
type legacy struct {
	daemon  Daemon
	version string
	now     func() time.Time
}

// exception is the error of that class of Python's own.
func exception(class string, args ...any) Exception {
	return Exception{Class: "builtins." + class, Args: args}
}

func unknownJail(name string) Exception {
	return Exception{Class: "fail2ban.exceptions.UnknownJailException", Args: []any{name}}
}

func (e Exception) Error() string { return fmt.Sprint(e.Args...) }

var (
	errMissing = exception("IndexError", "list index out of range") // what fail2ban says of a missing word
	errInvalid = exception("Exception", "Invalid command")
)

// exceptionOf is an error of a Daemon as fail2ban's clients know it.
func exceptionOf(err error) Exception {
	var x Exception
	if errors.As(err, &x) {
		return x
	}
	var e *Error
	if !errors.As(err, &e) {
		return exception("Exception", err.Error())
	}
	switch {
	case e.Class == "FileNotFoundError":
		return exception(e.Class, 2, "No such file or directory", e.Msg)
	case strings.Contains(e.Class, "."):
		return Exception{Class: e.Class, Args: []any{e.Msg}}
	case e.Class != "":
		return exception(e.Class, e.Msg)
	case e.Hint != "" && e.Fault != Unknown:
		return exception("Exception", e.Msg+" ("+e.Hint+")")
	}
	return exception("Exception", e.Msg)
}

// do carries out one request.
func (l *legacy) do(ctx context.Context, list []any) (any, error) {
	if len(list) == 0 {
		return nil, errMissing
	}
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = wordOf(v)
	}
	args := words[1:]
	switch words[0] {
	case "ping":
		return "pong", nil
	case "version":
		return l.version, nil
	case "echo":
		return list[1:], nil
	case "sleep":
		return nil, l.sleep(ctx, args)
	case "status":
		return l.status(ctx, args)
	case "stats", "statistic", "statistics":
		return l.stats(ctx)
	case "banned":
		return l.banned(ctx, args)
	case "unban":
		return l.unbanEverywhere(ctx, args)
	case "get":
		return l.get(ctx, args)
	case "set":
		if len(list) == 3 && list[1] == "thread" {
			return l.setThread(ctx, list[2])
		}
		return l.set(ctx, args)
	case "multi-set":
		return l.multiSet(ctx, list[1:])
	}
	return l.run(ctx, words[0], args)
}

// run carries out the commands that act on the daemon and on whole jails.
func (l *legacy) run(ctx context.Context, command string, args []string) (any, error) {
	switch command {
	case "add", "start", "stop":
		if command == "stop" && len(args) == 0 {
			_, err := l.daemon.Do(ctx, Stop{})
			return nil, err
		}
		return l.controlJail(ctx, command, args)
	case "reload":
		return l.reload(ctx, args)
	case "server-stream":
		// gaol runs its own tree already: what a client read would lack gaol's keys.
		return nil, nil
	case "server-status":
		return "Server ready", nil
	case "flushlogs":
		r, err := l.daemon.Do(ctx, FlushLogs{})
		return r.Value, err
	}
	return nil, errInvalid
}

// wordOf is a member of a request as text.
func wordOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// sleep waits, but not longer than a command may take.
func (l *legacy) sleep(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return exception("ValueError", "could not convert string to float: '"+args[0]+"'")
	}
	select {
	case <-time.After(time.Duration(min(max(seconds, 0), commandTimeout.Seconds()) * float64(time.Second))):
	case <-ctx.Done():
	}
	return nil
}

// inJail carries out a command of one jail.
func (l *legacy) inJail(ctx context.Context, jail string, c Command) (Reply, error) {
	r, err := l.daemon.Do(ctx, c)
	var e *Error
	if errors.As(err, &e) && e.Fault == Unknown && e.Class == "" {
		return r, unknownJail(jail)
	}
	return r, err
}

func (l *legacy) controlJail(ctx context.Context, op string, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errMissing
	}
	c := ControlJail{Op: op, Jail: args[0]}
	if op == "add" && len(args) > 1 {
		c.Backend = args[1]
	}
	if _, err := l.inJail(ctx, args[0], c); err != nil {
		return nil, err
	}
	if op == "add" {
		return args[0], nil
	}
	return nil, nil
}

// reload reads gaol's own tree again; the stream of commands that the client read from its
// files is not looked at (it would lack gaol's keys).
func (l *legacy) reload(ctx context.Context, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errMissing
	}
	c := Reload{Unban: strings.Contains(strings.Join(args[1:], " "), "--unban"), Restart: strings.Contains(strings.Join(args[1:], " "), "--restart")}
	if args[0] != "--all" {
		c.Jail = args[0]
	}
	if strings.Contains(strings.Join(args[1:], " "), "--if-exists") {
		if _, err := l.daemon.Do(ctx, Status{Jail: c.Jail}); err != nil {
			return "OK", nil
		}
	}
	r, err := l.inJail(ctx, c.Jail, c)
	if err != nil && c.Jail == "" && len(r.Problems) > 0 {
		return "OK", nil // the sound jails were reloaded; the client tells of the others itself
	}
	return "OK", err
}

func (l *legacy) unbanEverywhere(ctx context.Context, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errInvalid
	}
	if args[0] == "--all" {
		r, err := l.daemon.Do(ctx, Unban{All: true})
		return len(r.Bans), err
	}
	n := 0
	for _, id := range args {
		r, err := l.daemon.Do(ctx, Unban{ID: id, Within: true})
		if err != nil {
			return nil, err
		}
		n += len(r.Bans)
	}
	return n, nil
}

// banned is all bans by jail, or for each id the jails that ban it.
func (l *legacy) banned(ctx context.Context, ids []string) (any, error) {
	r, err := l.daemon.Do(ctx, Status{})
	if err != nil {
		return nil, err
	}
	all := []any{}
	jails := l.inOrder(ctx, r.Status.Jails)
	if len(ids) == 0 {
		for _, j := range jails {
			all = append(all, Dict{{j.Name, bannedIDs(j)}})
		}
		return all, nil
	}
	for _, id := range ids {
		in := []string{}
		for _, j := range jails {
			if slices.Contains(bannedIDs(j), id) {
				in = append(in, j.Name)
			}
		}
		all = append(all, in)
	}
	return all, nil
}

// inOrder are the jails that run in the order of the configuration, as fail2ban has them.
func (l *legacy) inOrder(ctx context.Context, jails []event.JailStatus) []event.JailStatus {
	r, err := l.daemon.Do(ctx, Get{Key: "jails"})
	names, ok := r.Value.([]string)
	if err != nil || !ok {
		names = nil
	}
	place := func(j event.JailStatus) int {
		if i := slices.Index(names, j.Name); i >= 0 {
			return i
		}
		return len(names)
	}
	all := slices.DeleteFunc(slices.Clone(jails), func(j event.JailStatus) bool { return !j.Running })
	slices.SortStableFunc(all, func(a, b event.JailStatus) int { return place(a) - place(b) })
	return all
}
