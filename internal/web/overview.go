package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// span is a stretch of time that the chart can show.
type span struct {
	Key, Name string
	long      time.Duration
	step      time.Duration
}

func spans() []span {
	return []span{
		{"1h", "hour", time.Hour, time.Minute},
		{"24h", "24 hours", 24 * time.Hour, 30 * time.Minute},
		{"7d", "7 days", 7 * 24 * time.Hour, 3 * time.Hour},
	}
}

// Sizes of lists.
const (
	shownOffenders = 10
	knownOffenders = 5000 // among whom networks are counted
	shownNews      = 12
	shownBans      = 100
)

// past keeps the last History of each span: the store counts it anew when somebody was banned,
// every second at most, and every minute.
type past struct {
	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	history event.History
	at      time.Time
	bans    uint64 // told until then
}

// settle is how long after a ban was told the store surely has it: the kernel has it first.
const settle = 2 * time.Second

func (s *site) history(ctx context.Context, sp span) (event.History, error) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	now := s.o.Now()
	bans, last := s.news.bansTold()
	k, ok := s.past.kept[sp.Key]
	age := now.Sub(k.at)
	settled := k.bans == bans && k.at.Sub(last) > settle // else the newest may have been on its way to the store
	if ok && age >= 0 && (age < time.Second || settled && age < time.Minute) {
		return k.history, nil
	}
	// Steps begin at round times, so that bars do not wander.
	since := now.Add(-sp.long).Truncate(sp.step).Add(sp.step)
	reply, err := s.daemon.Do(ctx, control.History{Since: since, Step: sp.step, Most: knownOffenders})
	if err != nil || reply.History == nil {
		return event.History{}, err
	}
	if s.past.kept == nil {
		s.past.kept = map[string]kept{}
	}
	s.past.kept[sp.Key] = kept{*reply.History, now, bans}
	return *reply.History, nil
}

// group is a network with who was banned in it.
type group struct {
	ID        string
	Addresses int
	Bans      int
	BannedNow int
}

func (g *group) add(o event.Offender) {
	g.Addresses++
	g.Bans += o.Bans
	if o.Now {
		g.BannedNow++
	}
}

// networks adds offenders up by network, those with more than one address first.
func networks(all []event.Offender) (top []group) {
	sums := map[string]*group{}
	for _, o := range all {
		id, ok := network(o.ID)
		if !ok {
			continue
		}
		g := sums[id]
		if g == nil {
			g = &group{ID: id}
			sums[id] = g
		}
		g.add(o)
	}
	for _, g := range sums {
		top = append(top, *g)
	}
	slices.SortFunc(top, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.Addresses, a.Addresses), cmp.Compare(b.Bans, a.Bans), cmp.Compare(a.ID, b.ID))
	})
	return top[:min(len(top), shownOffenders)]
}

// tally is what the overview says in large numbers.
type tally struct {
	Banned, Failing, Jails, Running int
	Packets                         uint64
	Counted                         bool // packets are known
	Leaks                           int
}

func sum(status *event.Status) (t tally) {
	t.Jails = len(status.Jails)
	for _, j := range status.Jails {
		t.Banned += j.CurrentlyBanned
		t.Failing += j.CurrentlyFailed
		t.Leaks += len(j.Leaks)
		if j.Running {
			t.Running++
		}
		if j.Packets != nil {
			t.Packets, t.Counted = t.Packets+*j.Packets, true
		}
	}
	return t
}

// source is a log with the jails that read it.
type source struct {
	event.SourceStatus
	Jails []string
}

func sources(status *event.Status) (all []source) {
	for _, j := range status.Jails {
		for _, src := range j.Sources {
			i := slices.IndexFunc(all, func(s source) bool { return s.Name == src.Name })
			if i < 0 {
				all = append(all, source{SourceStatus: src})
				i = len(all) - 1
			}
			one := &all[i]
			one.Jails = append(one.Jails, j.Name)
			one.Found = one.Found || src.Found
			one.Lines = max(one.Lines, src.Lines)
			if src.Behind != nil && (one.Behind == nil || *src.Behind > *one.Behind) {
				one.Behind = src.Behind // of the slowest
			}
		}
	}
	return all
}

func (s *site) overview(w http.ResponseWriter, r *http.Request, one *guest) {
	reply, err := s.daemon.Do(r.Context(), control.Status{Brief: true})
	if err != nil {
		s.fail(w, one, err)
		return
	}
	chosen := spans()[1]
	for _, sp := range spans() {
		if sp.Key == r.FormValue("span") {
			chosen = sp
		}
	}
	h, err := s.history(r.Context(), chosen)
	if err != nil {
		s.fail(w, one, err)
		return
	}
	s.render(w, one, http.StatusOK, "overview", "Overview", map[string]any{
		"Status": reply.Status, "Sum": sum(reply.Status), "Chart": draw(h, chosen.Name), "Spans": spans(), "Span": chosen,
		"Offenders": h.Offenders[:min(len(h.Offenders), shownOffenders)], "IDs": h.IDs, "Networks": networks(h.Offenders), "Countries": s.geo.countries(h.Offenders), "GeoProblem": s.geo.problem(),
		"Sources": sources(reply.Status), "News": s.news.newest(shownNews), "Now": s.o.Now(),
	})
}

func (s *site) jail(w http.ResponseWriter, r *http.Request, one *guest) {
	name := r.FormValue("name")
	reply, err := s.daemon.Do(r.Context(), control.Status{Jail: name})
	if err == nil && len(reply.Status.Jails) != 1 {
		err = &control.Error{Fault: control.Unknown, Msg: "no jail is called " + name}
	}
	if err != nil {
		s.fail(w, one, err)
		return
	}
	j := reply.Status.Jails[0]
	slices.SortStableFunc(j.Bans, func(a, b event.Ban) int { return b.Start.Compare(a.Start) })
	page := paged(len(j.Bans), r.FormValue("page"))
	s.render(w, one, http.StatusOK, "jail", "Jail "+name, map[string]any{
		"Jail": j, "Bans": j.Bans[page.from:page.to], "Pages": page, "News": s.news.of(name, shownNews), "DryRun": reply.Status.DryRun,
	})
}
