package engine

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"
)

// The recidive filter of Debian's package reads exactly this shape.
func TestLogLineIsFail2bans(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewLogHandler(&out, slog.LevelInfo)).With("logger", "actions")
	log.Log(t.Context(), Notice, "[sshd] Ban 192.0.2.1")
	want := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.actions {8} \[\d+\]: NOTICE  \[sshd\] Ban 192\.0\.2\.1\n$`)
	if !want.Match(out.Bytes()) {
		t.Errorf("got %q", out.String())
	}
}

func TestAttackerTextStaysInItsLine(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewLogHandler(&out, slog.LevelInfo))
	log.Info("user\n[sshd] Ban 192.0.2.9", "line", "a\x1b[2J\r\nb")
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("%d line ends in %q", n, out.String())
	}
	if bytes.ContainsAny(out.Bytes(), "\x1b\r") {
		t.Errorf("control characters in %q", out.String())
	}
}
