package engine

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
)

// reload reads the configuration again and changes what changed. All that can fail is done
// first: a broken jail keeps its running version, and a shared file that cannot be read keeps
// every jail that it no longer shows. The problems are those of the new configuration.
//
// Where c names a jail, the others are left as they are; c.Restart starts jails again that did
// not change.
func (e *engine) reload(c control.Reload) ([]config.Problem, error) {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	conf, problems := e.o.Load()
	jails := slices.Concat(conf.Jails, e.joined(conf))
	plans, more := e.planAll(jails)
	problems = append(problems, more...)
	keepMissing := slices.ContainsFunc(problems, func(p config.Problem) bool {
		return p.Severity == config.Error && p.Jail == ""
	})
	named := map[string]bool{}
	for _, j := range jails {
		named[j.Name] = true
	}
	for _, w := range e.running() {
		if name := w.conf.Name; !named[name] && !keepMissing && concerns(c, name) {
			if err := e.remove(w); err != nil {
				return problems, err
			}
		}
	}
	for _, p := range plans {
		if !concerns(c, p.conf.Name) {
			continue
		}
		if err := e.replace(p, c.Restart); err != nil {
			problems = append(problems, e.breakJail(p.conf, err)...)
		}
	}
	e.mu.Lock()
	e.conf, e.problems = conf, problems
	e.mu.Unlock()
	e.log.Info(fmt.Sprintf("configuration read again; jails that run: %d", len(e.running())), "logger", "server")
	e.deps.bus.publish(event.Happening{What: event.Reloaded, Jail: c.Jail})
	own := slices.DeleteFunc(slices.Clone(problems), func(p config.Problem) bool { return p.Jail != "" && !concerns(c, p.Jail) })
	return problems, faulty(own)
}

// concerns says whether a reload is about that jail.
func concerns(c control.Reload, jail string) bool {
	return c.Jail == "" || c.Jail == jail || strings.HasPrefix(jail, c.Jail+memberMark)
}

// faulty is the error of a reload that found errors; the sound part of it was carried out.
func faulty(problems []config.Problem) error {
	n := 0
	for _, p := range problems {
		if p.Severity == config.Error {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &control.Error{Fault: control.Refused, Msg: fmt.Sprintf("errors in the configuration: %d; what they break keeps its running version", n),
		Hint: "mend them and run: gaol reload"}
}

// remove ends a jail that is configured no more.
func (e *engine) remove(w *worker) error {
	name := w.conf.Name
	w.stop()
	<-w.done
	w.queue.stop()
	e.mu.Lock()
	delete(e.workers, name)
	delete(e.broken, name)
	e.mu.Unlock()
	why := "it is configured no more"
	if w.member() {
		why = "its container is gone, or its label"
	}
	e.log.Info(fmt.Sprintf("[%s] jail stopped: %s", name, why), "logger", "jail")
	e.deps.bus.publish(event.Happening{What: event.JailStopped, Jail: name, Reason: why})
	return errors.Join(e.fw.Apply([]firewall.Change{{Jail: name, Forget: true}}), e.leftRaised(w.plan, nil))
}

// replace starts a jail, or starts it again when it changed. The state goes through the
// store, the bans stay in the kernel all the while.
func (e *engine) replace(p *plan, again bool) error {
	name := p.conf.Name
	e.mu.Lock()
	old := e.workers[name]
	e.mu.Unlock()
	if old != nil && !again && reflect.DeepEqual(old.conf, p.conf) {
		old.queue.reload()
		return nil
	}
	w := e.newWorker(p)
	var before counters
	if old != nil {
		before = old.counted()
		old.stop()
		<-old.done
	}
	e.mu.Lock()
	e.workers[name] = w
	e.mu.Unlock()
	if err := e.deps.ensure(); err != nil {
		e.log.Error(fmt.Sprintf("[%s] make the rules of the changed jail", name), "error", err)
		w.owes = true
	}
	if old != nil {
		if err := e.leftRaised(old.plan, p); err != nil {
			e.log.Error(fmt.Sprintf("[%s] end the bans of all ports", name), "error", err)
		}
	}
	if err := e.launch(w, old, false, nil); err != nil {
		e.mu.Lock()
		delete(e.workers, name)
		e.mu.Unlock()
		if old == nil {
			return err
		}
		err = e.revive(old, err)
		if again := e.find(name); again != nil {
			again.call(func() { again.carry(before) })
		}
		return err
	}
	<-w.restored
	if old != nil {
		w.call(func() { w.carry(before) })
	}
	return nil
}

// revive starts the version that ran before a changed jail that could not be started.
func (e *engine) revive(old *worker, cause error) error {
	again := e.newWorker(old.plan)
	e.mu.Lock()
	e.workers[old.conf.Name] = again
	e.mu.Unlock()
	if err := e.launch(again, old, false, nil); err != nil {
		e.mu.Lock()
		delete(e.workers, old.conf.Name)
		e.mu.Unlock()
		return fmt.Errorf("%w; and the version before does not start either: %w", cause, err)
	}
	<-again.restored
	return fmt.Errorf("%w; the version before goes on", cause)
}

// running are the workers in the order of their names.
func (e *engine) running() []*worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*worker
	for _, name := range slices.Sorted(maps.Keys(e.workers)) {
		all = append(all, e.workers[name])
	}
	return all
}
