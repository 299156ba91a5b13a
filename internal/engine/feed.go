package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/source"
	"gaol/internal/store"
)

// begin comes to a reader where the store says that the jail stood. carryOn: the jail ran until
// now, so that also logs that are read from their end on (tail) go on where they were left.
func (w *worker) begin(ctx context.Context, state store.State, carryOn bool) error {
	for _, m := range state.Marks {
		w.at[m.Source] = m
	}
	f, remembers := w.filterOf(state.Memory)
	return w.enter(ctx, f, remembers, nil, carryOn)
}

// filterOf is the jail's filter with what the store holds of its memory.
func (w *worker) filterOf(rows [][]byte) (f *filter.Filter, remembers string) {
	memory := slices.Concat([]byte("["), bytes.Join(rows, []byte(",")), []byte("]"))
	f = filter.New(w.program)
	if err := f.Restore(memory); err != nil {
		w.log.Warn(fmt.Sprintf("[%s] connections half seen are forgotten", w.conf.Name), "error", err)
	}
	f.Track()
	return f, string(memory)
}

// enter comes to a reader, or to one of its own, to read on from w.at.
func (w *worker) enter(ctx context.Context, f *filter.Filter, remembers string, cutters map[string]*date.Cutter, carryOn bool) error {
	state := store.State{Marks: slices.SortedFunc(maps.Values(w.at), func(a, b event.Mark) int { return strings.Compare(a.Source, b.Source) })}
	files, missing := w.patterns()
	w.missing = missing
	if carryOn {
		files = leftAt(files, state)
	}
	key, start := w.readsAs(files)
	if start != "" {
		start += fmt.Sprintf(" %p %s %+v", w.dates, w.conf.FindTime, state.Marks)
	}
	m, err := w.deps.readers.enter(ctx, seat{
		key: key, start: start, program: w.program, filter: f, remembers: remembers, marks: state.Marks,
		timing: timingOf(w.plan, cutters, state.Marks),
		open: func() (all []source.Source, err error) {
			all, w.missing, err = w.open(w.deps.docks, state, w.deps.now(), carryOn)
			return all, err
		},
	})
	w.listener = m
	if m != nil {
		m.idle.Store(w.idle)
	}
	return err
}

// readsAs says in words what is read and how: jails that agree in it can share a reader, once
// they stand at the same place (key), or before it began (start). Empty: it is not to be shared.
func (p *plan) readsAs(files []pattern) (key, start string) {
	if p.journal() {
		key = fmt.Sprintf("%q", append([]string{p.conf.Backend}, p.conf.Filter.JournalMatch...))
		return key, key
	}
	own, inside := splitInside(files)
	if p.ownLog() || len(inside) > 0 {
		return "", "" // each container's log has a name of its own for each jail
	}
	var globs []string
	for _, f := range own {
		globs = append(globs, f.glob)
	}
	slices.Sort(globs)
	how := fmt.Sprintf("%t %v %s ", p.conf.Backend == "polling", date.Units(p.conf.LogEncoding), strings.ToLower(p.conf.LogFormat))
	return how + fmt.Sprintf("%q", slices.Compact(globs)), how + fmt.Sprintf("%+q", fmt.Sprint(own))
}

// reenter leaves the reader and comes back with the plan as it is now. What was read already and
// not taken is read again; what the filter remembers is what the store holds, which is what the
// jail has taken.
func (w *worker) reenter(ctx context.Context) {
	if w.listener == nil {
		return
	}
	w.leave()
	w.save()
	w.written()
	rows, err := w.deps.remembered(ctx, w.conf.Name)
	if err == nil {
		f, _ := w.filterOf(rows)
		err = w.enter(ctx, f, "", nil, true)
	}
	if err != nil {
		w.problem = err.Error()
		w.log.Error(fmt.Sprintf("[%s] read on", w.conf.Name), "logger", "filter", "error", err)
	}
}

// readAlone goes on after the reader parted with the jail, until it finds it again.
func (w *worker) readAlone(ctx context.Context) {
	m := w.listener
	w.log.Warn(fmt.Sprintf("[%s] is too far behind the jails that read the same log; it reads alone until it is where they are", w.conf.Name), "logger", "filter")
	if err := w.enter(ctx, m.filter, "", m.cutters, true); err != nil {
		w.problem = err.Error()
		w.log.Error(fmt.Sprintf("[%s] read on", w.conf.Name), "logger", "filter", "error", err)
	}
}

func (w *worker) leave() {
	w.deps.readers.leave(w.listener)
	w.listener = nil
}

// portions is where the next portion comes from; nil: nothing is read.
func (w *worker) portions() <-chan *portion {
	if w.listener == nil || w.idle {
		return nil
	}
	return w.listener.out
}

// watched are the paths that the jail's reader follows.
func (w *worker) watched() []string { return w.deps.readers.watched(w.listener) }
