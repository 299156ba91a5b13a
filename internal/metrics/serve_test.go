package metrics

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

func opened(t *testing.T, d *door, o Options) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	o.Told = func(msg string, err error) { t.Errorf("%s: %v", msg, err) }
	s, err := Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// What happened is counted, in the order it was told.
func TestWhatHappensIsCounted(t *testing.T) {
	d := &door{status: made(), told: make(chan event.Happening)}
	s := opened(t, d, Options{})
	now := time.Unix(1_764_000_000, 0)
	ban := event.Ban{ID: "203.0.113.7", Start: now.Add(-1500 * time.Millisecond)}
	for _, h := range []event.Happening{
		{What: event.Banned, Jail: "sshd", Ban: &ban, Time: now, Took: 3 * time.Millisecond},
		{What: event.Banned, Jail: "sshd", Ban: &ban, Time: now, Restored: true},
		{What: event.Banned, Jail: "sshd", Ban: &ban, Time: now}, // by hand
		{What: event.Unbanned, Jail: "sshd", Ban: &ban, Time: now},
		{What: event.Missed, Count: 5}, {What: event.Repaired}, {What: event.JailStarted, Jail: "late"}, {What: event.Reloaded}, {What: event.Reloaded},
	} {
		d.told <- h
	}
	d.told <- event.Happening{What: event.Allowed} // what came before it is counted
	code, text := get(t, s.URL(), nil)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	for _, want := range []string{
		`gaol_decisions_total{decision="ban",jail="sshd"} 2`, `gaol_decisions_total{decision="unban",jail="sshd"} 1`, `gaol_decisions_total{decision="spare",jail="sshd"} 0`,
		`gaol_decisions_total{decision="ban",jail="late"} 0`, `gaol_events_total{event="missed"} 5`, `gaol_events_total{event="repair"} 1`, `gaol_events_total{event="reload"} 2`,
		`gaol_time_to_ban_seconds_bucket{jail="sshd",le="0.0025"} 0`, `gaol_time_to_ban_seconds_bucket{jail="sshd",le="0.005"} 1`, `gaol_time_to_ban_seconds_count{jail="sshd"} 1`,
		`gaol_failure_to_ban_seconds_sum{jail="sshd"} 1.5`, `gaol_failure_to_ban_seconds_count{jail="late"} 0`, `gaol_bans{jail="sshd"} 6`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if !strings.Contains(text, "\nprocess_resident_memory_bytes ") || strings.Contains(text, "203.0.113") {
		t.Error("no metrics of the process, or an address")
	}
}

func TestWhoMayRead(t *testing.T) {
	d := &door{status: made(), told: make(chan event.Happening)}
	open, guarded := opened(t, d, Options{}), opened(t, d, Options{Token: "secret"})
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", token) }
	}
	for _, c := range []struct {
		name, url string
		change    func(*http.Request)
		want      int
	}{
		{"without a token", open.URL(), nil, http.StatusOK},
		{"by localhost", open.URL(), func(r *http.Request) { r.Host = "localhost:8482" }, http.StatusOK},
		{"by a name that was led here", open.URL(), func(r *http.Request) { r.Host = "evil.example:8482" }, http.StatusForbidden},
		{"another page", strings.TrimSuffix(open.URL(), "metrics"), nil, http.StatusNotFound},
		{"no token where one is needed", guarded.URL(), nil, http.StatusUnauthorized},
		{"a wrong one", guarded.URL(), bearer("Bearer secre"), http.StatusUnauthorized},
		{"the bare one", guarded.URL(), bearer("secret"), http.StatusUnauthorized},
		{"the right one", guarded.URL(), bearer("Bearer secret"), http.StatusOK},
		{"the right one, by a name", guarded.URL(), func(r *http.Request) { r.Host = "db1.example"; bearer("Bearer secret")(r) }, http.StatusOK},
	} {
		code, text := get(t, c.url, c.change)
		if code != c.want || code != http.StatusOK && strings.Contains(text, "gaol_bans") {
			t.Errorf("%s: %d, want %d", c.name, code, c.want)
		}
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	d := &door{status: made(), told: make(chan event.Happening)}
	s := opened(t, d, Options{})
	_, err := Open(d, Options{Listen: s.at.String()})
	if e := (*control.Error)(nil); !errors.As(err, &e) || e.Hint == "" || !strings.Contains(e.Msg, "in use") {
		t.Errorf("%v", err)
	}
}

// A scrape that is asked while the daemon is away says so, and is no failure itself.
func TestAScrapeWithoutAnAnswer(t *testing.T) {
	d := &door{err: &control.Error{Fault: control.Failed, Msg: "ending"}, told: make(chan event.Happening)}
	code, text := get(t, opened(t, d, Options{}).URL(), nil)
	if code != http.StatusOK || !strings.Contains(text, "\nf2b_up 0\n") {
		t.Errorf("%d\n%s", code, text)
	}
}
