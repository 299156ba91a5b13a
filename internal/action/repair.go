package action

import (
	"context"
	"errors"

	"gaol/internal/event"
)

// Check runs actioncheck for each started family, as when an id fails again that should be
// kept out. Where it fails the action is repaired and the family's bans are imposed again:
// fail2ban re-imposes each only when it fails again, and lets the attacker in until then.
// repaired tells whether that was needed.
func (a *Action) Check(ctx context.Context) (repaired bool, err error) {
	err = a.eachStarted(func(fam string) error {
		mended, err := a.ensureFit(ctx, fam)
		if mended {
			repaired = true
			err = errors.Join(err, a.reimpose(ctx, fam, nil))
		}
		return err
	})
	return repaired, err
}

// ensureFit runs actioncheck and, where it fails, actionrepair, or actionstop and actionstart
// where there is none, and then actioncheck again (§4.4). err == nil: the action can be used.
// fail2ban's quirk that an action without families is stopped here but not started again is
// not kept: it leaves the jail without its action.
func (a *Action) ensureFit(ctx context.Context, fam string) (repaired bool, err error) {
	if a.exec(ctx, "actioncheck", fam, nil, false) == nil {
		return false, nil
	}
	a.lost(fam)
	if a.scripts[fam]["actionrepair"] != "" {
		err = a.exec(ctx, "actionrepair", fam, nil, false)
	} else {
		_ = a.exec(ctx, "actionstop", fam, nil, false) // of what is broken: it may well fail
		if err = a.exec(ctx, "actionstart", fam, nil, false); err != nil {
			a.unstart(fam)
			return false, err
		}
		if f := a.started[fam]; f != nil {
			f.failed = false
		}
	}
	return true, errors.Join(err, a.exec(ctx, "actioncheck", fam, nil, false))
}

// lost notes that a family's bans are not in force. Families that share a start share the loss.
func (a *Action) lost(fam string) {
	for _, p := range a.placed {
		if p.family == fam || a.scripts[p.family]["actionstart"] == a.scripts[fam]["actionstart"] {
			p.inPlace = false
		}
	}
}

// unstart lets the next ban start the family anew. Its intent stays in the journal.
func (a *Action) unstart(fam string) {
	delete(a.started, fam)
	for i, other := range a.order {
		if other == fam {
			a.order = append(a.order[:i:i], a.order[i+1:]...)
			break
		}
	}
}

// reimpose puts a family's lost bans back, but one that is just being tried. One that fails
// does not keep the others out. A ban that Recover took over and whose jail has not restored
// it yet is left to that.
func (a *Action) reimpose(ctx context.Context, fam string, but *placed) error {
	var errs []error
	for _, p := range a.inOrder() {
		same := a.scripts[p.family]["actionstart"] == a.scripts[fam]["actionstart"]
		if p.inPlace || p == but || !same || p.skipped || p.ban.Start.IsZero() {
			continue
		}
		op := "actionban"
		if a.scripts[p.family]["actionreban"] != "" {
			op = "actionreban"
		}
		if err := a.exec(ctx, op, p.family, &p.ban, false); err != nil {
			errs = append(errs, err)
			continue
		}
		p.inPlace = true
		if f := a.started[p.family]; f != nil {
			f.banned = true
		}
		errs = append(errs, a.ran(ctx, p.intent))
	}
	return errors.Join(errs...)
}

// Reban imposes a ban again whose rules may have been lost: actionreban, or actionban.
func (a *Action) Reban(ctx context.Context, b event.Ban, restored bool) error {
	if p := a.placed[b.ID]; p != nil {
		p.inPlace = false
	}
	op := "actionban"
	if a.scripts[a.family(&b)]["actionreban"] != "" {
		op = "actionreban"
	}
	return a.ban(ctx, op, b, restored)
}

// Renew is for an id that fails again long after its ban began: the ban does not bite. The
// action is checked and, if need be, repaired; if the check finds nothing, as when somebody
// emptied a chain that still stands, this one ban is undone and imposed anew. Actions without
// actionunban are left alone: they would only notify again.
func (a *Action) Renew(ctx context.Context, b event.Ban) error {
	if a.NotifyOnly() {
		return nil
	}
	repaired, err := a.Check(ctx)
	p := a.placed[b.ID]
	if p != nil && p.skipped {
		return err
	}
	if repaired || err != nil || p == nil {
		return errors.Join(err, a.ban(ctx, "actionban", b, false))
	}
	_ = a.lift(ctx, p) // it fails where the rule is gone
	p.ban, p.inPlace = b, false
	return a.impose(ctx, p, "actionban", false)
}
