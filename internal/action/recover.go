package action

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gaol/internal/event"
)

// Recover brings an action that was not stopped in order (kill -9, power loss) to a known
// state, before its jail restores bans. intents are those of this action that the journal
// still holds, in order; inForce tells whether a ban still holds.
//
// The action is taken over as it is if nothing speaks against it: same boot, same properties,
// all starts ended well, and actioncheck, which must exist, says so for each family. Then bans
// still in force stay without a gap (Ban finds them in place), and those that ended meanwhile,
// or were interrupted, are undone. Otherwise all is undone, bans first, and the restored bans
// start the action anew. See docs/decisions.
func (a *Action) Recover(ctx context.Context, intents []event.Intent, inForce func(id string) bool) error {
	if len(intents) == 0 {
		return nil
	}
	if !a.canTakeOver(ctx, intents) {
		return a.undoer().undo(ctx, intents)
	}
	rows := map[string]int{}
	for _, i := range intents {
		rows[i.Ban]++
	}
	var stale []event.Intent
	for _, i := range intents {
		if a.started[i.Family] == nil {
			a.setStarted(i.Family)
		}
		switch {
		case i.Ban == "":
			a.starts[i.Family] = i.ID
		case i.Ran && rows[i.Ban] == 1 && inForce(i.Ban):
			// An id with two rows had an unban that failed: what is in place is not known.
			a.started[i.Family].banned = true
			undo := i.Undo
			a.place(&placed{ban: event.Ban{ID: i.Ban}, family: i.Family, intent: i.ID, inPlace: true, undo: &undo})
		default:
			stale = append(stale, i)
		}
	}
	return a.undoer().undo(ctx, stale)
}

func (a *Action) canTakeOver(ctx context.Context, intents []event.Intent) bool {
	var families []string
	for _, i := range intents {
		if i.Boot != a.boot || i.Boot == "" || i.Print != a.print || i.Ban == "" && !i.Ran {
			return false
		}
		if !slices.Contains(families, i.Family) {
			families = append(families, i.Family)
		}
	}
	for _, fam := range families {
		if a.scripts[fam]["actioncheck"] == "" || a.exec(ctx, "actioncheck", fam, nil, false) != nil {
			return false
		}
	}
	return true
}

func (a *Action) undoer() *undoer {
	return &undoer{journal: a.opts.Journal, report: a.opts.Report, run: a.run}
}

// Undo undoes the intents of actions that are configured no more (jail or action removed while
// gaol was down). Only Journal and Report of o are used. Commands that fail are reported, not
// returned: after a reboot there is nothing left to undo.
func Undo(ctx context.Context, intents []event.Intent, o Options) error {
	u := &undoer{journal: o.Journal, report: o.Report, run: shell}
	return u.undo(ctx, intents)
}

// undoer runs rendered undo commands and strikes them out.
type undoer struct {
	journal Journal
	report  func(Report)
	run     func(ctx context.Context, c event.Command, limit time.Duration) (string, error)
}

// undo works backwards: the last action first, in each the bans (by a flush where the action
// has one and several are to go), then the start around them. It stops when ctx is over; what
// is left stays in the journal.
func (u *undoer) undo(ctx context.Context, intents []event.Intent) error {
	var groups [][]event.Intent
	index := map[[3]string]int{}
	for _, i := range intents {
		key := [3]string{i.Jail, i.Action, i.Family}
		n, ok := index[key]
		if !ok {
			n = len(groups)
			index[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	for _, group := range slices.Backward(groups) {
		if err := u.family(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

func (u *undoer) family(ctx context.Context, group []event.Intent) error {
	var starts, bans []event.Intent
	for _, i := range slices.Backward(group) {
		if i.Ban == "" {
			starts = append(starts, i)
		} else {
			bans = append(bans, i)
		}
	}
	if len(bans) > 1 && len(starts) > 0 && starts[0].Flush.Script != "" &&
		u.one(ctx, starts[0], "actionflush", starts[0].Flush) == nil {
		if err := u.strike(ctx, bans...); err != nil {
			return err
		}
		bans = nil
	}
	for _, i := range append(bans, starts...) {
		op := "actionunban"
		if i.Ban == "" {
			op = "actionstop"
		}
		err := u.one(ctx, i, op, i.Undo)
		if ctx.Err() != nil {
			return fmt.Errorf("undo what an earlier run left: %w", ctx.Err())
		}
		if errors.Is(err, ErrTimeout) {
			continue // it may not have run: the next start tries again
		}
		if err := u.strike(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (u *undoer) one(ctx context.Context, i event.Intent, op string, c event.Command) error {
	if c.Script == "" {
		return nil
	}
	limit := i.Limit
	if limit <= 0 {
		limit = DefaultTimeout
	}
	began := time.Now()
	out, err := u.run(ctx, c, limit)
	if u.report != nil {
		u.report(Report{Jail: i.Jail, Action: i.Action, Op: op, Family: i.Family, Ban: i.Ban, Undo: true,
			Command: c, Output: out, Took: time.Since(began), Err: err})
	}
	return err
}

func (u *undoer) strike(ctx context.Context, intents ...event.Intent) error {
	if u.journal == nil {
		return nil
	}
	var ids []int64
	for _, i := range intents {
		ids = append(ids, i.ID)
	}
	return u.journal.Done(ctx, ids...)
}
