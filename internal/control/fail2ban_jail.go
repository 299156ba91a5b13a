package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// daemonKeys are the settings that are the daemon's own.
var daemonKeys = []string{"loglevel", "logtarget", "syslogsocket", "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage", "thread"}

// get is `get KEY` and `get JAIL KEY ...`.
func (l *legacy) get(ctx context.Context, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errMissing
	}
	if args[0] != "allowipv6" && slices.Contains(daemonKeys, args[0]) {
		r, err := l.daemon.Do(ctx, Get{Key: args[0]})
		return legacyValue(r.Value), err
	}
	if len(args) < 2 {
		return nil, errMissing
	}
	jail, key, rest := args[0], args[1], args[2:]
	switch key {
	case "banned":
		return l.jailBanned(ctx, jail, rest)
	case "banip":
		return l.banip(ctx, jail, rest)
	}
	r, err := l.inJail(ctx, jail, Get{Jail: jail, Key: key, Args: rest})
	return legacyValue(r.Value), err
}

// set is `set KEY VALUE` and `set JAIL KEY ...`.
func (l *legacy) set(ctx context.Context, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errMissing
	}
	if slices.Contains(daemonKeys, args[0]) {
		if len(args) < 2 {
			return nil, errMissing
		}
		r, err := l.daemon.Do(ctx, Set{Key: args[0], Args: args[1:]})
		return legacyValue(r.Value), err
	}
	if len(args) < 2 {
		return nil, errMissing
	}
	jail, key, rest := args[0], args[1], args[2:]
	switch key {
	case "banip":
		return l.ban(ctx, jail, rest)
	case "unbanip":
		return l.unban(ctx, jail, rest)
	case "attempt":
		if len(rest) == 0 {
			return nil, exception("TypeError", "Filter.addAttempt() missing 1 required positional argument: 'ip'")
		}
		r, err := l.inJail(ctx, jail, Attempt{Jail: jail, ID: rest[0], Lines: rest[1:]})
		return r.Value, err
	}
	r, err := l.inJail(ctx, jail, Set{Jail: jail, Key: key, Args: rest})
	return legacyValue(r.Value), err
}

// setThread is `set thread {"stacksize": N}`, which only configuration readers send: on a command
// line there are no dicts.
func (l *legacy) setThread(ctx context.Context, v any) (any, error) {
	options, ok := v.(Dict)
	if !ok {
		return nil, exception("AttributeError", "'"+pythonType(v)+"' object has no attribute 'items'")
	}
	var args []string
	for _, p := range options {
		args = append(args, wordOf(p.Key), wordOf(p.Value))
	}
	if len(args) == 0 {
		return nil, nil
	}
	r, err := l.daemon.Do(ctx, Set{Key: "thread", Args: args})
	return r.Value, err
}

func pythonType(v any) string {
	switch v.(type) {
	case string:
		return "str"
	case nil:
		return "NoneType"
	case []any:
		return "list"
	}
	return "int"
}

// multiSet is `multi-set JAIL KEY [VALUE, ...]`, which only configuration readers send.
func (l *legacy) multiSet(ctx context.Context, list []any) (any, error) {
	if len(list) < 3 {
		return nil, errMissing
	}
	values, ok := list[2].([]any)
	if !ok {
		return nil, exception("TypeError", "multi-set takes a list")
	}
	var last any
	for _, v := range values {
		one, err := l.set(ctx, []string{wordOf(list[0]), wordOf(list[1]), wordOf(v)})
		if err != nil {
			return nil, err
		}
		last = one
	}
	return last, nil
}

func (l *legacy) jailOf(ctx context.Context, jail string) (event.JailStatus, error) {
	r, err := l.inJail(ctx, jail, Status{Jail: jail})
	if err != nil {
		return event.JailStatus{}, err
	}
	if !r.Status.Jails[0].Running {
		return event.JailStatus{}, unknownJail(jail)
	}
	return r.Status.Jails[0], nil
}

// jailBanned is who is banned, or for each id whether it is.
func (l *legacy) jailBanned(ctx context.Context, jail string, ids []string) (any, error) {
	j, err := l.jailOf(ctx, jail)
	if err != nil {
		return nil, err
	}
	all := bannedIDs(j)
	if len(ids) == 0 {
		return all, nil
	}
	var found []any
	for _, id := range ids {
		n := 0
		if slices.Contains(all, id) {
			n = 1
		}
		found = append(found, n)
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return found, nil
}

// banip is who is banned in the order in which the bans end; the client joins them.
func (l *legacy) banip(ctx context.Context, jail string, args []string) (any, error) {
	j, err := l.jailOf(ctx, jail)
	if err != nil {
		return nil, err
	}
	all := []string{}
	for _, b := range byEnd(j.Bans) {
		if slices.Equal(args, []string{"--with-time"}) {
			all = append(all, withTime(b))
		} else {
			all = append(all, b.ID)
		}
	}
	return all, nil
}

// withTime is a ban with its begin, length in seconds and end.
func withTime(b event.Ban) string {
	start, seconds, end := b.Start, int64(-1), "9999-12-31 23:59:59"
	if !b.Renewed.IsZero() {
		start = b.Renewed
	}
	if !b.End.IsZero() {
		seconds, end = int64(b.End.Sub(start)/time.Second), b.End.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("%s \t%s + %d = %s", b.ID, start.Local().Format(time.DateTime), seconds, end)
}

// ban returns how many were not banned before.
func (l *legacy) ban(ctx context.Context, jail string, ids []string) (any, error) {
	if len(ids) == 0 {
		_, err := l.jailOf(ctx, jail)
		return 0, err
	}
	n := 0
	for _, id := range ids {
		r, err := l.inJail(ctx, jail, Ban{Jail: jail, ID: id})
		if err != nil {
			return nil, err
		}
		if r.Outcome == Imposed {
			n++
		}
	}
	return n, nil
}

// unban returns how many were banned before.
func (l *legacy) unban(ctx context.Context, jail string, ids []string) (any, error) {
	if len(ids) == 0 {
		return nil, errMissing
	}
	report := ids[0] == "--report-absent"
	if report {
		ids = ids[1:]
	}
	n := 0
	var absent []string
	for _, id := range ids {
		r, err := l.inJail(ctx, jail, Unban{Jail: jail, ID: id, Within: true})
		if err != nil {
			return nil, err
		}
		n += len(r.Bans)
		if len(r.Bans) == 0 {
			absent = append(absent, "'"+id+"'")
		}
	}
	if report && len(absent) > 0 {
		return nil, exception("ValueError", "not banned: ["+strings.Join(absent, ", ")+"]")
	}
	return n, nil
}

// legacyValue is a Value in the shapes that pickle knows.
func legacyValue(v any) any {
	rows, ok := v.([][]string)
	if !ok {
		return v
	}
	all := []any{}
	for _, row := range rows {
		all = append(all, row)
	}
	return all
}
