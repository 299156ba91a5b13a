package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gaol/internal/replay"
)

// aWeek writes a log and its packed predecessor into a directory of a configuration that reads
// them, and returns the directory.
func aWeek(t *testing.T) string {
	t.Helper()
	inUTC(t)
	dir := t.TempDir()
	put := func(name string, text []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line := func(minute int, text string) string {
		return fmt.Sprintf("2026-11-0%dT10:%02d:00+00:00 host sshd[%d]: %s port 4711 ssh2\n", 1+minute/60, minute%60, 1000+minute, text)
	}
	var old, now strings.Builder
	for m := range 4 {
		old.WriteString(line(m, "Failed password for root from 192.0.2.66"))
	}
	for m := range 3 {
		now.WriteString(line(120+m, "Failed password for alice from 192.0.2.7"))
	}
	now.WriteString(line(124, "Accepted password for alice from 192.0.2.7"))
	now.WriteString(line(125, "Failed password for \x1b[2Jroot from 192.0.2.66"))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(old.String())); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put("auth.log.1.gz", packed.Bytes())
	put("auth.log", []byte(now.String()))
	put("conf/jail.local", fmt.Appendf(nil, "[sshd]\nenabled = true\nbackend = auto\nlogpath = %s\nmaxretry = 3\nbantime = 1h\n", filepath.Join(dir, "auth.log")))
	return dir
}

// gaolSays runs a command line and returns its exit status and what it prints.
func gaolSays(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Main(append([]string{"gaol"}, args...), strings.NewReader(""), &o, &e)
	return status, o.String(), e.String()
}

const replayed = `9 lines from 2026-11-01 10:00:00 to 2026-11-03 10:05:00, read in N s

JAIL  MAXRETRY  FINDTIME  BANTIME  FAILURES  PREVENTED  BANS  BANNED  OF THEM LOGGED IN
sshd  3         10m       1h       8         1 (12 %)   2     2       1

offenders with most failures
ID          JAIL  FAILURES  PREVENTED  BANS  LOGINS  FIRST                LAST
192.0.2.66  sshd  5         1          1     0       2026-11-01 10:00:00  2026-11-03 10:05:00
192.0.2.7   sshd  3         0          1     1       2026-11-03 10:00:00  2026-11-03 10:02:00

banned, although they also logged in
ID         JAIL  FAILURES  PREVENTED  BANS  LOGINS  FIRST                LAST
192.0.2.7  sshd  3         0          1     1       2026-11-03 10:00:00  2026-11-03 10:02:00

bans
AT                   JAIL  ID          UNTIL                FAILURES  LOGINS  WHY
2026-11-01 10:02:00  sshd  192.0.2.66  2026-11-01 11:02:00  3         0       FILE
2026-11-03 10:02:00  sshd  192.0.2.7   2026-11-03 11:02:00  3         1       FILE

other rules
MAXRETRY  FINDTIME  BANTIME  FAILURES  PREVENTED  BANS  BANNED  OF THEM LOGGED IN
as is     as is     as is    8         1 (12 %)   2     2       1
4         as is     as is    8         0 (0 %)    1     1       0
5         as is     as is    8         0 (0 %)    0     0       0
`

func TestReplayOfTwoLogs(t *testing.T) {
	dir := aWeek(t)
	status, out, errs := gaolSays(t, "replay", "-c", filepath.Join(dir, "conf"), "--bans", "--sweep", "maxretry=4..5",
		filepath.Join(dir, "auth.log"), filepath.Join(dir, "auth.log.1.gz"))
	out = regexp.MustCompile(`[\d.]+ s\n`).ReplaceAllString(out, "N s\n")
	out = regexp.MustCompile(`embedded:\S+`).ReplaceAllString(out, "FILE")
	if status != 0 || out != replayed {
		t.Errorf("status %d\n%s%s--- want\n%s", status, out, errs, replayed)
	}
}

// Without LOG a jail reads its own logpath, and an unused jail may be asked for by name.
func TestReplayOfAJailsOwnLog(t *testing.T) {
	dir := aWeek(t)
	status, out, errs := gaolSays(t, "replay", "-c", filepath.Join(dir, "conf"), "--json")
	var r replay.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || r.Lines != 5 || len(r.Bans) != 1 {
		t.Errorf("status %d, error %v, %s%s", status, err, out, errs)
	}
	status, out, errs = gaolSays(t, "replay", "-c", filepath.Join(dir, "conf"), "--jail", "recidive", filepath.Join(dir, "auth.log"), "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || r.Jails[0].Jail != "recidive" {
		t.Errorf("status %d, error %v, %s%s", status, err, out, errs)
	}
}

func TestReplayErrorsNameTheMend(t *testing.T) {
	dir := aWeek(t)
	conf := filepath.Join(dir, "conf")
	torn := filepath.Join(dir, "torn.gz")
	if err := os.WriteFile(torn, []byte("no gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"/no/such.log"}, []string{"/no/such.log", "LOG is a file"}},
		{[]string{dir}, []string{"is a directory"}},
		{[]string{torn}, []string{torn, "unpack"}},
		{[]string{"--jail", "nobody"}, []string{`no jail "nobody"`, "[section]"}},
		{[]string{"--sweep", "maxretry"}, []string{"expected KEY=VALUES", "--sweep maxretry=2..8"}},
		{[]string{"--sweep", "maxretry=0"}, []string{"from 1 on"}},
		{[]string{"--sweep", "maxretry=8..2"}, []string{`"8..2" is no range`}},
		{[]string{"--sweep", "bantime=soon"}, []string{`not "soon"`}},
		{[]string{"--sweep", "port=22"}, []string{`not "port"`}},
		{[]string{"--sweep", "maxretry=1..60", "--sweep", "bantime=1h,2h"}, []string{"120 combinations"}},
	} {
		status, out, errs := gaolSays(t, append([]string{"replay", "-c", conf}, c.args...)...)
		for _, want := range c.want {
			if status != 1 || out != "" || !strings.Contains(errs, want) {
				t.Errorf("%q: status %d, %s%s, want %q", c.args, status, out, errs, want)
			}
		}
	}
}
