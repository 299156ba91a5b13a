package jail

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const python = "/usr/bin/python3"

// model is a Python script that answers one stream of operations after the other.
type model struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startModel(t *testing.T, script, needs string) *model {
	t.Helper()
	if _, err := os.Stat(needs); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; install it with: scripts/packages test", err)
		}
		t.Skipf("%v; install it with: scripts/packages test", err)
	}
	cmd := exec.CommandContext(context.Background(), python, script) // ended by its input's end
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	})
	return &model{in: in, out: bufio.NewReader(out)}
}

// op is one operation; times are seconds behind epoch, in quarters so that floats are exact.
type op struct {
	Op   string   `json:"op"`
	ID   string   `json:"id"`
	Time float64  `json:"time"`
	Line string   `json:"line"`
	End  *float64 `json:"end"`
	Now  float64  `json:"now"`
}

type modelOptions struct {
	MaxRetry   int      `json:"maxretry"`
	FindTime   float64  `json:"findtime"`
	BanTime    float64  `json:"bantime"`
	MaxMatches int      `json:"maxmatches"`
	Ignored    []string `json:"ignored"`
	Floor      []string `json:"floor"`
	Increment  bool     `json:"increment"`
	MaxTime    float64  `json:"maxtime"`
}

type stream struct {
	Options modelOptions `json:"options"`
	Ops     []op         `json:"ops"`
}

// answer is what follows from one operation, in both tellings.
type answer struct {
	Decisions [][]any           `json:"decisions"`
	Counts    []float64         `json:"counts"`
	Tallies   map[string][3]any `json:"tallies"`
}

// ask sends a stream and reads what follows from it into answers.
func (m *model) ask(t interface{ Fatal(...any) }, s, answers any) {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.in.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := m.out.ReadBytes('\n')
	if err != nil {
		t.Fatal("the model stopped:", err)
	}
	if err := json.Unmarshal(line, answers); err != nil {
		t.Fatal(err)
	}
}

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time           { return epoch.Add(seconds(s)).Local() }
func seconds(s float64) time.Duration  { return time.Duration(s * float64(time.Second)) }
func since(t time.Time) (secs float64) { return t.Sub(epoch).Seconds() }

// TestModel feeds random streams to the jail and to the model. Times come late, early and
// twice; what Dirty reports must rebuild the counts as a store would.
func TestModel(t *testing.T) {
	m := startModel(t, "testdata/model.py", python)
	rapid.Check(t, func(t *rapid.T) {
		s := drawStream(t)
		var want []answer
		m.ask(t, s, &want)
		history := past{"j": {}}
		o := s.Options.jail()
		o.Increment = s.Options.increment(history)
		j := New(o)
		stored := map[string]event.Tally{}
		for i, o := range s.Ops {
			ds := apply(j, o)
			history.note(ds)
			got := answerOf(j, ds)
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Fatalf("after operation %d %+v of %+v (-model +jail):\n%s", i, o, s.Options, diff)
			}
			if rapid.Bool().Draw(t, "commit") {
				commit(j, stored)
			}
		}
		commit(j, stored)
		if diff := cmp.Diff(talliesOf(j), stored); diff != "" {
			t.Fatalf("what Dirty told the store is not what the jail counts (-jail +store):\n%s", diff)
		}
	})
}

func drawStream(t *rapid.T) stream {
	findTime := float64(rapid.SampledFrom([]int{1, 10, 60, 600}).Draw(t, "findtime"))
	banTime := rapid.SampledFrom([]float64{-1, findTime / 4, findTime, 10 * findTime}).Draw(t, "bantime")
	s := stream{Options: modelOptions{
		MaxRetry: rapid.IntRange(1, 6).Draw(t, "maxretry"), FindTime: findTime, BanTime: banTime,
		MaxMatches: rapid.IntRange(0, 4).Draw(t, "maxmatches"),
		Ignored:    []string{"i"}, Floor: []string{"f"},
		Increment: rapid.Bool().Draw(t, "increment"), MaxTime: rapid.SampledFrom([]float64{0, 2 * findTime}).Draw(t, "maxtime"),
	}}
	quarters := func(label string, most float64) float64 {
		return float64(rapid.IntRange(0, int(most*4)).Draw(t, label)) / 4
	}
	now := 0.0
	for i := range rapid.IntRange(1, 60).Draw(t, "length") {
		now += quarters("pause", findTime/3)
		o := op{Now: now, ID: rapid.SampledFrom([]string{"a", "a", "b", "c", "i", "f"}).Draw(t, "id")}
		switch rapid.IntRange(0, 19).Draw(t, "what") {
		case 0:
			o.Op = "unban"
		case 1:
			o.Op = "ban"
			if rapid.Bool().Draw(t, "ends") {
				end := now - 1 + quarters("for", 4*findTime)
				o.End = &end
			}
		case 2, 3, 4, 5:
			o.Op = "tick"
		default:
			o.Op, o.Line = "fail", fmt.Sprint("line ", i)
			o.Time = now - quarters("late", 1.5*findTime)*float64(rapid.IntRange(0, 1).Draw(t, "is late"))
		}
		s.Ops = append(s.Ops, o)
	}
	return s
}

func (o modelOptions) jail() Options {
	in := func(list []string) func(string, event.IDKind) (string, bool) {
		return func(id string, _ event.IDKind) (string, bool) { return "test", slices.Contains(list, id) }
	}
	return Options{
		Name: "j", MaxRetry: o.MaxRetry, FindTime: seconds(o.FindTime), BanTime: seconds(o.BanTime),
		MaxMatches: o.MaxMatches, Spared: in(o.Ignored), Protected: in(o.Floor),
	}
}

func (o modelOptions) increment(history past) *Increment {
	if !o.Increment {
		return nil
	}
	f, err := NewFormula("", "", nil, nil)
	if err != nil {
		panic(err)
	}
	return &Increment{Formula: f, MaxTime: seconds(o.MaxTime), Before: history.before("j")}
}

func apply(j *Jail, o op) []event.Decision {
	switch o.Op {
	case "fail":
		return j.Fail(event.Failure{ID: o.ID, Time: at(o.Time), Matches: []string{o.Line}}, at(o.Now))
	case "ban":
		b := event.Ban{ID: o.ID}
		if o.End != nil {
			b.End = at(*o.End)
		}
		return j.Ban(b, at(o.Now))
	case "unban":
		return j.Unban(o.ID, at(o.Now), "")
	default:
		return j.Tick(at(o.Now))
	}
}

// answerOf writes decisions and state as the model does.
func answerOf(j *Jail, ds []event.Decision) answer {
	a := answer{Decisions: [][]any{}, Tallies: map[string][3]any{}}
	for _, d := range ds {
		if d.Kind == event.Spare {
			a.Decisions = append(a.Decisions, []any{"spare", d.Ban.ID})
			continue
		}
		name := map[event.Kind]string{event.Impose: "impose", event.Prolong: "prolong", event.Lift: "lift"}[d.Kind]
		var end any
		if !d.Ban.End.IsZero() {
			end = since(d.Ban.End)
		}
		lines := []any{}
		for _, m := range d.Ban.Matches {
			lines = append(lines, m)
		}
		a.Decisions = append(a.Decisions, []any{name, d.Ban.ID, since(d.Ban.Start), end, float64(d.Ban.Count), lines})
	}
	failed, totalFailed, banned, totalBanned := j.Counts()
	a.Counts = []float64{float64(failed), float64(totalFailed), float64(banned), float64(totalBanned)}
	for id, t := range talliesOf(j) {
		a.Tallies[id] = [3]any{since(t.First), since(t.Last), float64(t.Count)}
	}
	return a
}

func talliesOf(j *Jail) map[string]event.Tally {
	out := map[string]event.Tally{}
	for id, at := range j.tallies.byID {
		out[id] = j.tallies.unpack(at)
	}
	return out
}

func commit(j *Jail, stored map[string]event.Tally) {
	tallies, gone := j.Dirty()
	for _, t := range tallies {
		stored[t.ID] = t
	}
	maps.DeleteFunc(stored, func(id string, _ event.Tally) bool { return slices.Contains(gone, id) })
}
