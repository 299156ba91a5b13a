package engine

import (
	"context"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	regex "gaol/internal/pattern"
)

// invalid is an error of the caller, with the Python exception as which fail2ban's clients
// know it.
func invalid(class, msg string) error {
	return &control.Error{Fault: control.Invalid, Class: class, Msg: msg}
}

func missingWord() error { return invalid("IndexError", "list index out of range") }

func (e *engine) get(c control.Get) (any, error) {
	if c.Jail == "" {
		return e.daemonSetting(c.Key)
	}
	known := knownGet(c.Key)
	w := e.find(c.Jail)
	if w == nil && known {
		return nil, e.noJail(c.Jail)
	}
	if !known {
		return nil, invalid("Exception", "Invalid command (no get action or not yet implemented)")
	}
	var v any
	var err error
	if !w.call(func() { v, err = w.setting(c.Key, c.Args) }) {
		return nil, e.noJail(c.Jail)
	}
	return v, err
}

// set changes a setting of a running jail: its configuration is copied and changed, made ready
// like one that was read from files, and only then handed to the jail.
func (e *engine) set(ctx context.Context, c control.Set) (any, error) {
	if c.Jail == "" {
		return e.setDaemon(c.Key, c.Args)
	}
	ch := changeOf(c.Key)
	if ch == nil {
		return nil, invalid("Exception", "Invalid command '"+c.Key+"' (no set action or not yet implemented)")
	}
	if len(c.Args) < ch.words {
		return nil, missingWord()
	}
	if err := ch.check(c.Args); err != nil {
		return nil, err
	}
	if c.Key == "action" {
		if w, a := e.methodOf(c); a != nil {
			return e.callMethod(ctx, w, a, c.Args)
		}
	}
	e.reloading.Lock()
	defer e.reloading.Unlock()
	w := e.find(c.Jail)
	if w == nil {
		return nil, e.noJail(c.Jail)
	}
	if ch.live != nil {
		var v any
		w.call(func() { v = ch.live(w, c.Args) })
		return v, nil
	}
	var p *plan
	var err error
	w.call(func() { p, err = e.changed(w, ch, c.Args) })
	if err != nil {
		return nil, err
	}
	if w, err = e.adopt(w, p, ch.anew); err != nil {
		return nil, err
	}
	if ch.answer == "" {
		return nil, nil
	}
	var v any
	w.call(func() { v, err = w.setting(ch.answer, c.Args) })
	return v, err
}

// changed is the jail's plan after a change, for the worker's goroutine.
func (e *engine) changed(w *worker, ch *change, args []string) (*plan, error) {
	conf := w.conf
	conf.Options = maps.Clone(conf.Options)
	conf.Filter.Failregex = slices.Clone(conf.Filter.Failregex)
	conf.Filter.Ignoreregex = slices.Clone(conf.Filter.Ignoreregex)
	conf.Filter.JournalMatch = slices.Clone(conf.Filter.JournalMatch)
	conf.LogPath, conf.IgnoreIP, conf.Actions = slices.Clone(conf.LogPath), slices.Clone(conf.IgnoreIP), slices.Clone(conf.Actions)
	if conf.Options == nil {
		conf.Options = map[string]config.Value{}
	}
	if err := ch.apply(&conf, args); err != nil {
		return nil, err
	}
	p, err := e.deps.shelf.makePlan(conf, e.deps.resolver, e.o.Now().Year())
	if err != nil {
		return nil, regexError(err, conf.UseDNS)
	}
	e.ready(p)
	p.bare = w.bare || ch.answer == "logpath" // all of them may be taken away
	return p, nil
}

// adopt hands a jail its changed plan. Where other logs are read or other actions run, the
// jail is started anew: its state goes through the store, as on reload.
func (e *engine) adopt(w *worker, p *plan, anew bool) (*worker, error) {
	if !anew {
		w.call(func() { w.amend(e.ctx, p) })
		return w, nil
	}
	if err := e.replace(p, true); err != nil {
		return nil, err
	}
	return e.find(p.conf.Name), nil
}

// amend is the change of a plan while the jail runs. Fields are set one by one: others read
// the jail's name and target at any time, and those do not change.
func (w *worker) amend(ctx context.Context, p *plan) {
	otherwise := w.program != p.program || w.dates != p.dates || w.conf.FindTime != p.conf.FindTime
	from, to := reflect.ValueOf(&p.conf).Elem(), reflect.ValueOf(&w.conf).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).Name != "Name" {
			to.Field(i).Set(from.Field(i))
		}
	}
	w.plan.program, w.plan.dates, w.plan.ignore = p.program, p.dates, p.ignore
	w.jail.Reconfigure(w.options(w.deps.floor))
	if otherwise {
		w.reenter(ctx)
	}
}

// regexError is a regular expression that does not compile, in fail2ban's words.
func regexError(err error, usedns string) error {
	const class = "fail2ban.server.failregex.RegexException"
	var bad *filter.Err
	if !errors.As(err, &bad) {
		return invalid("ValueError", err.Error())
	}
	var noID *filter.NoIDError
	if errors.As(err, &noID) {
		return invalid(class, "No failure-id group in '"+noID.Expr+"'")
	}
	what := bad.Err.Error()
	var syntax *regex.SyntaxError
	if errors.As(err, &syntax) {
		what = syntax.Error()
	}
	return invalid(class, "Unable to compile regular expression '"+expanded(bad.Rule.Expr, usedns)+"':\n"+what)
}

// attempt counts failures as if the log had told of them.
func (w *worker) attempt(ctx context.Context, c control.Attempt, id string, kind event.IDKind) int {
	now := w.deps.now()
	o := w.options(w.deps.floor)
	if _, spared := o.Spared(id, kind); spared {
		return 0
	}
	lines := c.Lines
	if len(lines) == 0 {
		lines = []string{""}
	}
	var ds []event.Decision
	for _, l := range lines {
		f := event.Failure{Jail: w.conf.Name, ID: id, Kind: kind, Time: now, Source: "fail2ban-client"}
		if kind == event.Address {
			f.IP = id
		}
		if l != "" {
			f.Matches = []string{l}
		}
		w.log.Info("["+w.conf.Name+"] Attempt "+named(id, 100), "logger", "filter")
		ds = append(ds, w.jail.Fail(f, now)...)
	}
	w.settle(ctx, ds)
	w.written()
	return 1
}

// counters are what a jail has counted since its start.
type counters struct {
	failed, banned      uint64
	lines, aborted, cut uint64
}

func (w *worker) counted() (c counters) {
	w.call(func() {
		_, failed, _, banned := w.jail.Counts()
		c = counters{failed + w.carried.failed, banned + w.carried.banned, w.lines, w.aborted, w.cut}
	})
	return c
}

// carry goes on with the counters of the worker before. Bans that were restored are counted
// by both.
func (w *worker) carry(c counters) {
	_, _, _, restored := w.jail.Counts()
	c.banned -= min(c.banned, restored)
	w.carried = c
	w.lines, w.aborted, w.cut = w.lines+c.lines, w.aborted+c.aborted, w.cut+c.cut
}

// datePattern is how fail2ban shows a datepattern: the first template and its name, or the
// name alone where there is no pattern behind it.
func datePattern(t *date.Templates, pattern string) control.Tuple {
	first, _, _ := strings.Cut(strings.TrimSpace(pattern), "\n")
	name := t.Shown()
	if first == "{NONE}" {
		first = "{UNB}^" // what it stands for
	}
	if name == "Default Detectors" || strings.Contains(first, "EPOCH") || strings.Contains(first, "TAI64N") {
		return control.Tuple{nil, name}
	}
	return control.Tuple{first, name}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
