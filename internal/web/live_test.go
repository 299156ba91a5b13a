package web

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

// A browser hears what happens, in one line of text, until gaol ends; it cannot hold too many
// streams open.
func TestLiveTellsWhatHappens(t *testing.T) {
	v := newVisit(t, Options{}).login()
	srv := httptest.NewServer(v.site)
	defer srv.Close()
	open := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+livePath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "gaol", Value: v.jar["gaol"]})
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	first := open()
	<-v.fake.heard
	v.fake.told <- event.Happening{What: event.Banned, Jail: "sshd", Ban: &event.Ban{ID: hostile}}
	var data string
	for lines := bufio.NewScanner(first.Body); lines.Scan() && data == ""; {
		data, _ = strings.CutPrefix(lines.Text(), "data: ")
		if !strings.HasPrefix(lines.Text(), "data: ") {
			data = ""
		}
	}
	if !strings.Contains(data, `banned in sshd`) || !strings.Contains(data, `"what":"ban"`) || strings.ContainsAny(data, "<\x1b\u202e") {
		t.Errorf("told %q", data)
	}
	for range maxStreams - 1 {
		if resp := open(); resp.StatusCode != http.StatusOK {
			t.Fatalf("a stream is refused: %s", resp.Status)
		}
	}
	if resp := open(); resp.StatusCode != http.StatusConflict {
		t.Errorf("stream %d: %s", maxStreams+1, resp.Status)
	}
	v.site.close()
	if _, err := first.Body.Read(make([]byte, 1)); err == nil {
		t.Error("a stream goes on after the end")
	}
}

func TestNewsKeepWhatIsNew(t *testing.T) {
	var n news
	for i := range keptNews + 10 {
		n.add(event.Happening{What: event.Banned, Jail: []string{"a", "b"}[i%2], Ban: &event.Ban{ID: "192.0.2.1", Count: i}})
	}
	n.add(event.Happening{What: event.Banned, Restored: true, Ban: &event.Ban{ID: "192.0.2.2"}})
	n.add(event.Happening{What: event.Missed, Count: 3})
	if bans, _ := n.bansTold(); len(n.last) != keptNews || bans != keptNews+12 {
		t.Errorf("%d kept, %d bans told", len(n.last), bans)
	}
	if got := n.newest(2); got[0].Kind != "trouble" || !strings.Contains(got[0].Text, "3 events") || !strings.Contains(got[1].Text, "banned in b") {
		t.Errorf("newest: %+v", got)
	}
	if got := n.of("a", 5); len(got) != 5 || len(n.about("192.0.2.2", 5)) != 0 {
		t.Errorf("of one jail: %+v", got)
	}
}

// The bars of a chart stand on each other, within the frame, and the legend adds up.
func TestChart(t *testing.T) {
	since := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h := event.History{Since: since, Step: time.Hour, Jails: map[string][]int{
		"a": {7, 0}, "b": {0, 6}, "c": {5, 0}, "d": {4, 0}, "e": {3, 0}, "f": {0, 2}}}
	c := draw(h, "2 hours")
	if c.Total != 27 || len(c.Bars) != 2 || c.Bars[0].Total != 19 || c.Bars[1].Total != 8 || len(c.Jails) != chartColours {
		t.Fatalf("%+v", c)
	}
	sum := 0
	for _, l := range c.Jails {
		sum += l.Total
	}
	if last := c.Jails[chartColours-1]; sum != c.Total || last.Name != "2 others" || last.Total != 5 {
		t.Errorf("legend %+v", c.Jails)
	}
	for _, b := range c.Bars {
		bottom := c.Bottom
		for _, p := range b.Pieces {
			if diff := p.Y + p.H - bottom; diff > 0.001 || diff < -0.001 || p.Y < 0 {
				t.Errorf("%s: a piece from %.1f to %.1f on %.1f", b.Label, p.Y, p.Y+p.H, bottom)
			}
			bottom = p.Y
		}
	}
	if top := c.Lines[len(c.Lines)-1].Text; top != "20" {
		t.Errorf("the scale ends at %s", top)
	}
	empty := draw(event.History{Since: since, Step: time.Hour}, "hour")
	if empty.Total != 0 || len(empty.Bars) != 0 {
		t.Errorf("%+v", empty)
	}
}
