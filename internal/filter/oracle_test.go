package filter

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

const python = "/usr/bin/python3"

// filterScript feeds lines to fail2ban's own filter class, without a daemon.
const filterScript = `
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from fail2ban.server.filter import Filter
from fail2ban.server.mytime import MyTime
req = json.load(sys.stdin)
MyTime.setTime(req['now'])
def text(v):
    if isinstance(v, (set, frozenset)):
        return sorted(v)
    return v if v is None or isinstance(v, str) else str(v)
out = []
for case in req['cases']:
    f = Filter(None)
    f.inOperation = True
    try:
        f.setUseDns(case['usedns'])
        if case['maxlines'] > 1:
            f.setMaxLines(case['maxlines'])
        if case['pref']:
            f.prefRegex = case['pref']
        for r in case['fail']:
            f.addFailRegex(r)
        for r in case['ignore'] or []:
            f.addIgnoreRegex(r)
    except Exception as e:
        out.append({'error': str(e)})
        continue
    answers = []
    for line in case['lines']:
        found = f.processLine(('', '', line), req['now'])
        answers.append([{'rule': x[0], 'id': str(x[1]), 'matches': [''.join(m) for m in x[3]['matches']],
            'fields': {k: text(v) for k, v in x[3].items() if v is not None and k not in ('matches', 'ip')}} for x in found])
    out.append({'answers': answers})
json.dump(out, sys.stdout)
`

type filterCase struct {
	Pref     string   `json:"pref"`
	Fail     []string `json:"fail"`
	Ignore   []string `json:"ignore"`
	UseDNS   string   `json:"usedns"`
	MaxLines int      `json:"maxlines"`
	Lines    []string `json:"lines"`
}

type filterFailure struct {
	Rule    int
	ID      string
	Matches []string
	Fields  map[string]any
}

type filterResult struct {
	Error   string
	Answers [][]filterFailure
}

func askFilter(t *testing.T, now int64, cases []filterCase) []filterResult {
	t.Helper()
	if err := exec.Command(python, "-c", "import fail2ban").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("fail2ban is not installed: run scripts/packages test")
		}
		t.Skip("fail2ban is not installed: run scripts/packages test")
	}
	in, err := json.Marshal(map[string]any{"now": now, "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", filterScript)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run oracle: %v", err)
	}
	var results []filterResult
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	return results
}
