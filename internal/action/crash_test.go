package action

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gaol/internal/event"
)

// world is what commands change: rules in a chain that exists or not, as with iptables. It
// outlives the daemon; adding a rule twice makes two.
type world struct {
	chain bool
	rules []string
	ran   []string
}

func (w *world) do(script string) error {
	w.ran = append(w.ran, script)
	verb, id, _ := strings.Cut(script, " ")
	at := slices.Index(w.rules, id)
	switch {
	case verb == "start":
		w.chain = true
		return nil
	case !w.chain:
		return fmt.Errorf("%s: no chain", script)
	case verb == "ban":
		w.rules = append(w.rules, id)
	case verb == "unban" && at < 0:
		return fmt.Errorf("%s: no such rule", script)
	case verb == "unban":
		w.rules = slices.Delete(w.rules, at, at+1)
	case verb == "flush":
		w.rules = nil
	case verb == "stop":
		w.chain, w.rules = false, nil
	}
	return nil
}

// killed is what a dying daemon throws, so that nothing of it runs on.
type killed struct{}

// mortal counts down to the daemon's death: between any two of its journal writes and commands,
// and in the middle of them (done in the world, not yet known to the daemon).
type mortal struct {
	*world
	*journal
	left int
}

func (m *mortal) breath() {
	m.left--
	if m.left == 0 {
		panic(killed{})
	}
}

func (m *mortal) run(_ context.Context, c event.Command, _ time.Duration) (string, error) {
	m.breath()
	err := m.do(c.Script)
	m.breath()
	return "", err
}

func (m *mortal) Intend(ctx context.Context, i event.Intent) (int64, error) {
	m.breath()
	id, err := m.journal.Intend(ctx, i)
	m.breath()
	return id, err
}

func (m *mortal) Ran(ctx context.Context, id int64) error {
	m.breath()
	return m.journal.Ran(ctx, id)
}

func (m *mortal) Done(ctx context.Context, ids ...int64) error {
	m.breath()
	return m.journal.Done(ctx, ids...)
}

func rulesProps() map[string]string {
	return map[string]string{"actionstart": "start", "actionstop": "stop", "actionflush": "flush", "actioncheck": "check",
		"actionban": "ban <ip>", "actionunban": "unban <ip>", "actionstart_on_demand": "true"}
}

func newRules(t interface{ Fatal(...any) }, m *mortal) *Action {
	a, err := New(Spec{Jail: "sshd", Name: "act", Props: rulesProps()}, Options{Journal: m})
	if err != nil {
		t.Fatal(err)
	}
	a.run, a.boot = m.run, "this boot"
	return a
}

// live runs f as a daemon that may be killed in it.
func live(f func()) (dead bool) {
	defer func() {
		if reason := recover(); reason != nil {
			if _, ok := reason.(killed); !ok {
				panic(reason)
			}
			dead = true
		}
	}()
	f()
	return false
}

// TestNoRuleOutlivesItsBan kills daemons at random moments. The jail's own list of bans (which
// the store keeps) is changed before a ban's command runs and before an unban's does. After the
// last daemon has recovered, the world must hold each ban in force once and nothing else; and
// after a stop in order nothing at all.
func TestNoRuleOutlivesItsBan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		w, j := &world{}, &journal{}
		inForce := map[string]bool{}
		ids := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
		daemon := func(m *mortal, a *Action, steps int) {
			_ = a.Recover(ctx, slices.Clone(j.rows), func(id string) bool { return inForce[id] })
			for _, id := range ids {
				if inForce[id] {
					_ = a.Ban(ctx, ban(id), true)
				}
			}
			for range steps {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				switch rapid.IntRange(0, 5).Draw(t, "call") {
				case 0, 1, 2:
					inForce[id] = true
					_ = a.Ban(ctx, ban(id), false)
				case 3, 4:
					delete(inForce, id)
					_ = a.Unban(ctx, ban(id))
				case 5:
					_, _ = a.Check(ctx)
				}
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			m := &mortal{w, j, rapid.IntRange(1, 40).Draw(t, "breaths")}
			a := newRules(t, m)
			live(func() { daemon(m, a, 8) })
			switch rapid.IntRange(0, 5).Draw(t, "meanwhile") {
			case 0: // somebody reloads the firewall
				w.chain, w.rules = false, nil
			case 1: // a ban ends
				delete(inForce, rapid.SampledFrom(ids).Draw(t, "ended"))
			}
		}
		m := &mortal{w, j, -1}
		a := newRules(t, m)
		daemon(m, a, 0)
		want := []string{}
		for _, id := range ids {
			if inForce[id] {
				want = append(want, id)
			}
		}
		got := slices.Sorted(slices.Values(w.rules))
		if !slices.Equal(got, want) {
			t.Fatalf("rules %q, bans in force %q; commands: %q", got, want, w.ran)
		}
		_, _ = a.Flush(ctx), a.Stop(ctx)
		if w.chain || len(w.rules) > 0 || len(j.rows) > 0 {
			t.Fatalf("left after a stop: %+v, journal %v", w, j.rows)
		}
	})
}

func TestRecover(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	start := event.Intent{ID: 1, Undo: event.Command{Script: "stop"}, Flush: event.Command{Script: "flush"}, Ran: true}
	banA := event.Intent{ID: 2, Ban: a, Undo: event.Command{Script: "unban " + a}, Ran: true}
	banB := event.Intent{ID: 3, Ban: b, Undo: event.Command{Script: "unban " + b}, Ran: true}
	tests := []struct {
		name   string
		change func(rows []event.Intent, w *world)
		want   []string
	}{
		{"taken over; the ban that ended is undone", func([]event.Intent, *world) {}, []string{"check", "unban " + b}},
		{"a ban was interrupted", func(rows []event.Intent, _ *world) { rows[1].Ran = false },
			[]string{"check", "unban " + b, "unban " + a, "ban " + a}},
		{"two rows of one ban", func(rows []event.Intent, w *world) {
			rows[2].Ban, rows[2].Undo, w.rules = a, rows[1].Undo, []string{a}
		}, []string{"check", "unban " + a, "unban " + a, "ban " + a}},
		{"the start was interrupted", func(rows []event.Intent, _ *world) { rows[0].Ran = false },
			[]string{"flush", "stop", "start", "ban " + a}},
		{"another boot", func(rows []event.Intent, _ *world) { rows[2].Boot = "before" },
			[]string{"flush", "stop", "start", "ban " + a}},
		{"other commands", func(rows []event.Intent, _ *world) { rows[0].Print = "other" },
			[]string{"flush", "stop", "start", "ban " + a}},
		{"the firewall was reloaded", func(_ []event.Intent, w *world) { w.chain, w.rules = false, nil },
			[]string{"check", "flush", "unban " + b, "unban " + a, "stop", "start", "ban " + a}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{chain: true, rules: []string{a, b}}
			j := &journal{last: 3}
			act := newRules(t, &mortal{w, j, -1})
			rows := []event.Intent{start, banA, banB}
			for i := range rows {
				rows[i].Jail, rows[i].Action, rows[i].Boot, rows[i].Print = "sshd", "act", act.boot, act.print
			}
			tt.change(rows, w)
			j.rows = slices.Clone(rows)
			ctx := context.Background()
			try(t, "recover", act.Recover(ctx, rows, func(id string) bool { return id == a }))
			try(t, "restore", act.Ban(ctx, ban(a), true))
			if diff := cmp.Diff(tt.want, w.ran); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if !slices.Equal(w.rules, []string{a}) {
				t.Errorf("rules %q", w.rules)
			}
			try(t, "unban", act.Unban(ctx, ban(a)))
			if len(w.rules) > 0 {
				t.Errorf("rules after the unban: %q", w.rules)
			}
		})
	}
}

// TestUndoOfRemovedActions runs with a real shell: what was configured then is not known now.
func TestUndoOfRemovedActions(t *testing.T) {
	out := t.TempDir() + "/out"
	say := func(text string) event.Command {
		return event.Command{Script: "v=$0 \nprintf '%s\\n' \"$v\" >> " + out, Values: []string{text}}
	}
	j := &journal{rows: []event.Intent{
		{ID: 1, Jail: "gone", Action: "first", Undo: say("stop first")},
		{ID: 2, Jail: "gone", Action: "second", Undo: say("stop second")},
		{ID: 3, Jail: "gone", Action: "first", Ban: "a", Undo: say("unban `a`")},
		{ID: 4, Jail: "gone", Action: "first", Ban: "b", Undo: event.Command{Script: "exit 1"}},
		{ID: 5, Jail: "gone", Action: "slow", Undo: event.Command{Script: "sleep 60"}, Limit: 50 * time.Millisecond},
	}}
	var failed []string
	err := Undo(t.Context(), slices.Clone(j.rows), Options{Journal: j, Report: func(r Report) {
		if r.Err != nil && r.Undo {
			failed = append(failed, r.Op+" "+r.Ban)
		}
	}})
	try(t, "undo", err)
	if got, want := read(t, out), "stop second\nunban `a`\nstop first\n"; got != want {
		t.Errorf("undone: %q, want %q", got, want)
	}
	if want := []string{"actionstop ", "actionunban b"}; !slices.Equal(failed, want) {
		t.Errorf("reported as failed: %q, want %q", failed, want)
	}
	if len(j.rows) != 1 || j.rows[0].Action != "slow" {
		t.Errorf("journal: %+v; want only what ran out of time", j.rows)
	}
}

// TestKilledDaemonLeavesNoStaleRule does it with Debian's iptables action and packets: a second
// Action on the same journal stands for the next daemon.
func TestKilledDaemonLeavesNoStaleRule(t *testing.T) {
	y := newYard(t)
	ctx := t.Context()
	props := stock(t)["iptables-multiport"]
	j := &journal{}
	first := in(t, y.Host, "iptables-multiport", props, Options{Journal: j})
	for _, id := range []string{attacker4, attacker6, staff4} {
		try(t, "ban", first.Ban(ctx, ban(id), false))
	}
	before := rules(y.Host)
	// What the store says after the kill: staff4's ban has ended meanwhile.
	inForce := func(id string) bool { return id != staff4 }

	second := in(t, y.Host, "iptables-multiport", props, Options{Journal: j})
	run := second.run
	second.run = func(ctx context.Context, c event.Command, limit time.Duration) (string, error) {
		out, err := run(ctx, c, limit)
		barred(t, y.attacker, door4) // no gap behind any command of the recovery
		return out, err
	}
	try(t, "recover", second.Recover(ctx, slices.Clone(j.rows), inForce))
	try(t, "restore", second.Ban(ctx, ban(attacker4), true))
	try(t, "restore", second.Ban(ctx, ban(attacker6), true))
	second.run = run
	y.staff.Alive("tcp", door4)
	barred(t, y.attacker, door6)
	want := strings.ReplaceAll(before, "-A f2b-lab -s "+staff4+"/32 -j REJECT --reject-with icmp-port-unreachable\n", "")
	if diff := cmp.Diff(want, rules(y.Host)); diff != "" {
		t.Errorf("rules after the recovery (-want +got):\n%s", diff)
	}
	try(t, "unban", second.Unban(ctx, ban(attacker4)))
	y.attacker.Alive("tcp", door4)
	try(t, "flush", second.Flush(ctx))
	try(t, "stop", second.Stop(ctx))
	if left := rules(y.Host); left != "" || len(j.rows) > 0 {
		t.Errorf("left after the stop: %s, journal %v", left, j.rows)
	}
}
