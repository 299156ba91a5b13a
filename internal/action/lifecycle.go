package action

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gaol/internal/event"
)

// Start runs actionstart at jail start, unless the action is started on demand, by its first
// ban of each family (§4.4).
func (a *Action) Start(ctx context.Context) error {
	if a.onDemand {
		return nil
	}
	var errs []error
	for _, fam := range a.families() {
		errs = append(errs, a.ensureStarted(ctx, fam))
	}
	return errors.Join(errs...)
}

// families are those that the action is started for.
func (a *Action) families() []string {
	switch {
	case !a.conditional():
		return []string{""}
	case a.opts.NoIPv6:
		return []string{inet4}
	}
	return []string{inet4, inet6}
}

// Ban runs actionban, starting the family before its first one. When it fails, the action is
// checked and repaired and the ban tried once more (§4.4). A ban that is in place already,
// from this run or taken over by Recover, is not run again. restored tells a ban that came
// back after a restart: with norestored it is skipped.
func (a *Action) Ban(ctx context.Context, b event.Ban, restored bool) error {
	return a.ban(ctx, "actionban", b, restored)
}

func (a *Action) ban(ctx context.Context, op string, b event.Ban, restored bool) error {
	if restored && isTrue(a.props["norestored"]) {
		a.skip(b)
		return nil
	}
	fam := a.family(&b)
	p := a.placed[b.ID]
	if p != nil && p.inPlace {
		p.ban = b
		return nil
	}
	if err := a.ensureStarted(ctx, fam); err != nil {
		return err
	}
	if a.scripts[fam][op] == "" {
		return nil
	}
	if p = a.placed[b.ID]; p != nil && p.inPlace {
		return nil // imposed again by the start
	}
	p = &placed{ban: b, family: fam}
	noted := a.noteBan(ctx, p, restored)
	return errors.Join(noted, a.impose(ctx, p, op, restored))
}

// skip remembers a restored ban that norestored keeps from being imposed again: what an earlier
// run did for it holds, so its end is carried out as in fail2ban.
func (a *Action) skip(b event.Ban) {
	if a.NotifyOnly() || a.placed[b.ID] != nil {
		return
	}
	a.place(&placed{ban: b, family: a.family(&b), inPlace: true, skipped: true})
}

// noteBan writes the intent of a ban down and remembers it. A ban without actionunban leaves
// nothing to undo and is not remembered. If the journal cannot be written the ban goes on all
// the same: an attacker kept out matters more than a rule that may be left.
func (a *Action) noteBan(ctx context.Context, p *placed, restored bool) error {
	if a.NotifyOnly() {
		return nil
	}
	if old := a.placed[p.ban.ID]; old != nil {
		p.intent = old.intent
	}
	a.place(p)
	if a.opts.Journal == nil || p.intent != 0 {
		return nil
	}
	var err error
	p.intent, err = a.opts.Journal.Intend(ctx, event.Intent{
		Jail: a.spec.Jail, Action: a.spec.Name, File: a.spec.File, Family: p.family, Ban: p.ban.ID,
		Undo:  a.command(ctx, "actionunban", p.family, &p.ban, restored),
		Print: a.print, Boot: a.boot, Limit: a.spec.Timeout,
	})
	return err
}

// impose runs op (actionban or actionreban) for a ban, with one repair.
func (a *Action) impose(ctx context.Context, p *placed, op string, restored bool) error {
	err := a.exec(ctx, op, p.family, &p.ban, restored)
	repaired := false
	if err != nil && a.mailer == nil { // a mail that failed late may have arrived: not twice
		var fit error
		if repaired, fit = a.ensureFit(ctx, p.family); fit != nil {
			return errors.Join(err, fit)
		}
		err = a.exec(ctx, op, p.family, &p.ban, restored)
	}
	if err == nil {
		if f := a.started[p.family]; f != nil {
			f.banned, f.failed = true, false
		}
		p.inPlace = true
		err = a.ran(ctx, p.intent)
	}
	if repaired {
		err = errors.Join(err, a.reimpose(ctx, p.family, p))
	}
	return err
}

// Unban runs actionunban for a ban that has or may have been imposed. A failure is tried once
// more if the action checks well; a failing check is repaired only with
// actionrepair_on_unban (§4.4). What could not be undone stays in the journal for Recover.
func (a *Action) Unban(ctx context.Context, b event.Ban) error {
	p := a.placed[b.ID]
	if p == nil {
		return nil
	}
	delete(a.placed, b.ID)
	f := a.started[p.family]
	if f == nil || p.skipped && !f.banned {
		return a.done(ctx, p.intent)
	}
	if p.undo == nil && b.ID != "" {
		p.ban = b
	}
	err := a.lift(ctx, p)
	if err != nil && p.inPlace {
		var fits bool
		if fits, err = a.fitsForUnban(ctx, p.family, err); !fits {
			return err
		}
		err = a.lift(ctx, p)
	}
	if err != nil && p.inPlace {
		return err
	}
	return a.done(ctx, p.intent)
}

// fitsForUnban tells whether an unban that failed is worth a second try. If the check fails
// too the rules around the ban are gone, and the ban with them.
func (a *Action) fitsForUnban(ctx context.Context, fam string, cause error) (bool, error) {
	if isTrue(a.props["actionrepair_on_unban"]) {
		_, err := a.ensureFit(ctx, fam)
		return err == nil, errors.Join(cause, err)
	}
	err := a.exec(ctx, "actioncheck", fam, nil, false)
	return err == nil, cause
}

func (a *Action) lift(ctx context.Context, p *placed) error {
	if p.undo != nil {
		return a.execute(ctx, "actionunban", p.family, p.ban.ID, *p.undo)
	}
	return a.exec(ctx, "actionunban", p.family, &p.ban, false)
}

// Prolong runs actionprolong, which few actions have, for a ban that now ends later.
func (a *Action) Prolong(ctx context.Context, b event.Ban, restored bool) error {
	if restored && isTrue(a.props["norestored"]) {
		return nil
	}
	if p := a.placed[b.ID]; p != nil {
		if p.skipped {
			return nil
		}
		p.ban = b
	}
	return a.exec(ctx, "actionprolong", a.family(&b), &b, restored)
}

// Reload runs actionreload for each started family, when the configuration was read again.
func (a *Action) Reload(ctx context.Context) error {
	return a.eachStarted(func(fam string) error { return a.exec(ctx, "actionreload", fam, nil, false) })
}

// Flush takes all bans away at once (jail stop, unban of all, action removed): by actionflush
// for each started family, or one by one where there is none or it fails (§4.4).
func (a *Action) Flush(ctx context.Context) error {
	seen := map[string]bool{}
	err := a.eachStarted(func(fam string) error {
		script := a.scripts[fam]["actionflush"]
		if script == "" || !a.started[fam].banned {
			return nil
		}
		if !seen[script] {
			seen[script] = true
			if err := a.exec(ctx, "actionflush", fam, nil, false); err != nil {
				return err
			}
		}
		a.started[fam].banned = false
		return a.forget(ctx, fam)
	})
	for _, p := range a.inOrder() {
		err = errors.Join(err, a.Unban(ctx, p.ban))
	}
	return err
}

// forget strikes out the bans of a family that a flush has taken away.
func (a *Action) forget(ctx context.Context, fam string) error {
	var ids []int64
	for id, p := range a.placed {
		if p.family == fam {
			ids = append(ids, p.intent)
			delete(a.placed, id)
		}
	}
	slices.Sort(ids)
	return a.done(ctx, ids...)
}

// Stop runs actionstop for each started family; it does not flush. After it the action may be
// started again. A family whose actionstop failed counts as stopped, as in fail2ban, but stays
// in the journal for Recover.
func (a *Action) Stop(ctx context.Context) error {
	seen := map[string]bool{}
	err := a.eachStarted(func(fam string) error {
		script := a.scripts[fam]["actionstop"]
		if script != "" && !seen[script] {
			seen[script] = true
			if err := a.exec(ctx, "actionstop", fam, nil, false); err != nil {
				return err
			}
		}
		return a.done(ctx, a.starts[fam])
	})
	clear(a.started)
	clear(a.starts)
	a.order = nil
	return err
}

func (a *Action) eachStarted(do func(fam string) error) error {
	var errs []error
	for _, fam := range slices.Clone(a.order) {
		if !a.started[fam].failed {
			errs = append(errs, do(fam))
		}
	}
	return errors.Join(errs...)
}

// family is "" for all bans of an action that makes no difference between families.
func (a *Action) family(b *event.Ban) string {
	if !a.conditional() {
		return ""
	}
	return familyOf(b)
}

// ensureStarted runs actionstart once for each family. A command equal to the one already run
// for another family is not run again (§4.4).
func (a *Action) ensureStarted(ctx context.Context, fam string) error {
	if a.started[fam] != nil {
		return nil
	}
	script := a.scripts[fam]["actionstart"]
	shared := script == "" || slices.ContainsFunc(a.order, func(other string) bool {
		return a.scripts[other]["actionstart"] == script
	})
	if shared {
		a.setStarted(fam)
		return nil
	}
	noted := a.noteStart(ctx, fam)
	// What half of a failing start did stays in the journal for the next try or the next gaol.
	if err := a.exec(ctx, "actionstart", fam, nil, false); err != nil {
		if !a.onDemand { // what starts with its jail, as mail does, bans even so
			a.setStarted(fam)
			a.started[fam].failed = true
		}
		return errors.Join(noted, err)
	}
	a.setStarted(fam)
	if err := errors.Join(noted, a.ran(ctx, a.starts[fam])); err != nil {
		a.report(Report{Op: "journal", Family: fam, Err: err})
	}
	return a.reimpose(ctx, fam, nil)
}

func (a *Action) setStarted(fam string) {
	a.started[fam] = &family{}
	a.order = append(a.order, fam)
}

func (a *Action) noteStart(ctx context.Context, fam string) (err error) {
	if a.opts.Journal == nil || a.scripts[fam]["actionstop"] == "" || a.starts[fam] != 0 {
		return nil
	}
	a.starts[fam], err = a.opts.Journal.Intend(ctx, event.Intent{
		Jail: a.spec.Jail, Action: a.spec.Name, File: a.spec.File, Family: fam,
		Undo:  a.command(ctx, "actionstop", fam, nil, false),
		Flush: a.command(ctx, "actionflush", fam, nil, false),
		Print: a.print, Boot: a.boot, Limit: a.spec.Timeout,
	})
	return err
}

// inOrder are the placed bans, oldest first.
func (a *Action) inOrder() []*placed {
	return slices.SortedFunc(maps.Values(a.placed), func(x, y *placed) int { return cmp.Compare(x.number, y.number) })
}

// place remembers a ban.
func (a *Action) place(p *placed) {
	a.last++
	p.number = a.last
	a.placed[p.ban.ID] = p
}

func (a *Action) ran(ctx context.Context, intent int64) error {
	if a.opts.Journal == nil || intent == 0 {
		return nil
	}
	return a.opts.Journal.Ran(ctx, intent)
}

func (a *Action) done(ctx context.Context, intents ...int64) error {
	intents = slices.DeleteFunc(intents, func(id int64) bool { return id == 0 })
	if a.opts.Journal == nil || len(intents) == 0 {
		return nil
	}
	return a.opts.Journal.Done(ctx, intents...)
}

// command renders op; actioncheck gets no tags of a ban, as in fail2ban.
func (a *Action) command(ctx context.Context, op, fam string, b *event.Ban, restored bool) event.Command {
	if op == "actioncheck" {
		return fill(a.scripts[fam][op], layout)
	}
	return fill(a.scripts[fam][op], a.values(ctx, b, restored))
}

// exec renders and runs op; an empty command is a success.
func (a *Action) exec(ctx context.Context, op, fam string, b *event.Ban, restored bool) error {
	if a.scripts[fam][op] == "" {
		return nil
	}
	if a.mailer != nil {
		return a.mail(ctx, op, b, restored)
	}
	id := ""
	if b != nil {
		id = b.ID
	}
	return a.execute(ctx, op, fam, id, a.command(ctx, op, fam, b, restored))
}

func (a *Action) execute(ctx context.Context, op, fam, id string, c event.Command) error {
	began := time.Now()
	out, err := a.run(ctx, c, a.spec.Timeout)
	if err != nil {
		err = fmt.Errorf("run %s of action %s in jail %s: %w", op, a.spec.Name, a.spec.Jail, err)
	}
	a.report(Report{Op: op, Family: fam, Ban: id, Command: c, Output: out, Took: time.Since(began), Err: err})
	return err
}

func (a *Action) report(r Report) {
	if a.opts.Report != nil {
		r.Jail, r.Action = a.spec.Jail, a.spec.Name
		a.opts.Report(r)
	}
}
