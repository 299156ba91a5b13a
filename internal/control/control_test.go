package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
)

// daemon answers with what it was told to and keeps what it was asked.
type daemon struct {
	reply Reply
	err   error
	asked []Command
	from  Peer
}

func (d *daemon) Do(ctx context.Context, c Command) (Reply, error) {
	d.asked = append(d.asked, c)
	d.from, _ = Caller(ctx)
	return d.reply, d.err
}

func serve(t *testing.T, d Daemon) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run", "s")
	s, err := Listen(ServerOptions{Path: path, Daemon: d})
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

func TestCommandsArriveAsSent(t *testing.T) {
	hour := time.Hour
	end := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	d := &daemon{reply: Reply{
		Status: &event.Status{Version: "1", Jails: []event.JailStatus{{Name: "sshd", BanTime: -1}}},
		Bans:   []event.Ban{{ID: "192.0.2.1", End: end, Matches: []string{"a\nb"}}}, Outcome: Prolonged,
		Problems: []string{"jail.local:3: odd"},
	}}
	c := NewClient(serve(t, d))
	sent := []Command{
		Status{}, Status{Jail: "sshd"}, Ban{Jail: "sshd", ID: "192.0.2.0/24", For: &hour, Reason: "so"},
		Unban{ID: "192.0.2.1"}, Banned{ID: "192.0.2.1"}, Reload{}, Stop{Unban: true}, Version{},
	}
	for _, cmd := range sent {
		got, err := c.Do(t.Context(), cmd)
		if err != nil {
			t.Fatalf("%#v: %v", cmd, err)
		}
		if diff := cmp.Diff(d.reply, got); diff != "" {
			t.Errorf("%#v: reply (-sent +got):\n%s", cmd, diff)
		}
	}
	if diff := cmp.Diff(sent, d.asked); diff != "" {
		t.Errorf("commands (-sent +got):\n%s", diff)
	}
	if d.from.PID != os.Getpid() || d.from.UID != os.Getuid() {
		t.Errorf("caller %+v, want pid %d", d.from, os.Getpid())
	}
}

func TestErrorsArriveAsReturned(t *testing.T) {
	d := &daemon{}
	c := NewClient(serve(t, d))
	for _, want := range []*Error{
		{Fault: Invalid, Msg: "m", Hint: "h"}, {Fault: Unknown, Msg: "m"}, {Fault: Refused, Msg: "m"}, {Fault: Failed, Msg: "m"},
	} {
		d.err = fmt.Errorf("wrapped: %w", want)
		_, err := c.Do(t.Context(), Status{})
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("error (-sent +got):\n%s", diff)
		}
	}
	d.err, d.reply.Problems = &Error{Fault: Failed, Msg: "broken"}, []string{"a:1: b"}
	if r, err := c.Do(t.Context(), Reload{}); err == nil || len(r.Problems) != 1 {
		t.Errorf("reply beside the error: %+v, %v", r, err)
	}
	d.err = errors.New("disk full")
	_, err := c.Do(t.Context(), Status{})
	if diff := cmp.Diff(error(&Error{Fault: Failed, Msg: "disk full"}), err); diff != "" {
		t.Errorf("plain error (-sent +got):\n%s", diff)
	}
}

// What a shell script with curl may send.
func TestWire(t *testing.T) {
	path := serve(t, &daemon{})
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/status", "", 200, "{}"},
		{"POST", "/v1/status", `{"jail":"sshd"}`, 200, "{}"},
		{"GET", "/v1/reload", "", 400, "reload is asked with POST"},
		{"POST", "/v1/nope", "", 404, `no command is called \"nope\"`},
		{"GET", "/", "", 404, "/v1/NAME"},
		{"POST", "/v1/ban", `{"jail":"a","addr":"b"}`, 400, "addr"},
		{"POST", "/v1/ban", `{"jail":`, 400, "read command ban"},
		{"POST", "/v1/ban", `{} {}`, 400, "text behind"},
		{"POST", "/v1/ban", `{"reason":"` + strings.Repeat("x", maxRequest) + `"}`, 400, "too large"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://gaol"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := NewClient(path).http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !bytes.Contains(text, []byte(c.says)) {
			t.Errorf("%s %s %.40s: %d %s %v; want %d and %q", c.method, c.path, c.body, resp.StatusCode, text, err, c.status, c.says)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	leaveStale(t, stale)
	for _, path := range []string{filepath.Join(dir, "none"), stale} {
		_, err := NewClient(path).Do(t.Context(), Status{})
		want := &Error{Fault: Absent, Msg: "no gaol answers on " + path, Hint: "start it with: gaol run"}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// leaveStale leaves a socket as a killed daemon does: the file, and nobody behind it.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherServerAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	if _, err := NewClient(path).Do(t.Context(), Status{}); err == nil || !strings.Contains(err.Error(), "is not gaol") {
		t.Errorf("%v, want: is not gaol", err)
	}
}
