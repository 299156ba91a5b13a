package action

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/event"
)

// step is one call, for fail2ban's class and for ours.
type step struct {
	Op       string         `json:"op"`
	IP       string         `json:"ip"`
	Time     float64        `json:"time,omitempty"`
	BanTime  *int           `json:"bantime,omitempty"`
	Matches  []string       `json:"matches,omitempty"`
	Data     map[string]any `json:"data,omitempty"`
	Restored bool           `json:"restored,omitempty"`
	Fail     []string       `json:"fail,omitempty"`
}

type scenario struct {
	name  string
	Jail  string         `json:"jail"`
	Name  string         `json:"name"`
	Props map[string]any `json:"props"`
	Steps []step         `json:"steps"`
}

type outcome struct {
	Ran   []event.Command `json:"ran"`
	Error string          `json:"error"`
}

// oracle plays scenarios on the installed fail2ban's action class.
func oracle(t *testing.T, scenarios []scenario) [][]outcome {
	t.Helper()
	input, err := json.Marshal(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/oracle.py")
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		needs(t, fmt.Sprintf("fail2ban as an oracle: %v\n%s", err, stderr.Bytes()), "scripts/packages test")
	}
	var outcomes [][]outcome
	if err := json.Unmarshal(out, &outcomes); err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// needs skips a test for want of something, and fails it under CI.
func needs(t *testing.T, what, command string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: run %s", what, command)
	}
	t.Skipf("%s: run %s", what, command)
}

// play runs the same scenario on our action.
func (s scenario) play(t *testing.T) (all []outcome) {
	t.Helper()
	props := map[string]string{}
	for key, value := range s.Props {
		props[key] = fmt.Sprint(value)
	}
	a := newAction(t, props, Options{NoIPv6: true, Facts: func(_ context.Context, tag string, _ event.Ban) (string, bool) {
		value, ok := map[string]string{"jail.banned": "1", "jail.banned_total": "2", "jail.found": "1", "jail.found_total": "4"}[tag]
		return value, ok
	}})
	r := &recorder{}
	a.run = r.run
	for _, step := range s.Steps {
		r.ran, r.failing = nil, step.Fail
		o := outcome{Ran: []event.Command{}}
		if err := step.call(a); err != nil {
			o.Error = err.Error()
		}
		o.Ran = append(o.Ran, r.ran...)
		all = append(all, o)
	}
	return all
}

func (s step) ban() event.Ban {
	b := ban(s.IP)
	if s.Time != 0 {
		b.Start = time.UnixMicro(int64(s.Time * 1e6))
		b.End = b.Start.Add(600 * time.Second)
	}
	if s.BanTime != nil {
		b.End = b.Start.Add(time.Duration(*s.BanTime) * time.Second)
		if *s.BanTime < 0 {
			b.End = time.Time{}
		}
	}
	b.Matches = s.Matches
	for key, value := range s.Data {
		if key == "failures" {
			b.Count = value.(int)
		} else {
			b.Fields.Set(key, fmt.Sprint(value))
		}
	}
	return b
}

func (s step) call(a *Action) error {
	ctx := context.Background()
	switch s.Op {
	case "start":
		return a.Start(ctx)
	case "ban":
		return a.Ban(ctx, s.ban(), s.Restored)
	case "unban":
		return a.Unban(ctx, s.ban())
	case "reban":
		return a.Reban(ctx, s.ban(), s.Restored)
	case "renew":
		return a.Renew(ctx, s.ban())
	case "prolong":
		return a.Prolong(ctx, s.ban(), s.Restored)
	case "flush":
		return a.Flush(ctx)
	case "stop":
		return a.Stop(ctx)
	case "reload":
		return a.Reload(ctx)
	case "check":
		_, err := a.Check(ctx)
		return err
	}
	return fmt.Errorf("no such step %q", s.Op)
}

// meaning is a command with its values behind the names of their variables: the order in
// which variables are numbered means nothing.
func meaning(c event.Command) string {
	if len(c.Values) == 0 {
		return c.Script
	}
	head, script, _ := strings.Cut(c.Script, "\n")
	values := map[string]string{}
	for _, assign := range strings.Fields(head) {
		name, number, _ := strings.Cut(assign, "=$")
		var n int
		if _, err := fmt.Sscan(strings.Trim(number, "{}"), &n); err == nil && n < len(c.Values) {
			values[name] = c.Values[n]
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err.Error()
	}
	return script + "\n" + string(text)
}

func compare(t *testing.T, scenarios []scenario) {
	t.Helper()
	want := oracle(t, scenarios)
	for n, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			got := s.play(t)
			for i, step := range s.Steps {
				w, g := want[n][i], got[i]
				if diff := cmp.Diff(meanings(w.Ran), meanings(g.Ran)); diff != "" {
					t.Errorf("step %d, %s %s (-fail2ban +gaol):\n%s", i, step.Op, step.IP, diff)
				}
				if (w.Error != "") != (g.Error != "") {
					t.Errorf("step %d, %s %s: fail2ban's error %q, ours %q", i, step.Op, step.IP, w.Error, g.Error)
				}
			}
		})
	}
}

func meanings(commands []event.Command) []string {
	all := []string{}
	for _, c := range commands {
		all = append(all, regexp.MustCompile(`\d{10}\.\d+`).ReplaceAllString(meaning(c), "NOW"))
	}
	return all
}
