package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// pages are a long list in parts.
type pages struct {
	Number, Last int // from 1
	Prev, Next   int // 0: there is none
	All          int
	from, to     int
}

func paged(all int, asked string) pages {
	p := pages{All: all, Last: max((all+shownBans-1)/shownBans, 1)}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 {
		n = 1
	}
	p.Number = min(n, p.Last)
	p.from = (p.Number - 1) * shownBans
	p.to = min(p.from+shownBans, all)
	if p.Number > 1 {
		p.Prev = p.Number - 1
	}
	if p.Number < p.Last {
		p.Next = p.Number + 1
	}
	return p
}

// searched is how much of each log's end is searched for an address that is not banned.
const searched = 1 << 20

func (s *site) offender(w http.ResponseWriter, r *http.Request, one *guest) {
	id := strings.TrimSpace(r.FormValue("id"))
	reply, err := s.daemon.Do(r.Context(), control.Why{ID: id, Search: searched})
	if err != nil {
		s.fail(w, one, err)
		return
	}
	names, err := s.jails(r)
	if err != nil {
		s.fail(w, one, err)
		return
	}
	jails := slices.DeleteFunc(slices.Clone(reply.Account.Jails), func(j event.JailAccount) bool { return !involved(j) })
	s.render(w, one, http.StatusOK, "offender", reply.Account.ID, map[string]any{
		"Account": reply.Account, "About": reply.Account.ID, "Country": s.geo.country(reply.Account.ID), "Jails": jails, "Names": names, "News": s.news.about(reply.Account.ID, shownNews),
	})
}

// involved says whether a jail has anything to tell of an id.
func involved(j event.JailAccount) bool {
	return len(j.Bans) > 0 || j.Count != nil || len(j.Past) > 0 || j.Spared != "" || j.Leak != nil || len(j.Newest) > 0
}

// jails are the names of those that run.
func (s *site) jails(r *http.Request) (names []string, err error) {
	reply, err := s.daemon.Do(r.Context(), control.Status{Brief: true})
	if err != nil {
		return nil, err
	}
	for _, j := range reply.Status.Jails {
		if j.Running {
			names = append(names, j.Name)
		}
	}
	return names, nil
}

func (s *site) allowed(w http.ResponseWriter, r *http.Request, one *guest) {
	reply, err := s.daemon.Do(r.Context(), control.Allowed{})
	if err != nil {
		s.fail(w, one, err)
		return
	}
	s.render(w, one, http.StatusOK, "allowed", "Never banned", map[string]any{"Allowed": reply.Allowed})
}

// bench explains lines that were pasted: what becomes of each in a jail, or under a filter.
func (s *site) bench(w http.ResponseWriter, r *http.Request, one *guest) {
	names, err := s.jails(r)
	if err != nil {
		s.fail(w, one, err)
		return
	}
	data := map[string]any{"Names": names, "Lines": plain(r.PostFormValue("lines")), "Jail": r.FormValue("jail"),
		"Filter": r.PostFormValue("filter"), "Regex": plain(r.PostFormValue("regex")), "Most": control.MaxExplained}
	if r.Method == http.MethodPost {
		ask := control.Explain{Lines: split(r.PostFormValue("lines")), Jail: r.PostFormValue("jail"),
			Filter: strings.TrimSpace(r.PostFormValue("filter")), Regexes: split(r.PostFormValue("regex"))}
		if ask.Filter != "" || len(ask.Regexes) > 0 {
			ask.Jail = ""
		}
		if len(ask.Regexes) > 0 {
			ask.Filter = ""
		}
		reply, err := s.daemon.Do(r.Context(), ask)
		if err != nil {
			data["Error"] = err
		}
		data["Explained"], data["Asked"] = reply.Explained, true
	}
	s.render(w, one, http.StatusOK, "bench", "Filter bench", data)
}

// plain is a text field without the carriage returns that browsers send.
func plain(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// split are the lines of a text field that say something.
func split(text string) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// check shows what `gaol check` finds, when it is asked to: it compiles every filter.
func (s *site) check(w http.ResponseWriter, r *http.Request, one *guest) {
	reply, err := s.daemon.Do(r.Context(), control.Status{Brief: true})
	if err != nil {
		s.fail(w, one, err)
		return
	}
	data := map[string]any{"Status": reply.Status, "Can": s.o.Check != nil}
	if s.o.Check != nil && r.FormValue("now") != "" {
		if !s.checks.TryLock() {
			s.fail(w, one, &control.Error{Fault: control.Refused, Msg: "a check is under way already", Hint: "wait for its end"})
			return
		}
		began := time.Now()
		findings, notes := s.o.Check(r.Context())
		s.checks.Unlock()
		slices.SortStableFunc(findings, func(a, b Finding) int {
			switch {
			case a.Error == b.Error:
				return 0
			case a.Error:
				return -1
			}
			return 1
		})
		data["Checked"], data["Findings"], data["Notes"], data["Took"] = true, findings, notes, time.Since(began).Round(time.Millisecond)
	}
	s.render(w, one, http.StatusOK, "check", "Check", data)
}
