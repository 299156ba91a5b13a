package engine

import (
	"context"
	"fmt"
	"strings"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/filter"
)

// explain carries out control.Explain. It runs beside the jails and asks them only for their
// rules, so that no line waits for it; one at a time, since it is slow.
func (e *engine) explain(ctx context.Context, c control.Explain) (control.Reply, error) {
	if n := len(c.Lines); n == 0 || n > control.MaxExplained {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("%d lines to explain: expected 1 to %d", n, control.MaxExplained)}
	}
	size := 0
	for _, l := range c.Lines {
		size += min(len(l), event.MaxLine)
	}
	if size > control.MaxExplainedBytes {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("%d bytes to explain: expected at most %d", size, control.MaxExplainedBytes)}
	}
	subjects, err := e.subjects(c)
	if err != nil {
		return control.Reply{}, err
	}
	e.explaining.Lock()
	defer e.explaining.Unlock()
	var reply control.Reply
	for _, s := range subjects {
		o := ExplainOptions{Lines: c.Lines, Now: e.o.Now(), All: c.All}
		if s.Jail != nil {
			o.Spared = e.sparedIn(s.Jail.Name)
		}
		all, err := Explain(ctx, s, o)
		if ctx.Err() != nil {
			return control.Reply{}, ctx.Err()
		}
		if err != nil {
			return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: err.Error()}
		}
		reply.Explained = append(reply.Explained, all...)
	}
	return reply, nil
}

// subjects are what a command wants lines to be held against.
func (e *engine) subjects(c control.Explain) ([]Subject, error) {
	opts := e.loadOptions()
	switch {
	case len(c.Regexes) > 0:
		s := Subject{Filter: "regexes", Spec: filter.Spec{UseDNS: "warn"}}
		for _, r := range c.Regexes {
			s.Spec.Failregex = append(s.Spec.Failregex, filter.Rule{Expr: r})
		}
		return []Subject{s}, nil
	case c.Filter != "":
		name, _, _ := strings.Cut(c.Filter, "[")
		if strings.ContainsAny(name, "/\\") {
			return nil, &control.Error{Fault: control.Refused, Msg: fmt.Sprintf("filter %.100q: only filters of the configuration are read here, by their names", name)}
		}
		f, _, err := config.ReadFilter(opts, c.Filter)
		if err != nil {
			return nil, &control.Error{Fault: control.Unknown, Msg: err.Error(), Hint: "name a filter of filter.d, such as sshd or sshd[mode=aggressive]"}
		}
		return []Subject{SubjectOfFilter(opts, f, c.Filter)}, nil
	case c.Jail != "":
		w := e.find(c.Jail)
		if w == nil {
			return nil, e.noJail(c.Jail)
		}
		return []Subject{SubjectOfJail(opts, e.confOf(w))}, nil
	}
	var all []Subject
	for _, w := range e.running() {
		all = append(all, SubjectOfJail(opts, e.confOf(w)))
	}
	return all, nil
}

// confOf is a jail's configuration as it runs; fail2ban-client may have changed it.
func (e *engine) confOf(w *worker) (j config.Jail) {
	j = w.conf
	w.call(func() { j = w.conf })
	return j
}

// loadOptions is where the running configuration comes from.
func (e *engine) loadOptions() config.LoadOptions {
	e.mu.Lock()
	defer e.mu.Unlock()
	return config.LoadOptions{Dir: e.conf.Dir, Embedded: e.conf.Dir == ""}
}

// sparedIn says whom a running jail spares; nil where it has ended.
func (e *engine) sparedIn(name string) func(id string, kind event.IDKind) (string, bool) {
	w := e.find(name)
	if w == nil {
		return nil
	}
	return func(id string, kind event.IDKind) (why string, spared bool) {
		w.call(func() { why, spared = w.sparedWhy(id, kind) })
		return why, spared
	}
}

// sparedWhy is why a jail bans nobody by an id, with the place in the configuration; for the
// worker's goroutine.
func (w *worker) sparedWhy(id string, kind event.IDKind) (why string, spared bool) {
	if why, spared = w.protects(w.deps.floor)(id, kind); spared {
		if strings.HasPrefix(why, "trusted_proxies") {
			why = w.conf.Where("trusted_proxies").String() + ": " + why
		}
		return why, true
	}
	if why, spared = w.spares(w.deps.floor)(id, kind); spared && strings.HasPrefix(why, "ignoreip") {
		why = w.conf.Where("ignoreip").String() + ": " + why
	}
	return why, spared
}
