package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
)

func serveFail2ban(t *testing.T, d Daemon) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f", "s")
	s, err := ListenFail2ban(Fail2banOptions{Path: path, Daemon: d, Version: "1.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return path
}

// talk sends raw bytes and returns all that comes back until the server closes.
func talk(t *testing.T, path, raw string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, raw); err != nil {
		return ""
	}
	got, _ := io.ReadAll(c)
	return string(got)
}

func ask(t *testing.T, l *legacy, words ...any) any {
	t.Helper()
	v, err := l.do(t.Context(), words)
	if err != nil {
		return exceptionOf(err)
	}
	return v
}

// settings is a daemon that knows some.
type settings struct{ *daemon }

func (s settings) Do(ctx context.Context, c Command) (Reply, error) {
	if g, ok := c.(Get); ok {
		switch g.Key {
		case "logpath":
			return Reply{Value: []string{"/var/log/web"}}, nil
		case "jails":
			return Reply{Value: []string{"web", "ssh"}}, nil
		}
	}
	return s.daemon.Do(ctx, c)
}

// two jails, one ban of each kind.
func twoJails() event.Status {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)
	return event.Status{Jails: []event.JailStatus{
		{Name: "web", Running: true, CurrentlyFailed: 1, TotalFailed: 2, CurrentlyBanned: 2, TotalBanned: 3,
			Sources: []event.SourceStatus{{Name: "/var/log/web", Found: true}, {Name: "/var/log/absent"}},
			Bans: []event.Ban{
				{ID: "10.0.0.0/8", Start: at.Add(time.Second), End: at.Add(time.Hour)},
				{ID: "192.0.2.1", Start: at},
			}},
		{Name: "dead", Problem: "broken"},
		{Name: "ssh", Running: true},
	}}
}

func TestFail2bansValues(t *testing.T) {
	status := twoJails()
	d := &daemon{reply: Reply{Status: &status, Bans: make([]event.Ban, 2), Outcome: Imposed, Value: [][]string{{"A=b", "C=d"}, {"E=f"}}}}
	l := &legacy{daemon: settings{d}, version: "1.1.0"}
	web := []any{
		Tuple{"Filter", []any{Tuple{"Currently failed", 1}, Tuple{"Total failed", uint64(2)}, Tuple{"File list", []string{"/var/log/web"}}}},
		Tuple{"Actions", []any{Tuple{"Currently banned", 2}, Tuple{"Total banned", uint64(3)}, Tuple{"Banned IP list", []string{"192.0.2.1", "10.0.0.0/8"}}}},
	}
	for _, c := range []struct {
		asked []any
		want  any
	}{
		{[]any{"ping", 0.5}, "pong"},
		{[]any{"version"}, "1.1.0"},
		{[]any{"echo", "a", int64(1)}, []any{"a", int64(1)}},
		{[]any{"status"}, []any{Tuple{"Number of jail", 2}, Tuple{"Jail list", "ssh, web"}}},
		{[]any{"status", "web"}, web},
		{[]any{"status", "web", "cymru", "x"}, exception("Exception", "Invalid command (no status)")},
		{[]any{"banned"}, []any{Dict{{"web", []string{"192.0.2.1", "10.0.0.0/8"}}}, Dict{{"ssh", []string{}}}}},
		{[]any{"banned", "192.0.2.1", "10.1.1.1"}, []any{[]string{"web"}, []string{}}},
		{[]any{"get", "web", "banned", "192.0.2.1", "192.0.2.2"}, []any{1, 0}},
		{[]any{"get", "web", "banip"}, []string{"10.0.0.0/8", "192.0.2.1"}},
		{[]any{"get", "web", "banip", "--with-time"}, []string{
			"10.0.0.0/8 \t2026-11-24 12:00:01 + 3599 = 2026-11-24 13:00:00", "192.0.2.1 \t2026-11-24 12:00:00 + -1 = 9999-12-31 23:59:59"}},
		{[]any{"get", "web", "journalmatch"}, []any{[]string{"A=b", "C=d"}, []string{"E=f"}}},
		{[]any{"set", "web", "banip", "192.0.2.1", "192.0.2.2"}, 2},
		{[]any{"set", "web", "unbanip", "192.0.2.1"}, 2},
		{[]any{"set", "web", "unbanip"}, errMissing},
		{[]any{"unban", "--all"}, 2},
		{[]any{"unban"}, errInvalid},
		{[]any{}, errMissing},
		{[]any{"get"}, errMissing},
		{[]any{"set", "web"}, errMissing},
		{[]any{"nope"}, errInvalid},
		{[]any{"reload", "--all", []any{}, []any{[]any{"set", "web", "bantime", "1"}}}, "OK"},
		{[]any{"sleep", "0"}, nil},
	} {
		if diff := cmp.Diff(c.want, ask(t, l, c.asked...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.asked, diff)
		}
	}
	if last := d.asked[len(d.asked)-1]; last != (Reload{}) {
		t.Errorf("the stream of a reload became %#v", last)
	}
}

func TestErrorsAsPythonsExceptions(t *testing.T) {
	d := &daemon{}
	l := &legacy{daemon: d}
	for _, c := range []struct {
		err  error
		want Exception
	}{
		{&Error{Fault: Unknown, Msg: `no jail is called "nope"`}, unknownJail("nope")},
		{&Error{Fault: Invalid, Class: "ValueError", Msg: "m"}, exception("ValueError", "m")},
		{&Error{Fault: Refused, Msg: "it is the gateway"}, exception("Exception", "it is the gateway")},
		{&Error{Fault: Failed, Class: "FileNotFoundError", Msg: "m"}, exception("FileNotFoundError", 2, "No such file or directory", "m")},
		{io.ErrUnexpectedEOF, exception("Exception", "unexpected EOF")},
	} {
		d.err = fmt.Errorf("wrapped: %w", c.err)
		if errors.Is(c.err, io.ErrUnexpectedEOF) {
			d.err = c.err
		}
		if diff := cmp.Diff(any(c.want), ask(t, l, "get", "nope", "maxretry")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestSeveralRequestsOnOneConnection(t *testing.T) {
	path := serveFail2ban(t, &daemon{})
	ping, _ := pickle([]any{"ping"})
	version, _ := pickle([]any{"version"})
	got := talk(t, path, string(ping)+endMark+string(version)+endMark+closeMark+endMark)
	want := ""
	for _, v := range []any{Tuple{0, "pong"}, Tuple{0, "1.1.0"}} {
		b, _ := pickle(v)
		want += string(b) + endMark
	}
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestHostileClientsAreSentAway(t *testing.T) {
	d := &daemon{}
	path := serveFail2ban(t, d)
	if got := talk(t, path, "cos\nsystem\n(S'id'\ntR."+endMark+"more"); !strings.Contains(got, "ERROR: ") {
		t.Errorf("a call was answered with %q", got)
	}
	b, _ := pickle("a text")
	if got := talk(t, path, string(b)+endMark+closeMark+endMark); !strings.Contains(got, "Invalid command") {
		t.Errorf("a text was answered with %q", got)
	}
	if len(d.asked) > 0 {
		t.Errorf("the daemon was asked %v", d.asked)
	}
	// Many who say nothing leave room for nobody else, but go away when the server closes.
	for range 2 * maxLegacy {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
}

func TestTooLongARequestIsNotKept(t *testing.T) {
	path := serveFail2ban(t, &daemon{})
	// The server closes with our bytes unread, so that its last words may be lost on the way.
	if got := talk(t, path, strings.Repeat("x", maxPickle+1<<20)); got != "" && !strings.Contains(got, "too long") {
		t.Errorf("answered with %q", got)
	}
}

// A stop arrives in the middle of a conversation: its reply must still come.
type stopping struct{ close func() }

func (s stopping) Do(context.Context, Command) (Reply, error) { s.close(); return Reply{}, nil }

func TestStopIsAnsweredBeforeTheEnd(t *testing.T) {
	closed := make(chan struct{})
	var srv *Fail2banServer
	path := filepath.Join(t.TempDir(), "s")
	srv, err := ListenFail2ban(Fail2banOptions{Path: path, Daemon: stopping{func() {
		go func() { defer close(closed); _ = srv.Close() }()
		<-srv.ctx.Done()
	}}})
	if err != nil {
		t.Fatal(err)
	}
	stop, _ := pickle([]any{"stop"})
	want, _ := pickle(Tuple{0, nil})
	if got := talk(t, path, string(stop)+endMark); got != string(want)+endMark {
		t.Errorf("stop was answered with %q", got)
	}
	<-closed
}

func TestSlowClientsLoseTheirPlace(t *testing.T) {
	for name, c := range map[string]struct {
		sent  string
		after time.Duration
	}{
		"says nothing":   {"", legacyIdle},
		"stops half way": {"\x80\x02]", legacyTransfer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				if c.sent != "" {
					go func() { _, _ = io.WriteString(theirs, c.sent) }()
				}
				begun := time.Now()
				_, err := (&framed{conn: ours, ctx: t.Context()}).next()
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) != c.after {
					t.Errorf("after %s: %v; want a time limit of %s", time.Since(begun), err, c.after)
				}
			})
		})
	}
}
