package config

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// times are texts of the grammar and beside it; the installed fail2ban says what each is.
func times() []string {
	return []string{"600", "10m", "1h30m", "1h 30", "1year-6mo", "1d -1h", "-1", "0x10", "010", "1e3", "2wk", "", " ", "48h", "2m", "1w",
		"2 weeks", "3 months 2 days", "1.5h", ".5d", "5.", "5.m", "(1h+30m)*2", "1d/2h", "-1/130m", "00", "1H", "10 MIN", "1hour", "1hou", "1ho",
		"seconds", "m", "1d,", "10m # x", "1h--30m", "((1))", "(1", "1)", "1/0", "7*", "yes", "1da", "1yy", "2mon", "1ww1dd1hh1mm1ss"}
}

func TestSecondsReadsWhatFail2banReads(t *testing.T) {
	const script = "import sys\nfrom fail2ban.server.mytime import MyTime\n" +
		"for l in sys.stdin:\n  try: print(float(MyTime.str2seconds(l[:-1])))\n  except Exception: print('error')"
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script)
	cmd.Stdin = strings.NewReader(strings.Join(times(), "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	want := strings.Split(string(bytes.TrimSpace(out)), "\n")
	if len(want) != len(times()) {
		t.Fatalf("the oracle gave %d answers to %d questions", len(want), len(times()))
	}
	for i, text := range times() {
		got := "error"
		if v, err := Seconds(text); err == nil {
			got = fmt.Sprint(v)
		}
		if w, err := strconv.ParseFloat(want[i], 64); err == nil {
			want[i] = fmt.Sprint(w)
		}
		if got != want[i] {
			t.Errorf("%q is %s, fail2ban reads %s", text, got, want[i])
		}
	}
}

func TestNegativeTimeIsForEver(t *testing.T) {
	for text, want := range map[string]time.Duration{"-1": -time.Second, "-5m": -time.Second, "1.5m": 90 * time.Second, "0": 0, "9000y": 1<<63 - 1} {
		if got, err := duration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}
