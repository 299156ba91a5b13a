package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/jail"
	"gaol/internal/store"
)

// startJails plans all jails, makes the rules of the kernel, brings back what was banned and
// lets the workers go. A jail that cannot run does not stop the others.
func (e *engine) startJails(undo *cleanups) error {
	e.containers.labels.waiting = e.conf.Global.Own.Labels && e.containers.now().Engine == ""
	plans, more := e.planAll(slices.Concat(e.conf.Jails, e.joined(e.conf)))
	e.problems = append(e.problems, more...)
	if len(plans) == 0 && len(e.conf.Jails) > 0 {
		return fmt.Errorf("%w: each one is broken", ErrNoJail)
	}
	for _, p := range plans {
		e.workers[p.conf.Name] = e.newWorker(p)
	}
	if e.containers.now().Engine == "" && e.asksForContainers() {
		kernel, err := e.fw.List()
		if err != nil {
			return err
		}
		e.containers.keep(kernel)
	}
	if err := e.deps.ensure(); err != nil {
		return err
	}
	names, err := e.places()
	if err != nil {
		return err
	}
	if err := e.forgetJails(names); err != nil {
		return err
	}
	intents, err := e.store.Pending(e.ctx)
	if err != nil {
		return err
	}
	undo.add("stop jails", e.stopJails)
	// Jails with few bans come first: none waits with its log until another has 100,000 back.
	held, err := e.store.Banned(e.ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(plans, func(a, b *plan) int { return held[a.conf.Name] - held[b.conf.Name] })
	e.deps.readers.hold() // jails that start together read together
	for _, p := range plans {
		if held[p.conf.Name] > quickStart {
			e.deps.readers.release()
		}
		if err := e.launch(e.workers[p.conf.Name], nil, true, intents); err != nil {
			e.mu.Lock()
			delete(e.workers, p.conf.Name)
			e.mu.Unlock()
			e.problems = append(e.problems, e.breakJail(p.conf, err)...)
		}
	}
	e.deps.readers.release()
	for _, w := range e.running() {
		<-w.restored
	}
	if len(e.workers) == 0 && len(e.conf.Jails) > 0 {
		return fmt.Errorf("%w: each one is broken", ErrNoJail)
	}
	e.undoForeign(intents)
	return nil
}

// quickStart is how many bans a jail may have to be back at once: no log waits for those of others.
const quickStart = 1000

// planAll plans the sound jails; the others are marked as broken, and the problems say why
// where the configuration did not.
func (e *engine) planAll(jails []config.Jail) (plans []*plan, problems []config.Problem) {
	for _, j := range jails {
		if j.Broken {
			e.breakJail(j, errors.New("its configuration has errors; gaol check lists them"))
			continue
		}
		p, err := e.deps.shelf.makePlan(j, e.deps.resolver, e.o.Now().Year())
		if err != nil {
			problems = append(problems, e.breakJail(j, err)...)
			continue
		}
		e.mu.Lock()
		delete(e.broken, j.Name)
		e.mu.Unlock()
		plans = append(plans, p)
	}
	return plans, problems
}

// breakJail marks a jail as broken and returns why, as findings with their places.
func (e *engine) breakJail(j config.Jail, err error) (problems []config.Problem) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken[j.Name] = err.Error()
	e.deps.bus.publish(event.Happening{What: event.JailBroken, Jail: j.Name, Reason: err.Error(), Hint: "gaol check"})
	what := "jail does not run"
	if e.workers[j.Name] != nil {
		what = "jail keeps its running version"
	}
	e.log.Error(fmt.Sprintf("[%s] %s: %v", j.Name, what, err), "logger", "jail")
	for line := range strings.SplitSeq(err.Error(), "\n") {
		problems = append(problems, problemOf(j, line))
	}
	return problems
}

func (e *engine) newWorker(p *plan) *worker {
	w := &worker{
		plan: p, deps: e.deps, asks: newAsker(), held: &heldLog{next: e.log.Handler()},
		marks: map[string]event.Mark{}, at: map[string]event.Mark{}, matched: map[string]uint64{}, perSource: map[string]*event.SourceStatus{},
		calls: make(chan func()), restored: make(chan struct{}), done: make(chan struct{}),
	}
	w.log = slog.New(w.held)
	w.jail = jail.New(w.options(e.deps.floor))
	return w
}

// launch reads a worker's state and lets it go: it brings its bans back by itself, beside other
// jails that read their logs already, and closes w.restored. adopt: what the kernel holds counts too.
// before is the worker it replaces.
func (e *engine) launch(w *worker, before *worker, adopt bool, intents []event.Intent) error {
	name := w.conf.Name
	state, err := e.store.Load(e.ctx, name)
	if err != nil {
		return err
	}
	var gone []*actor
	var old *actors
	if before != nil {
		old = before.queue
	}
	if w.queue, gone, err = newActors(w.plan, e.deps, e.actionOptions(), old); err != nil {
		return err
	}
	e.ready(w.plan)
	if err := w.begin(e.ctx, state, before != nil); err != nil {
		return err
	}
	if before == nil {
		w.queue.recover(intentsOf(intents, name), w.queue.inForce(state.Bans, e.o.Now()))
	} else {
		w.queue.follow(old, gone)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	w.stop = cancel
	go func() {
		w.restore(state, adopt)
		state = store.State{}
		w.announce()
		e.differs(w)
		close(w.restored)
		w.run(ctx)
	}()
	return nil
}

// announce says what the jail watches and what it does not find.
func (w *worker) announce() {
	w.deps.bus.publish(event.Happening{What: event.JailStarted, Jail: w.conf.Name})
	for _, m := range w.missing {
		w.log.Warn(fmt.Sprintf("[%s] %s does not exist (yet); it is read as soon as it does", w.conf.Name, m), "logger", "jail")
	}
	if w.conf.Switched {
		w.log.Info(fmt.Sprintf("[%s] none of its logs exists; it reads the journal", w.conf.Name), "logger", "jail")
	}
	w.log.Info(fmt.Sprintf("[%s] jail started: %d failures in %s ban for %s", w.conf.Name, w.conf.MaxRetry,
		w.conf.FindTime, banTimeText(w.conf.BanTime)), "logger", "jail", "port", w.conf.Port, "actions", w.actionNames())
}

func banTimeText(d time.Duration) string {
	if d < 0 {
		return "ever"
	}
	return d.String()
}

// differs says what the firewall in use carries out otherwise than the jail asks for.
func (e *engine) differs(w *worker) {
	fw, ok := e.fw.(interface {
		Differs(t firewall.Target) string
	})
	if !ok || w.target == nil {
		return
	}
	if what := fw.Differs(e.scoped(w.plan)); what != "" {
		e.log.Warn(fmt.Sprintf("[%s] %s", w.conf.Name, what), "logger", "jail")
	}
}

// places names the jails that have a place in the kernel. The bans there are each jail's own
// business: to list 100,000 takes a while.
func (e *engine) places() ([]string, error) {
	if fw, ok := e.fw.(interface{ Places() ([]string, error) }); ok {
		return fw.Places()
	}
	kernel, err := e.fw.List()
	return slices.Collect(maps.Keys(kernel)), err
}

// forgetJails deletes from the kernel the jails that are configured no more. Jails that are
// configured but broken keep their bans.
func (e *engine) forgetJails(places []string) error {
	var changes []firewall.Change
	for _, name := range places {
		jail, raised := e.raisedOf(name)
		if !raised {
			jail = name
		}
		w, broken := e.workers[jail], e.broken[jail] != ""
		if broken || w != nil && slices.Contains(w.places(), name) || e.mayJoin(name) {
			continue
		}
		e.log.Info(fmt.Sprintf("[%s] jail is gone: its bans in the kernel are deleted", name), "logger", "jail")
		changes = append(changes, firewall.Change{Jail: name, Forget: true})
	}
	if len(changes) == 0 {
		return nil
	}
	return e.fw.Apply(changes)
}

// undoForeign undoes what actions left that no running jail has: removed while gaol was down.
func (e *engine) undoForeign(intents []event.Intent) {
	var foreign []event.Intent
	for _, i := range intents {
		w := e.workers[i.Jail]
		if e.broken[i.Jail] != "" {
			continue
		}
		if w == nil || !slices.ContainsFunc(w.queue.all, func(a *actor) bool { return a.Name() == i.Action }) {
			foreign = append(foreign, i)
		}
	}
	if len(foreign) == 0 || e.o.DryRun {
		return
	}
	report := (&actors{log: e.log}).report
	e.deps.queues.For(foreign[0].File).Add(false, func(ctx context.Context) {
		if err := action.Undo(ctx, foreign, action.Options{Journal: e.store, Report: report}); err != nil {
			e.log.Error("undo what removed actions left", "error", err)
		}
	})
}

func intentsOf(all []event.Intent, jail string) (own []event.Intent) {
	for _, i := range all {
		if i.Jail == jail {
			own = append(own, i)
		}
	}
	return own
}

func (as *actors) inForce(bans []event.Ban, now time.Time) map[string]bool {
	if len(as.all) == 0 {
		return nil // nobody asks
	}
	m := map[string]bool{}
	for _, b := range bans {
		if b.End.IsZero() || b.End.After(now) {
			m[b.ID] = true
		}
	}
	return m
}

// stopJails waits for the workers, whose context has ended, to write down what they took in;
// then the action.d commands flush and stop. Native bans stay, unless the stop asked otherwise.
func (e *engine) stopJails() error {
	for _, w := range e.running() {
		w.stop()
		<-w.done
		if e.unbanAll.Load() {
			var ds []event.Decision
			for _, b := range w.jail.Bans() {
				ds = append(ds, w.jail.Unban(b.ID, e.o.Now(), "stop --unban")...)
			}
			w.settle(context.Background(), ds)
			w.written()
		}
		w.queue.stop()
		e.deps.bus.publish(event.Happening{What: event.JailStopped, Jail: w.conf.Name, Reason: "gaol ends"})
	}
	if e.unbanAll.Load() || e.dropTable.Load() {
		return e.fw.Drop()
	}
	return nil
}
