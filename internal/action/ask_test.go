package action

import (
	"context"
	"errors"
	"testing"
	"time"

	"gaol/internal/event"
)

func TestAsk(t *testing.T) {
	b := event.Ban{Jail: "j", ID: "192.0.2.1", IP: "192.0.2.1", Fields: event.Fields{{Name: "user", Value: "a'; exit 0; '$(exit 0)"}}}
	for _, c := range []struct {
		script string
		status int
	}{
		{"true", 0}, {"false", 1}, {"exit 7", 7}, {`test "<ip>" = 192.0.2.1`, 0}, {"/nonexistent <ip>", 127},
		{`test <F-USER> = x; exit 9`, 9},
	} {
		if got, out, err := Ask(t.Context(), c.script, b, 10*time.Second, Options{}); got != c.status || err != nil {
			t.Errorf("%s: %d, %v (%s); want %d", c.script, got, err, out, c.status)
		}
	}
	if _, _, err := Ask(t.Context(), "read x < /dev/zero; sleep 100", b, 50*time.Millisecond, Options{}); !errors.Is(err, ErrTimeout) {
		t.Errorf("a command that does not end: %v", err)
	}
	if _, _, err := Ask(t.Context(), "kill -9 $$", b, 10*time.Second, Options{}); err == nil {
		t.Error("a command that was killed gave a status")
	}
	facts := Options{Facts: func(_ context.Context, tag string, _ event.Ban) (string, bool) {
		return "mx.example.org", tag == "ip-host"
	}}
	if got, _, err := Ask(t.Context(), "test <ip-host> = mx.example.org", b, 10*time.Second, facts); got != 0 || err != nil {
		t.Errorf("with a fact: %d, %v", got, err)
	}
	if got := Fill(t.Context(), "<ip>@<F-USER>@<unknown>", b); got != "192.0.2.1@"+b.Fields.Get("user")+"@<unknown>" {
		t.Errorf("filled: %q", got)
	}
}
