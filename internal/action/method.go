package action

import (
	"context"
	"errors"
	"slices"

	"gaol/internal/event"
)

// Call carries out a method of the action that somebody asks for by hand, as fail2ban-client
// set JAIL action NAME METHOD does: ban, reban, unban and prolong for b, start, stop, flush
// and reload. By hand means that it runs also where nothing seems to be left to do.
func (a *Action) Call(ctx context.Context, method string, b event.Ban) error {
	switch method {
	case "ban", "reban":
		if p := a.placed[b.ID]; p != nil {
			p.inPlace = false
		}
		if method == "reban" {
			return a.Reban(ctx, b, false)
		}
		return a.Ban(ctx, b, false)
	case "unban":
		return a.unbanByHand(ctx, b)
	case "prolong":
		return a.Prolong(ctx, b, false)
	case "start":
		return a.startByHand(ctx)
	case "stop":
		return a.Stop(ctx)
	case "flush":
		return a.flushByHand(ctx)
	}
	return a.Reload(ctx)
}

// unbanByHand runs actionunban also for a ban that this action knows nothing of, unless it has
// banned nobody yet (§4.4).
func (a *Action) unbanByHand(ctx context.Context, b event.Ban) error {
	if a.placed[b.ID] != nil {
		return a.Unban(ctx, b)
	}
	fam := a.family(&b)
	if f := a.started[fam]; f == nil || !f.banned {
		return nil
	}
	return a.exec(ctx, "actionunban", fam, &b, false)
}

// startByHand runs actionstart of each family, also of those that start on demand or did.
func (a *Action) startByHand(ctx context.Context) error {
	var errs []error
	var ran []string
	for _, fam := range a.families() {
		script := a.scripts[fam]["actionstart"]
		if a.started[fam] == nil {
			errs = append(errs, a.ensureStarted(ctx, fam))
		} else if !slices.Contains(ran, script) {
			errs = append(errs, a.exec(ctx, "actionstart", fam, nil, false))
		}
		ran = append(ran, script)
	}
	return errors.Join(errs...)
}

// flushByHand runs actionflush. Where there is none nothing is done: the jail goes on to count
// the bans as in force.
func (a *Action) flushByHand(ctx context.Context) error {
	for _, fam := range a.order {
		if a.scripts[fam]["actionflush"] != "" {
			return a.Flush(ctx)
		}
	}
	return nil
}
