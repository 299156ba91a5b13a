package engine

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/source"
	"gaol/internal/store"
)

// open makes the sources of a jail, each to go on at its stored mark. missing are the paths
// that match nothing yet; they are waited for. carryOn: the jail ran until now, so that also
// logs that are read from their end on (tail) go on where they were left.
func (p *plan) open(d *docks, state store.State, now time.Time, carryOn bool) (all []source.Source, missing []string, err error) {
	files, missing := p.patterns()
	if carryOn {
		files = leftAt(files, state)
	}
	if p.journal() {
		s, err := p.openJournal(state, now)
		return []source.Source{s}, nil, err
	}
	units := date.Units(p.conf.LogEncoding)
	format, err := source.ParseFormat(p.conf.LogFormat)
	if err != nil {
		format = source.Plain // another's word for something else; gaol check tells
	}
	if units.Wide() && (format != source.Plain || p.ownLog()) {
		return nil, nil, fmt.Errorf("%s: logencoding = %s is for files that a program writes: what a container's engine writes is UTF-8; remove it",
			p.conf.Where("logencoding"), p.conf.LogEncoding)
	}
	files, inside := splitInside(files)
	if p.ownLog() || len(inside) > 0 {
		var absent []string
		if all, absent, err = p.openContainers(d, inside, state, now, carryOn); err != nil || len(files) == 0 {
			return all, absent, err
		}
		missing = append(missing, absent...)
	}
	if len(files) == 0 && p.bare {
		return nil, nil, nil
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s: jail %s has no log to read: set logpath, container, or backend = systemd with a journalmatch",
			p.conf.Where("logpath"), p.conf.Name)
	}
	for _, tail := range []bool{false, true} {
		var patterns []string
		for _, f := range files {
			if f.tail == tail {
				patterns = append(patterns, f.glob)
			}
		}
		if len(patterns) == 0 {
			continue
		}
		s, err := source.Files(source.FileOptions{
			Patterns: patterns, Tail: tail, Polling: p.conf.Backend == "polling",
			Resume: resumeFrom(state), TooOld: p.tooOld(now), Units: units, Format: format, Since: now.Add(-p.conf.FindTime),
		})
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, nil, fmt.Errorf("%s: %w", p.conf.Where("logpath"), err)
		}
		all = append(all, s)
	}
	return all, missing, nil
}

type pattern struct {
	glob string
	tail bool
}

// leftAt are the patterns with those read from the end turned into ones that resume, as far as
// a stored mark says where they were left: lines that come while a jail starts anew count.
func leftAt(files []pattern, state store.State) []pattern {
	files = slices.Clone(files)
	for i := range files {
		for _, m := range state.Marks {
			if match, err := filepath.Match(files[i].glob, m.Source); err == nil && match {
				files[i].tail = false
			}
		}
	}
	return files
}

// patterns splits logpath's "glob head|tail" and says which match nothing now.
func (p *plan) patterns() (all []pattern, missing []string) {
	for _, l := range p.conf.LogPath {
		glob, mode, _ := strings.Cut(l, " ")
		all = append(all, pattern{glob, mode == "tail"})
		if strings.HasPrefix(glob, insideContainer) {
			continue
		}
		if found, err := filepath.Glob(glob); err != nil || len(found) == 0 {
			missing = append(missing, glob)
		}
	}
	return all, missing
}

func (p *plan) openJournal(state store.State, now time.Time) (source.Source, error) {
	o := source.JournalOptions{Matches: p.conf.Filter.JournalMatch, Since: now.Add(-p.conf.FindTime)}
	params := backendParams(p.conf.Backend)
	o.Dir, o.Namespace = params["journalpath"], params["namespace"]
	if files := params["journalfiles"]; files != "" {
		o.Files = strings.Split(files, ",")
	}
	if err := setJournalFlags(&o, params["journalflags"]); err != nil {
		return nil, fmt.Errorf("%s: %w", p.conf.Where("backend"), err)
	}
	for _, m := range state.Marks {
		if m.Cursor != "" && m.Source == "journal" {
			o.Resume = m
		} else if at := time.UnixMicro(m.Offset + 1); m.Source == "journal" && at.After(o.Since) {
			o.Since = at // fail2ban kept the time of the last entry it read (§4.6)
		}
	}
	s, err := source.Journal(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.conf.Where("backend"), err)
	}
	return s, nil
}

// The flags of sd_journal_open(3) that journalflags adds up. The local machine's are always
// read only, and rotated files always too, which fail2ban's parameter rotated asks for.
const (
	journalRuntime = 2 // the volatile journal only
	journalSystem  = 4 // no users' session journals
	runtimeJournal = "/run/log/journal"
)

// setJournalFlags reads backend's journalflags; "" is journalSystem.
func setJournalFlags(o *source.JournalOptions, text string) error {
	if text == "" {
		return nil
	}
	flags, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("journalflags: %q is not a number of sd_journal_open(3)", text)
	}
	o.Users = flags&journalSystem == 0
	if flags&journalRuntime != 0 && o.Dir == "" && len(o.Files) == 0 {
		o.Dir = runtimeJournal
	}
	return nil
}

// backendParams reads "systemd[journalpath=DIR, namespace=N]" (§3).
func backendParams(backend string) map[string]string {
	params := map[string]string{}
	_, inside, _ := strings.Cut(strings.TrimSuffix(backend, "]"), "[")
	for _, one := range strings.Split(inside, ", ") {
		key, value, _ := strings.Cut(strings.TrimSpace(one), "=")
		params[key] = strings.Trim(value, `"'`)
	}
	return params
}

func resumeFrom(state store.State) func(string) (event.Mark, bool) {
	marks := map[string]event.Mark{}
	for _, m := range state.Marks {
		marks[m.Source] = m
	}
	return func(path string) (event.Mark, bool) {
		m, ok := marks[path]
		return m, ok
	}
}

// tooOld tells the lines that a first start need not read: older than findtime.
func (p *plan) tooOld(now time.Time) func(string) (bool, bool) {
	d := date.NewDetector(p.dates)
	oldest := now.Add(-p.conf.FindTime)
	return func(text string) (old, known bool) {
		s, found := d.Find(text, now)
		if !found || !s.OK {
			return false, false
		}
		return s.Time.Before(oldest), true
	}
}
