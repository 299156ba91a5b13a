package gate

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

func moment() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// door is a daemon with these bans.
type door struct {
	bans  chan []event.Ban // each answer to Status takes the next
	told  chan event.Happening
	asked chan bool
}

func newDoor(bans ...event.Ban) *door {
	d := &door{bans: make(chan []event.Ban, 10), told: make(chan event.Happening), asked: make(chan bool, 10)}
	d.bans <- bans
	return d
}

func (d *door) Do(ctx context.Context, c control.Command) (control.Reply, error) {
	select {
	case bans := <-d.bans:
		d.asked <- true
		return control.Reply{Status: &event.Status{Jails: []event.JailStatus{{Name: "sshd", Bans: bans}}}}, nil
	case <-ctx.Done():
		return control.Reply{}, ctx.Err()
	}
}

func (d *door) Subscribe(ctx context.Context, _ int) <-chan event.Happening {
	out := make(chan event.Happening)
	go func() {
		defer close(out)
		for {
			select {
			case h := <-d.told:
				select {
				case out <- h:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// tell has the gate take a happening in, and the ones before it.
func (d *door) tell(what event.What, b event.Ban) {
	d.told <- event.Happening{What: what, Jail: b.Jail, Ban: &b}
	d.told <- event.Happening{What: event.Repaired} // taken when the one before is done
	d.told <- event.Happening{What: event.Repaired}
}

func ban(id string) event.Ban {
	return event.Ban{Jail: "sshd", ID: id, End: moment().Add(90 * time.Second)}
}

func opened(t *testing.T, d *door, o Options) *Gate {
	t.Helper()
	o.Now = moment
	if o.Header == "" {
		o.Header = "X-Forwarded-For"
	}
	if o.Told == nil {
		o.Told = func(msg string, err error) { t.Log(msg, err) }
	}
	g, err := Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	<-d.asked
	d.told <- event.Happening{What: event.Repaired} // taken when the bans are read
	return g
}

// asks is what a request from peer with these headers is answered.
func asks(g *Gate, peer, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = peer
	for _, h := range headers {
		r.Header.Add("X-Forwarded-For", h)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestWhoIsAsked(t *testing.T) {
	g := opened(t, newDoor(ban("203.0.113.66"), ban("2001:db8::/64")), Options{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, tt := range []struct {
		peer    string
		headers []string
		want    int
	}{
		{"127.0.0.1:1", []string{"203.0.113.66"}, 403},
		{"127.0.0.1:1", []string{"203.0.113.7"}, 200},
		{"127.0.0.1:1", []string{"203.0.113.66:4711"}, 403},
		{"[::1]:1", []string{"2001:db8::5"}, 403},
		{"[::1]:1", []string{"[2001:db8::5]:4711"}, 403},
		{"[::1]:1", []string{"2001:db8:0:1::5"}, 200},
		{"127.0.0.1:1", []string{"::ffff:203.0.113.66"}, 403},
		{"10.0.0.1:1", []string{"203.0.113.66, 10.0.0.7"}, 403},    // behind two of ours
		{"10.0.0.1:1", []string{"203.0.113.66", "10.0.0.7"}, 403},  // in two headers
		{"10.0.0.1:1", []string{"203.0.113.66, 203.0.113.7"}, 200}, // the first is the client's own words
		{"10.0.0.1:1", []string{"nonsense, 203.0.113.66"}, 403},    // likewise
		{"10.0.0.1:1", []string{"nonsense, 10.0.0.7"}, 200},        // one of ours is who asks
		{"198.51.100.1:1", []string{"203.0.113.66"}, 200},          // nobody's proxy: it is judged itself
		{"203.0.113.66:1", []string{"203.0.113.7"}, 403},           // and cannot talk its way in
		{"[::ffff:203.0.113.66]:1", []string{"203.0.113.7"}, 403},  // in no spelling
		{"@", []string{"203.0.113.66"}, 403},                       // a unix socket
		{"127.0.0.1:1", nil, 200},                                  // unsure
		{"127.0.0.1:1", []string{"unknown"}, 200},                  // unsure
	} {
		if got := asks(g, tt.peer, "/", tt.headers...); got.Code != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.peer, tt.headers, got.Code, tt.want)
		}
	}
	w := asks(g, "127.0.0.1:1", "/", "203.0.113.66")
	if w.Header().Get("X-Gaol-Jail") != "sshd" || w.Header().Get("Retry-After") != "91" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	for target, want := range map[string]int{"/?jail=sshd": 403, "/?jail=nginx": 200, "/?jail=nginx&jail=sshd": 403} {
		if got := asks(g, "127.0.0.1:1", target, "203.0.113.66"); got.Code != want {
			t.Errorf("%s: %d, want %d", target, got.Code, want)
		}
	}
}

func TestUnsureMayBeDenied(t *testing.T) {
	var said []string
	g := opened(t, newDoor(), Options{Closed: true, Told: func(msg string, err error) { said = append(said, msg+": "+err.Error()) }})
	for range 2 {
		if w := asks(g, "127.0.0.1:1", "/"); w.Code != 403 || !strings.Contains(w.Header().Get("X-Gaol-Unsure"), "X-Forwarded-For") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "without the header X-Forwarded-For") {
		t.Errorf("told %q, want it once", said)
	}
}

// The copy follows what is told, is read anew where something was missed, and forgets by itself
// what has ended.
func TestTheCopyFollowsTheBans(t *testing.T) {
	d := newDoor(ban("203.0.113.66"))
	g := opened(t, d, Options{})
	expect := func(id string, want int) {
		t.Helper()
		if got := asks(g, "127.0.0.1:1", "/", id); got.Code != want {
			t.Errorf("%s: %d, want %d", id, got.Code, want)
		}
	}
	d.tell(event.Banned, ban("203.0.113.7"))
	expect("203.0.113.7", 403)
	other := ban("203.0.113.7")
	other.Jail = "nginx"
	d.tell(event.Banned, other)
	d.tell(event.Unbanned, ban("203.0.113.7"))
	expect("203.0.113.7", 403) // the other jail's
	d.tell(event.Unbanned, other)
	expect("203.0.113.7", 200)
	d.tell(event.Unbanned, ban("203.0.113.7"))
	d.tell(event.Banned, ban("a user's name"))
	late := ban("203.0.113.8")
	late.End = moment().Add(-time.Second)
	d.tell(event.Banned, late)
	expect("203.0.113.8", 200)
	late.End = time.Time{}
	d.tell(event.Prolonged, late)
	expect("203.0.113.8", 403) // for ever
	would := ban("203.0.113.9")
	d.told <- event.Happening{What: event.Banned, Ban: &would, DryRun: true}
	d.tell(event.Repaired, event.Ban{})
	expect("203.0.113.9", 200)
	d.bans <- []event.Ban{ban("203.0.113.9")}
	d.told <- event.Happening{What: event.Missed, Count: 3}
	<-d.asked
	d.tell(event.Repaired, event.Ban{})
	expect("203.0.113.9", 403)
	expect("203.0.113.66", 200)
}

// Files are written when bans change, and only then.
func TestDenyFiles(t *testing.T) {
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed")
	if out, err := os.Create(changed); err != nil || out.Close() != nil {
		t.Fatal(err)
	}
	d := newDoor(ban("203.0.113.66"), ban("2001:db8::/64"))
	pipe := filepath.Join(dir, "pipe")
	mkfifo(t, pipe)
	opened(t, d, Options{Command: "echo changed >" + pipe, Files: []File{
		{filepath.Join(dir, "plain"), Plain}, {filepath.Join(dir, "nginx"), Deny}, {filepath.Join(dir, "geo"), Geo},
	}})
	read(t, pipe)
	for name, want := range map[string]string{
		"plain": "203.0.113.66\n2001:db8::/64\n", "nginx": "deny 203.0.113.66;\ndeny 2001:db8::/64;\n", "geo": "203.0.113.66 1;\n2001:db8::/64 1;\n",
	} {
		if _, got, _ := strings.Cut(read(t, filepath.Join(dir, name)), "\n"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	d.tell(event.Unbanned, ban("203.0.113.66"))
	read(t, pipe)
	if got := read(t, filepath.Join(dir, "nginx")); strings.Contains(got, "203.0.113.66") || !strings.Contains(got, "2001:db8::/64") {
		t.Errorf("behind the unban: %q", got)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Who listens already is named with the mend; a socket that was left behind is taken over.
func TestListening(t *testing.T) {
	first := opened(t, newDoor(), Options{Listen: "127.0.0.1:0"})
	_, err := Open(newDoor(), Options{Listen: first.Addr(), Now: moment})
	if err == nil || !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("a second one: %v", err)
	}
	path := filepath.Join(t.TempDir(), "sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	opened(t, newDoor(ban("203.0.113.66")), Options{Listen: path})
	c := http.Client{Transport: &http.Transport{DialContext: dialUnix(path)}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gaol/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "203.0.113.66")
	got, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode != 403 {
		t.Errorf("over the socket: %d", got.StatusCode)
	}
}
