package date

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gaol/internal/event"
)

// cutScript feeds lines, each at its time, to fail2ban's own filter with an expression that takes
// the whole text: what is left of the line, and its time.
const cutScript = `
import json, logging, os, sys, time
logging.disable(logging.CRITICAL)
os.environ['TZ'] = 'UTC'
time.tzset()
from fail2ban.server.datedetector import DateDetector
from fail2ban.server.filter import Filter
from fail2ban.server.mytime import MyTime
out = []
for case in json.load(sys.stdin):
    f = Filter(None)
    f.setFindTime(600)
    if case['pattern']:
        f.setDatePattern(case['pattern'])
    else:
        f.dateDetector = DateDetector()
        f.dateDetector.addDefaultTemplate()
    f.addFailRegex('^<F-ID>.*</F-ID>$')
    f.inOperation = case['operation']
    answers = []
    for s in case['steps']:
        MyTime.setTime(s['at'])
        found = f.processLine(s['line'])
        answers.append({'text': found[0][3]['fid'], 'time': found[0][2]} if found else {'dropped': True})
    out.append(answers)
json.dump(out, sys.stdout)
`

type cutStep struct {
	At   int64  `json:"at"`
	Line string `json:"line"`
}

type cutCase struct {
	Pattern   string    `json:"pattern"`
	Operation bool      `json:"operation"`
	Steps     []cutStep `json:"steps"`
}

type cutAnswer struct {
	Dropped bool
	Text    string
	Time    float64
}

func cutCases() []cutCase {
	r := rand.New(rand.NewPCG(11, 12))
	offsets := []int{0, 0, -1, -59, -60, -61, 59, 60, 61, -599, -600, -601, -7200, 3600, 86400, 86401}
	var cases []cutCase
	for i := range 400 {
		c := cutCase{Operation: r.IntN(2) == 0, Pattern: []string{"", "", "{NONE}", `^\[({DATE})`}[r.IntN(4)]}
		at := moment()
		for range 2 + r.IntN(8) {
			at = at.Add(time.Duration(r.IntN(4)*r.IntN(40)) * time.Second)
			line := fmt.Sprintf("line %d", i)
			switch stamp := at.Add(time.Duration(offsets[r.IntN(len(offsets))]) * time.Second); r.IntN(6) {
			case 0: // none
			case 1:
				line = "2023-02-30 10:00:00 " + line
			case 2:
				line = "[" + stamp.Format("2006-01-02 15:04:05") + "] " + line
			case 3:
				line = "[2023-02-30 10:00:00] " + line
			default:
				line = stamp.Format("2006-01-02 15:04:05 ") + line
			}
			c.Steps = append(c.Steps, cutStep{At: at.Unix(), Line: line})
		}
		cases = append(cases, c)
	}
	return cases
}

// What becomes of a line's time and text in operation and in the initial scan (§2.8, §9.6).
func TestCutAsFail2ban(t *testing.T) {
	cases := cutCases()
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]cutAnswer
	if err := json.Unmarshal(runPython(t, cutScript, in), &want); err != nil {
		t.Fatal(err)
	}
	faults := 0
	for i, c := range cases {
		templates, err := Parse(c.Pattern, Options{Year: 2026})
		if err != nil {
			t.Fatal(err)
		}
		cutter := Cutter{Detector: NewDetector(templates), FindTime: 10 * time.Minute, InOperation: c.Operation}
		for n, s := range c.Steps {
			e, ok := cutter.Cut(event.Line{Text: s.Line}, "", time.Unix(s.At, 0).UTC())
			got := cutAnswer{Dropped: true}
			if ok {
				got = cutAnswer{Text: e.Before + e.After, Time: float64(e.Time.Unix())}
			}
			if got != want[i][n] {
				t.Errorf("%+v\nstep %d is %+v, want %+v", c, n, got, want[i][n])
				if faults++; faults > 5 {
					t.Fatal("and so on")
				}
				break
			}
		}
	}
}

func TestCutJournalLines(t *testing.T) {
	now := moment()
	c := Cutter{FindTime: 10 * time.Minute}
	for _, l := range []struct {
		age  time.Duration
		kept bool
	}{{0, true}, {10 * time.Minute, true}, {10*time.Minute + time.Second, false}} {
		e, ok := c.Cut(event.Line{Text: "2024-01-01 10:00:00 x", Time: now.Add(-l.age)}, "journal", now)
		if ok != l.kept || e.Stamp != "" || e.After != "2024-01-01 10:00:00 x" || !e.Time.Equal(now.Add(-l.age)) {
			t.Errorf("age %v: kept %v, %+v", l.age, ok, e)
		}
	}
}

func TestCutSaysWhatIsOdd(t *testing.T) {
	templates, err := Parse("", Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	now := moment()
	for _, c := range []struct {
		cutter Cutter
		line   string
		want   Oddity
		kept   bool
	}{
		{Cutter{InOperation: true}, "2026-11-24 11:18:00 x", Sound, true},
		{Cutter{InOperation: true}, "2026-11-24 10:18:00 x", Odd, true},
		{Cutter{InOperation: true}, "x", Undated, true},
		{Cutter{}, "x", Undated, false},
		{Cutter{}, "2026-11-24 10:18:00 x", Outdated, false},
		{Cutter{Lenient: true}, "2006-11-24 10:18:00 x", Sound, true},
		{Cutter{Lenient: true}, "\xff x", Undated, true},
	} {
		c.cutter.Detector, c.cutter.FindTime = NewDetector(templates), 10*time.Minute
		e, ok := c.cutter.Cut(event.Line{Text: c.line}, "", now)
		if ok != c.kept || c.cutter.Seen != c.want {
			t.Errorf("%q: kept %v, oddity %v; want %v, %v", c.line, ok, c.cutter.Seen, c.kept, c.want)
		}
		if c.line == "\xff x" && e.After != "\ufffd x" {
			t.Errorf("%q is read as %q", c.line, e.After)
		}
	}
}

// A replay: the clock is the stamps', so that an old line is odd only beside newer ones.
func TestCutByTheLogsClock(t *testing.T) {
	templates, err := Parse("", Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	var clock time.Time
	c := Cutter{Detector: NewDetector(templates), InOperation: true, Clock: func(stamp time.Time) time.Time {
		if stamp.After(clock) {
			clock = stamp
		}
		return clock
	}}
	for _, l := range []struct {
		line, want string
		seen       Oddity
	}{
		{"2026-03-01 10:00:00 x", "10:00:00", Sound},
		{"2026-03-01 09:59:30 a little late", "09:59:30", Sound},
		{"2026-03-01 10:30:00 x", "10:30:00", Sound},
		{"2026-03-01 10:00:00 very late", "10:30:00", Odd},
		{"no stamp", "10:30:00", Sound}, // the last line's
	} {
		e, ok := c.Cut(event.Line{Text: l.line}, "", moment())
		if got := e.Time.Format(time.TimeOnly); !ok || got != l.want || c.Seen != l.seen {
			t.Errorf("%s: %s %v (kept %v), want %s %v", l.line, got, c.Seen, ok, l.want, l.seen)
		}
	}
}
