package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

const (
	livePath   = "/live"
	newsBuffer = 1024
	keptNews   = 200
	// liveEvery is how often a browser is told at most: in a flood of bans a page is made anew
	// twice a second, not a thousand times.
	liveEvery = 500 * time.Millisecond
	heartbeat = 15 * time.Second
)

// news are the last things that happened, newest first, for who opens a page.
type news struct {
	mu   sync.Mutex
	last []event.Happening
	bans uint64    // told of: whether the chart is old
	at   time.Time // of the last of them
}

// follow keeps the news until the site is closed.
func (s *site) follow() {
	told := s.daemon.Subscribe(s.ended, newsBuffer)
	go func() {
		for h := range told {
			s.news.add(h)
		}
	}()
}

func (n *news) add(h event.Happening) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.What == event.Banned || h.What == event.Unbanned || h.What == event.Missed {
		n.bans++
		n.at = h.Time
	}
	if h.Restored || h.What == event.Prolonged { // many, and no news
		return
	}
	n.last = slices.Insert(n.last, 0, h)
	n.last = n.last[:min(len(n.last), keptNews)]
}

func (n *news) bansTold() (bans uint64, last time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bans, n.at
}

func (n *news) newest(most int) []told {
	return n.some(most, func(event.Happening) bool { return true })
}

func (n *news) of(jail string, most int) []told {
	return n.some(most, func(h event.Happening) bool { return h.Jail == jail })
}

func (n *news) about(id string, most int) []told {
	return n.some(most, func(h event.Happening) bool { return h.Ban != nil && h.Ban.ID == id })
}

func (n *news) some(most int, which func(event.Happening) bool) (all []told) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.last {
		if which(h) && len(all) < most {
			all = append(all, tell(h))
		}
	}
	return all
}

// told is a happening in words.
type told struct {
	Time time.Time
	Kind string // for its looks: ban, unban, trouble, or nothing
	Text string // before and behind the id
	ID   string // of whom, where there is a page
	More string
}

func tell(h event.Happening) told {
	t := told{Time: h.Time, More: h.Reason}
	in := ""
	if h.Jail != "" {
		in = " in " + h.Jail
	}
	if h.Ban != nil {
		t.ID = h.Ban.ID
	}
	switch h.What {
	case event.Banned:
		t.Kind, t.Text = "ban", "banned"+in
		if h.DryRun {
			t.Text = "would be banned" + in
		}
		if t.More == "" && h.Ban.Count > 0 {
			t.More = plural(h.Ban.Count, "failure")
		}
	case event.Unbanned:
		t.Kind, t.Text = "unban", "let out"+in
	case event.Raised:
		t.Kind, t.Text = "ban", "banned from all ports"+in
	case event.Spared:
		t.Text = "spared" + in
	case event.Leaked:
		t.Kind, t.Text = "trouble", "goes on failing although it is banned"+in
	case event.Allowed:
		t.Text = "is never banned now"
	case event.Disallowed:
		t.Text = "may be banned again"
	case event.SourceFails, event.ActionFails, event.JailBroken, event.FirewallFails, event.Missed:
		t.Kind, t.Text = "trouble", strings.ReplaceAll(string(h.What), "-", " ")+in
	default:
		t.Text = strings.ReplaceAll(string(h.What), "-", " ") + in
	}
	if h.What == event.Missed {
		t.Text = fmt.Sprintf("%s in too short a time to be shown", plural(int(h.Count), "event"))
	}
	return t
}

// live tells a browser that something happened: which, in one line for who listens to the page.
// The browser then fetches what it shows.
func (s *site) live(w http.ResponseWriter, r *http.Request, one *guest) {
	if !s.sessions.stream(one.session, 1) {
		s.fail(w, one, &control.Error{Fault: control.Refused, Msg: "too many pages of this browser are live", Hint: "close some"})
		return
	}
	defer s.sessions.stream(one.session, -1)
	ctl := http.NewResponseController(w)
	told := s.daemon.Subscribe(r.Context(), newsBuffer)
	w.Header().Set("Content-Type", "text/event-stream")
	if !write(w, ctl, "retry: 3000\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var waiting <-chan time.Time // until the browser may be told again
	var next *event.Happening
	many := false
	for {
		select {
		case <-s.ended.Done():
			return
		case <-beat.C:
			if !s.sessions.alive(one.session) || !write(w, ctl, ":\n\n") {
				return
			}
		case <-waiting:
			waiting = nil
		case h, open := <-told:
			if !open {
				return
			}
			many = next != nil
			next = &h
		}
		if waiting == nil && next != nil {
			if !write(w, ctl, message(*next, many)) {
				return
			}
			next, many, waiting = nil, false, time.After(liveEvery)
		}
	}
}

// message is a happening as a browser's EventSource hears it; many: it stands for others, too.
func message(h event.Happening, many bool) string {
	t := tell(h)
	id := t.ID
	if many {
		id = ""
	}
	show := func(text string) string { return string(harmless([]byte(text))) }
	text, err := json.Marshal(map[string]string{"what": string(h.What), "id": show(id), "text": show(strings.TrimSpace(t.ID + " " + t.Text))})
	if err != nil {
		return ":\n\n"
	}
	return "data: " + string(text) + "\n\n"
}

func write(w http.ResponseWriter, ctl *http.ResponseController, text string) bool {
	if ctl.SetWriteDeadline(time.Now().Add(heartbeat)) != nil {
		return false
	}
	if _, err := w.Write([]byte(text)); err != nil || ctl.Flush() != nil {
		return false
	}
	// Of HTTP/2 a deadline that passes ends the stream also while nobody writes.
	return ctl.SetWriteDeadline(time.Time{}) == nil
}
