package control

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gaol/internal/event"
)

// status is `status`, `status JAIL [FLAVOUR]` and `status --all [FLAVOUR]`.
func (l *legacy) status(ctx context.Context, args []string) (any, error) {
	if len(args) > 2 {
		return nil, exception("Exception", "Invalid command (no status)")
	}
	flavour := "basic"
	if len(args) == 2 {
		flavour = args[1]
	}
	if len(args) > 0 && args[0] != "--all" {
		r, err := l.inJail(ctx, args[0], Status{Jail: args[0]})
		if err != nil {
			return nil, err
		}
		if !r.Status.Jails[0].Running {
			return nil, unknownJail(args[0])
		}
		return l.jailStatus(ctx, r.Status.Jails[0], flavour)
	}
	r, err := l.daemon.Do(ctx, Status{})
	if err != nil {
		return nil, err
	}
	var names []string
	each := Dict{}
	for _, j := range r.Status.Jails {
		if !j.Running {
			continue
		}
		names = append(names, j.Name)
		if len(args) > 0 {
			one, err := l.jailStatus(ctx, j, flavour)
			if err != nil {
				return nil, err
			}
			each = append(each, Pair{j.Name, one})
		}
	}
	slices.Sort(names)
	whole := []any{Tuple{"Number of jail", len(names)}, Tuple{"Jail list", strings.Join(names, ", ")}}
	if len(args) > 0 {
		whole = append(whole, Tuple{"Status for the jails", each})
	}
	return whole, nil
}

// jailStatus is one jail as `status JAIL` has it.
func (l *legacy) jailStatus(ctx context.Context, j event.JailStatus, flavour string) (any, error) {
	if flavour == "stats" {
		backend, err := l.backend(ctx, j)
		return statsOf(j, backend), err
	}
	logs := Tuple{"File list", []string{}}
	for _, s := range j.Sources {
		if s.Name == "journal" {
			m, err := l.daemon.Do(ctx, Get{Jail: j.Name, Key: "journalmatch"})
			if err != nil {
				return nil, err
			}
			logs = Tuple{"Journal matches", []string{joinMatches(m.Value)}}
		}
	}
	if logs[0] == "File list" {
		r, err := l.daemon.Do(ctx, Get{Jail: j.Name, Key: "logpath"})
		if err != nil {
			return nil, err
		}
		logs[1] = r.Value
	}
	actions := []any{Tuple{"Currently banned", j.CurrentlyBanned}, Tuple{"Total banned", j.TotalBanned}}
	if flavour != "short" {
		actions = append(actions, Tuple{"Banned IP list", bannedIDs(j)})
	}
	if flavour == "cymru" {
		// What fail2ban says where it cannot ask: gaol sends no addresses to a service on the net.
		for _, what := range []string{"ASN", "Country", "RIR"} {
			actions = append(actions, Tuple{"Banned " + what + " list", []string{"error"}})
		}
	}
	return []any{
		Tuple{"Filter", []any{Tuple{"Currently failed", j.CurrentlyFailed}, Tuple{"Total failed", j.TotalFailed}, logs}},
		Tuple{"Actions", actions},
	}, nil
}

// bannedIDs is who is banned, first come first.
func bannedIDs(j event.JailStatus) []string {
	bans := slices.Clone(j.Bans)
	slices.SortStableFunc(bans, func(a, b event.Ban) int { return a.Start.Compare(b.Start) })
	ids := []string{}
	for _, b := range bans {
		ids = append(ids, b.ID)
	}
	return ids
}

func (l *legacy) stats(ctx context.Context) (any, error) {
	r, err := l.daemon.Do(ctx, Status{})
	if err != nil {
		return nil, err
	}
	all := Dict{}
	for _, j := range l.inOrder(ctx, r.Status.Jails) {
		backend, err := l.backend(ctx, j)
		if err != nil {
			return nil, err
		}
		all = append(all, Pair{j.Name, statsOf(j, backend)})
	}
	return all, nil
}

func (l *legacy) backend(ctx context.Context, j event.JailStatus) (string, error) {
	r, err := l.daemon.Do(ctx, Get{Jail: j.Name, Key: "backend"})
	name, _ := r.Value.(string)
	return name, err
}

func statsOf(j event.JailStatus, backend string) []any {
	return []any{backend, Tuple{j.CurrentlyFailed, j.TotalFailed}, Tuple{j.CurrentlyBanned, j.TotalBanned}}
}

// joinMatches is a jail's journalmatch as status shows it.
func joinMatches(v any) string {
	rows, _ := v.([][]string)
	var all []string
	for _, row := range rows {
		all = append(all, strings.Join(row, " "))
	}
	return strings.Join(all, " + ")
}

// byEnd orders bans by their end; those without one come last.
func byEnd(bans []event.Ban) []event.Ban {
	bans = slices.Clone(bans)
	slices.SortStableFunc(bans, func(a, b event.Ban) int {
		if a.End.IsZero() != b.End.IsZero() {
			if a.End.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.End.Compare(b.End), a.Start.Compare(b.Start))
	})
	return bans
}
