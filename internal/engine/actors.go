package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/event"
)

// actors are the action.d commands of one jail. Their calls only queue: a slow command never
// holds up the reading of a log or the native ban of the same jail.
type actors struct {
	jail   string
	queues *action.Queues
	log    *slog.Logger
	now    func() time.Time
	bus    *bus
	all    []*actor
}

type actor struct {
	*action.Action
	spec action.Spec

	mu    sync.Mutex // the queue's goroutine writes, viewers read
	state event.ActionStatus
}

// newActors prepares the commands of a plan. Actors of the version before whose properties
// are the same go on: they know what they have put in place. The rest of them is returned.
func newActors(p *plan, d *deps, o action.Options, before *actors) (now *actors, gone []*actor, err error) {
	now = &actors{jail: p.conf.Name, queues: d.queues, log: d.log, now: d.now, bus: d.bus}
	o.Report = now.report
	var old []*actor
	if before != nil {
		old = slices.Clone(before.all)
	}
	if d.dryRun {
		return now, nil, nil
	}
	for _, c := range p.actions {
		spec, err := actionSpec(p, c)
		if err != nil {
			return nil, nil, err
		}
		if i := slices.IndexFunc(old, func(a *actor) bool { return reflect.DeepEqual(a.spec, spec) }); i >= 0 {
			now.all = append(now.all, old[i])
			old = slices.Delete(old, i, i+1)
			continue
		}
		a, err := action.New(spec, o)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.Pos, err)
		}
		now.all = append(now.all, &actor{Action: a, spec: spec, state: event.ActionStatus{Name: a.Name()}})
	}
	return now, old, nil
}

func actionSpec(p *plan, c config.Action) (action.Spec, error) {
	s := action.Spec{Jail: p.conf.Name, Name: c.Name, File: c.File, BanTime: p.conf.BanTime, Props: map[string]string{}}
	for k, v := range c.Props {
		s.Props[k] = v.Text()
	}
	if t, ok := s.Props["timeout"]; ok {
		seconds, err := config.Seconds(t)
		if err != nil {
			return s, fmt.Errorf("%s: timeout: %w", c.Pos, err)
		}
		s.Timeout = time.Duration(seconds * float64(time.Second))
	}
	return s, nil
}

// recover settles what an earlier run left in place, then starts the actions that do not
// start on demand.
func (as *actors) recover(intents []event.Intent, inForce map[string]bool) {
	for _, a := range as.all {
		var own []event.Intent
		for _, i := range intents {
			if i.Action == a.Name() {
				own = append(own, i)
			}
		}
		as.add(a, false, "recover", func(ctx context.Context) error {
			return a.Recover(ctx, own, func(id string) bool { return inForce[id] })
		})
		as.add(a, false, "start", a.Start)
	}
}

// follow takes over from the actors before, on reload: those that are gone flush and stop,
// those that stay are told, new ones start; the restored bans go to all.
func (as *actors) follow(before *actors, gone []*actor) {
	for _, a := range gone {
		before.end(a)
	}
	for _, a := range as.all {
		if slices.Contains(before.all, a) {
			as.add(a, false, "reload", a.Reload)
		} else {
			as.add(a, false, "start", a.Start)
		}
	}
}

// reload tells the actions of a jail that did not change that the configuration was read again.
func (as *actors) reload() {
	for _, a := range as.all {
		as.add(a, false, "reload", a.Reload)
	}
}

func (as *actors) ban(b event.Ban, restored bool) {
	for _, a := range as.all {
		as.add(a, a.NotifyOnly(), "ban "+named(b.ID, 100), func(ctx context.Context) error { return a.Ban(ctx, b, restored) })
	}
}

func (as *actors) prolong(b event.Ban) {
	for _, a := range as.all {
		as.add(a, a.NotifyOnly(), "prolong "+named(b.ID, 100), func(ctx context.Context) error { return a.Prolong(ctx, b, false) })
	}
}

// renew checks, and mends, a ban that seems not to be in force.
func (as *actors) renew(b event.Ban) {
	for _, a := range as.all {
		as.add(a, a.NotifyOnly(), "renew "+named(b.ID, 100), func(ctx context.Context) error { return a.Renew(ctx, b) })
	}
}

func (as *actors) unban(b event.Ban) {
	for _, a := range as.all {
		as.add(a, a.NotifyOnly(), "unban "+named(b.ID, 100), func(ctx context.Context) error { return a.Unban(ctx, b) })
	}
}

// stop takes all bans away, then ends the actions, the last one first (§4.5).
func (as *actors) stop() {
	for _, a := range as.all {
		as.add(a, false, "flush", a.Flush)
	}
	for _, a := range slices.Backward(as.all) {
		as.add(a, false, "stop", a.Stop)
	}
}

func (as *actors) end(a *actor) {
	as.add(a, false, "stop", func(ctx context.Context) error { return errors.Join(a.Flush(ctx), a.Stop(ctx)) })
}

func (as *actors) add(a *actor, notify bool, what string, run func(context.Context) error) {
	taken := as.queues.For(a.File()).Add(notify, func(ctx context.Context) {
		err := run(ctx)
		a.fared(err, as.now)
		if err != nil {
			as.bus.publish(event.Happening{What: event.ActionFails, Jail: as.jail, Reason: fmt.Sprintf("%s: %s: %v", a.Name(), what, err)})
			as.log.Error(fmt.Sprintf("[%s] action %s failed: %s", as.jail, a.Name(), what), "logger", "actions", "error", err)
		}
	})
	if !taken {
		as.log.Error(fmt.Sprintf("[%s] action %s was not run: %s", as.jail, a.Name(), what), "logger", "actions")
	}
}

// fared notes how a job ended.
func (a *actor) fared(err error, now func() time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Failing = err != nil
	if err != nil {
		a.state.Failures++
		a.state.Error, a.state.FailedAt = clip(err.Error(), 400), now()
	}
}

// status is how the actions fare, and which of them fail now; "" where none does.
func (as *actors) status() (states []event.ActionStatus, problem string) {
	var failing []string
	for _, a := range as.all {
		a.mu.Lock()
		s := a.state
		a.mu.Unlock()
		s.Waiting, s.Dropped = as.queues.For(a.File()).Waiting()
		if s.Failing {
			failing = append(failing, fmt.Sprintf("action %s fails: %s", s.Name, s.Error))
		}
		states = append(states, s)
	}
	return states, strings.Join(failing, "; ")
}

// report logs a command that ran; its text holds attackers' text and is quoted.
func (as *actors) report(r action.Report) {
	level := slog.LevelDebug
	switch {
	case r.Err != nil && r.Undo: // after a reboot there is nothing to undo
		level = slog.LevelInfo
	case r.Err != nil && r.Op != "actioncheck":
		level = slog.LevelError
	}
	as.log.Log(context.Background(), level, fmt.Sprintf("[%s] %s of %s", r.Jail, r.Op, r.Action), "logger", "utils",
		"took", r.Took.Round(time.Millisecond), "command", clip(r.Command.Script, 400), "output", clip(r.Output, 400), "error", fmt.Sprint(r.Err))
}
