package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/source"
	"gaol/internal/store"
)

// open makes the sources of a jail, each to go on at its stored mark. missing are the paths
// that match nothing yet; they are waited for.
func (p *plan) open(state store.State, now time.Time) (all []source.Source, missing []string, err error) {
	files, missing := p.patterns()
	if p.journal() || len(files) == len(missing) && len(p.conf.Filter.JournalMatch) > 0 && haveJournal() {
		s, err := p.openJournal(state, now)
		return []source.Source{s}, nil, err
	}
	if len(files) == 0 && p.bare {
		return nil, nil, nil
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s: jail %s has no log to read: set logpath, or backend = systemd with a journalmatch",
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
			Resume: resumeFrom(state), TooOld: p.tooOld(now),
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

// patterns splits logpath's "glob head|tail" and says which match nothing now.
func (p *plan) patterns() (all []pattern, missing []string) {
	for _, l := range p.conf.LogPath {
		glob, mode, _ := strings.Cut(l, " ")
		all = append(all, pattern{glob, mode == "tail"})
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
	for _, m := range state.Marks {
		if m.Cursor != "" {
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

// haveJournal says whether this machine keeps a journal: journalctl, or a directory that some
// package made, proves nothing (systemd-journald.service(8), FILES).
func haveJournal() bool {
	for _, glob := range []string{"/run/log/journal/*/system*.journal", "/var/log/journal/*/system*.journal"} {
		if found, err := filepath.Glob(glob); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
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
