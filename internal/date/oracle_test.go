package date

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

// python is the interpreter that the installed fail2ban runs on.
const python = "/usr/bin/python3"

// detectScript runs sequences of lines through fail2ban's own detector.
const detectScript = `
import json, logging, os, sys, time
logging.disable(logging.CRITICAL)
req = json.load(sys.stdin)
os.environ['TZ'] = req['tz']
time.tzset()
from fail2ban.server.datedetector import DateDetector
from fail2ban.server.mytime import MyTime
MyTime.setTime(req['now'])
clock = time.time
out = []
for case in req['cases']:
    d = DateDetector()
    if case.get('zone'):
        d.default_tz = case['zone']
    answers, fault = [], ''
    try:
        if case.get('patterns'):
            for p in case['patterns']:
                d.appendTemplate(p)
        else:
            d.addDefaultTemplate()
    except Exception as e:
        out.append({'error': str(e)})
        continue
    times = case.get('times')
    for n, line in enumerate(case['lines'] or []):
        if times:
            time.time = lambda at=req['now'] + times[n]: at
            MyTime.setTime(time.time())
        m = d.matchTime(line)
        if not m or not m[0]:
            answers.append({})
            continue
        a = {'start': m[0].start(1), 'end': m[0].end(1), 'name': m[1].name}
        try:
            t = d.getTime(line, m)
        except Exception:
            t = None
        if t is not None and t[0] is not None:
            a['time'] = t[0]
        answers.append(a)
    time.time = clock
    MyTime.setTime(req['now'])
    out.append({'answers': answers, 'order': [t.template.name for t in d.templates], 'hits': [t.hits for t in d.templates]})
json.dump(out, sys.stdout)
`

type oracleCase struct {
	Patterns []string `json:"patterns,omitempty"`
	Zone     string   `json:"zone,omitempty"`
	Lines    []string `json:"lines"`
	Times    []int64  `json:"times,omitempty"` // seconds after now at which the lines arrive
}

type oracleAnswer struct {
	Start, End int
	Name       string
	Time       *float64
}

type oracleResult struct {
	Error   string
	Answers []oracleAnswer
	Order   []string
	Hits    []int
}

// askDetector runs the cases through the installed fail2ban; positions are in bytes if the lines
// are ASCII.
func askDetector(t *testing.T, tz string, now time.Time, cases []oracleCase) []oracleResult {
	t.Helper()
	in, err := json.Marshal(map[string]any{"tz": tz, "now": now.Unix(), "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	var out []oracleResult
	if err := json.Unmarshal(runPython(t, detectScript, in), &out); err != nil {
		t.Fatal(err)
	}
	if len(out) != len(cases) {
		t.Fatalf("oracle answered %d of %d cases", len(out), len(cases))
	}
	return out
}

// runPython runs a script on the interpreter of the installed fail2ban. Under CI it must be there.
func runPython(t *testing.T, script string, in []byte) []byte {
	t.Helper()
	if err := exec.Command(python, "-c", "import fail2ban").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("fail2ban is not installed: run scripts/packages test")
		}
		t.Skip("fail2ban is not installed: run scripts/packages test")
	}
	cmd := exec.Command(python, "-c", script)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run oracle: %v", err)
	}
	return out
}
