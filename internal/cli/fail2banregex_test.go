package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the installed fail2ban is read from; nothing of it is in this tree.
const (
	python    = "/usr/bin/python3"
	installed = "/etc/fail2ban"
	samples   = "/usr/lib/python3/dist-packages/fail2ban/tests/files/logs"
)

// regexScript runs fail2ban-regex many times in one interpreter: its start takes half a second.
const regexScript = `
import contextlib, io, json, os, sys, time
req = json.load(sys.stdin)
os.environ['TZ'] = 'UTC'
time.tzset()
from fail2ban.client.fail2banregex import exec_command_line
out = []
for argv in req:
    sys.argv = ['fail2ban-regex'] + argv
    buf, err, rc = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(buf), contextlib.redirect_stderr(err):
        try:
            exec_command_line()
        except SystemExit as e:
            rc = e.code
        except Exception as e:
            rc = repr(e)
    out.append({'out': buf.getvalue(), 'rc': str(rc or 0)})
json.dump(out, sys.stdout)
`

type regexAnswer struct{ Out, RC string }

// askFail2ban runs the installed fail2ban-regex with each of the command lines.
func askFail2ban(t *testing.T, argv [][]string) []regexAnswer {
	t.Helper()
	if err := exec.Command(python, "-c", "import fail2ban").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("fail2ban is not installed: run scripts/packages test")
		}
		t.Skip("fail2ban is not installed: run scripts/packages test")
	}
	in, err := json.Marshal(argv)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", regexScript)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // it prints the locale's encoding
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run oracle: %v", err)
	}
	var answers []regexAnswer
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

// regexUTC runs our command line in UTC, as the oracle is run.
func regexUTC(t *testing.T, argv []string) (string, int) {
	t.Helper()
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	var out, errw bytes.Buffer
	rc := Fail2banRegex(append([]string{"-c", installed}, argv...), strings.NewReader(""), &out, &errw)
	return out.String(), rc
}

// comparable takes out of a report what may differ: how long it took, the times of lines without
// a timestamp, and what the target version changed in the default templates and the tags (§0).
func comparable(report string) string {
	report = strings.ReplaceAll(report, "ExMonthExDay(?:T|  ?)Ex24hourExMinuteExSecond", "ExMonthExDay(?:-|T|  ?)Ex24hour:?ExMinute:?ExSecond")
	report = strings.ReplaceAll(report, "::?|::){1,7}", "::?|:){1,7}")
	report = regexp.MustCompile(`(?m)^\[processed in .*`).ReplaceAllString(report, "[processed]")
	stamp := regexp.MustCompile(`\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}`)
	report = stamp.ReplaceAllStringFunc(report, func(s string) string {
		if at, err := time.Parse("Mon Jan 02 15:04:05 2006", s); err == nil && time.Since(at).Abs() < 10*time.Minute {
			return "NOW"
		}
		return s
	})
	now := regexp.MustCompile(`[|\t](\d{10})[\d.]*[|,]`)
	report = now.ReplaceAllStringFunc(report, func(s string) string {
		seconds, err := strconv.ParseInt(now.FindStringSubmatch(s)[1], 10, 64)
		if err == nil && time.Since(time.Unix(seconds, 0)).Abs() < 10*time.Minute {
			return "|NOW|"
		}
		return s
	})
	// The samples name localhost. What it resolves to is the machine's affair, and fail2ban keeps
	// the addresses in a set: their order is chance. In a report they are padded to 15 places.
	report = regexp.MustCompile(`(?m)(^|^\| +|\[')(?:127\.0\.0\.1|::1)\b`).ReplaceAllString(report, "${1}LOCALHOST")
	users := regexp.MustCompile(`'users': \{([^}]*)\}`)
	return users.ReplaceAllStringFunc(report, func(s string) string {
		names := strings.Split(users.FindStringSubmatch(s)[1], ", ")
		slices.Sort(names)
		return fmt.Sprint("'users': ", names)
	})
}

// same holds our output against the installed program's for each command line. known lists those
// that differ, by what they are called in argv's last element, with the reason.
func same(t *testing.T, argv [][]string, known map[string]string) {
	t.Helper()
	for i, want := range askFail2ban(t, argv) {
		got, rc := regexUTC(t, argv[i])
		differ := comparable(got) != comparable(want.Out) || fmt.Sprint(rc) != want.RC
		why := known[argv[i][len(argv[i])-1]]
		switch {
		case differ && why == "":
			t.Errorf("fail2ban-regex %q: status %d, want %s\n%s", argv[i], rc, want.RC, firstDifference(comparable(got), comparable(want.Out)))
		case !differ && why != "":
			t.Errorf("fail2ban-regex %q is listed as different (%s), but is the same: take it off the list", argv[i], why)
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n  is   %s\n  want %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// sampleFilters are the installed filters that have a sample log.
func sampleFilters(t *testing.T) []string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(samples, "*"))
	if err != nil || len(logs) == 0 && os.Getenv("CI") != "" {
		t.Fatalf("no sample logs in %s: run scripts/packages test", samples)
	}
	var names []string
	for _, l := range logs {
		name := filepath.Base(l)
		if _, err := os.Stat(filepath.Join(installed, "filter.d", name+".conf")); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// The whole report, with everything that can be in it, on every installed filter.
func TestReportsAsFail2ban(t *testing.T) {
	var argv [][]string
	for _, name := range sampleFilters(t) {
		log := filepath.Join(samples, name)
		name += ".conf" // the filter, also where a jail has its name (§0)
		argv = append(argv,
			[]string{"-v", "--print-all-matched", "--print-all-missed", "--print-all-ignored", log, name},
			[]string{log, name},
			[]string{"-o", "<ip>|<time>|<F-USER>", log, name},
			[]string{"-o", "row", log, name}, []string{"-o", "msg", log, name}, []string{"--no-check-all", log, name})
	}
	if len(argv) < 6*70 && os.Getenv("CI") != "" {
		t.Fatalf("%d installed filters with a sample log, want at least 70", len(argv)/6)
	}
	same(t, argv, nil)
}

func TestSSHDModesAsFail2ban(t *testing.T) {
	var argv [][]string
	for _, mode := range []string{"normal", "ddos", "extra", "aggressive"} {
		for _, publickey := range []string{"nofail", "invalid", "any", "ignore"} {
			filter := fmt.Sprintf("sshd[mode=%s, publickey=%s]", mode, publickey)
			for _, log := range []string{"sshd", "sshd-journal"} {
				log = filepath.Join(samples, log)
				argv = append(argv, []string{log, filter}, []string{"-o", "<ip>|<time>|<F-USER>", log, filter})
			}
		}
	}
	same(t, argv, nil)
}
