package jail

import (
	"fmt"
	"testing"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFail2ban feeds random streams to the jail and to the installed fail2ban's own classes.
// The hour is stopped for the jail, apart from its ticks, since those classes purge only when
// they are told to; and no time is a fraction, since they round some of them.
func TestFail2ban(t *testing.T) {
	m := startModel(t, "testdata/oracle.py", "/usr/lib/python3/dist-packages/fail2ban")
	rapid.Check(t, func(t *rapid.T) {
		s := drawFailures(t)
		var want []oracleAnswer
		m.ask(t, s, &want)
		j := New(s.Options.jail())
		j.purge(at(0)) // the next would be due when the hour goes on
		for i, o := range s.Ops {
			got := oracleAnswer{Decisions: answerOf(j, applyStopped(j, o)).Decisions}
			failing, failed, banned, _ := j.Counts()
			got.Failing, got.Failed, got.Banned = failing, failed, banned
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Fatalf("after operation %d %+v of %+v (-fail2ban +jail):\n%s", i, o, s.Options, diff)
			}
		}
	})
}

type oracleAnswer struct {
	Decisions [][]any `json:"decisions"`
	Failing   int     `json:"failing"`
	Failed    uint64  `json:"failed"`
	Banned    int     `json:"banned"`
}

func applyStopped(j *Jail, o op) []event.Decision {
	if o.Op == "tick" {
		j.purged = at(o.Now)
		return j.Tick(at(o.Now))
	}
	o.Now = 0
	j.purged = at(0)
	return apply(j, o)
}

// drawFailures draws failures that come in any order, and ticks that only go on.
func drawFailures(t *rapid.T) stream {
	findTime := rapid.SampledFrom([]int{1, 10, 60, 600}).Draw(t, "findtime")
	banTime := rapid.SampledFrom([]int{-1, findTime, 10 * findTime}).Draw(t, "bantime")
	s := stream{Options: modelOptions{
		MaxRetry: rapid.IntRange(1, 6).Draw(t, "maxretry"), FindTime: float64(findTime),
		BanTime: float64(banTime), MaxMatches: rapid.IntRange(1, 4).Draw(t, "maxmatches"),
	}}
	clock := 0
	for i := range rapid.IntRange(1, 60).Draw(t, "length") {
		clock += rapid.IntRange(0, findTime/2).Draw(t, "pause")
		o := op{Op: "fail", ID: rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}).Draw(t, "id")}
		if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
			o = op{Op: "tick", Now: float64(clock)}
		} else {
			late := rapid.IntRange(0, 1).Draw(t, "is late") * rapid.IntRange(0, findTime).Draw(t, "late")
			o.Time, o.Line = float64(max(clock-late, 0)), fmt.Sprint("line ", i)
		}
		s.Ops = append(s.Ops, o)
	}
	return s
}
