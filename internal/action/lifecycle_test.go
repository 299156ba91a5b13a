package action

import (
	"context"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byFamily is an action whose commands differ by family.
func byFamily(more ...any) map[string]any {
	props := map[string]any{
		"actionstart": "start <f>", "actionstop": "stop <f>", "actioncheck": "check <f>", "actionflush": "flush <f>",
		"actionban": "ban <ip>", "actionunban": "unban <ip>", "f": "4", "f?family=inet6": "6",
	}
	for i := 0; i < len(more); i += 2 {
		props[more[i].(string)] = more[i+1]
	}
	return props
}

func plain(more ...any) map[string]any {
	props := byFamily(more...)
	maps.DeleteFunc(props, func(key string, _ any) bool { return key == "f?family=inet6" })
	return props
}

func do(op string, fail ...string) step     { return step{Op: op, Fail: fail} }
func on(op, ip string, fail ...string) step { return step{Op: op, IP: ip, Fail: fail} }

// TestLifecycleLikeFail2ban plays calls on fail2ban's own class and on ours: the commands and
// whether the call failed must be equal, step by step.
func TestLifecycleLikeFail2ban(t *testing.T) {
	const a, b, v6 = "192.0.2.1", "192.0.2.2", "2001:db8::1"
	scenarios := []scenario{
		{name: "on demand by family", Props: byFamily(), Steps: []step{do("start"), on("ban", a), on("ban", b), on("ban", v6),
			on("unban", a), do("flush"), on("unban", b), on("ban", "192.0.2.3"), do("stop"), do("stop"),
			on("unban", "192.0.2.3"), on("ban", a), do("check"), do("reload")}},
		{name: "start fails", Props: byFamily(), Steps: []step{on("ban", a, "^start"), on("ban", a)}},
		{name: "start fails, not on demand", Props: plain(), Steps: []step{do("start", "^start"), on("ban", a), on("unban", a), do("stop")}},
		{name: "start and bans fail, not on demand", Props: plain("actioncheck", ""),
			Steps: []step{do("start", "^start"), on("ban", a, "^ban"), do("reload"), do("stop")}},
		{name: "start of families fails, not on demand", Props: byFamily("actionstart_on_demand", false),
			Steps: []step{do("start", "^start"), on("ban", a), do("stop")}},
		{name: "ids without family", Props: byFamily(), Steps: []step{on("ban", "abc"), on("ban", a), on("ban", "def"), do("stop")}},
		{name: "equal start and stop", Props: byFamily("actionstart", "start", "actionstop", "stop"),
			Steps: []step{on("ban", a), on("ban", v6), do("flush"), do("stop")}},
		{name: "not on demand", Props: byFamily("actionstart_on_demand", false),
			Steps: []step{do("start"), on("ban", a), on("ban", b), do("flush"), do("stop")}},
		{name: "no families", Props: plain(), Steps: []step{do("start"), on("ban", a), on("ban", v6),
			on("unban", a), do("flush"), do("stop"), do("start")}},
		{name: "no families, on demand", Props: plain("actionstart_on_demand", true),
			Steps: []step{do("start"), on("ban", a), on("ban", v6), do("flush"), do("stop")}},
		{name: "repair by stop and start", Props: byFamily(),
			Steps: []step{on("ban", a, "^ban", "^check"), on("ban", b), do("stop")}},
		{name: "repair, stop fails", Props: byFamily(), Steps: []step{on("ban", a, "^ban", "^check", "^stop"), do("stop")}},
		{name: "repair by actionrepair", Props: byFamily("actionrepair", "repair <f>"),
			Steps: []step{on("ban", a, "^ban", "^check"), do("check"), do("stop")}},
		{name: "check well, ban fails", Props: byFamily(), Steps: []step{on("ban", a, "^ban"), do("stop")}},
		{name: "no check", Props: byFamily("actioncheck", ""), Steps: []step{on("ban", a, "^ban"), do("check")}},
		{name: "unban fails, check well", Props: byFamily(), Steps: []step{on("ban", a), on("unban", a, "^unban")}},
		{name: "unban fails, check fails", Props: byFamily(), Steps: []step{on("ban", a), on("unban", a, "^unban", "^check")}},
		{name: "unban with repair", Props: byFamily("actionrepair", "repair <f>", "actionrepair_on_unban", true),
			Steps: []step{on("ban", a), on("unban", a, "^unban", "^check")}},
		{name: "stop fails", Props: byFamily(), Steps: []step{on("ban", a), do("stop", "^stop"), do("stop")}},
		{name: "no flush", Props: byFamily("actionflush", ""), Steps: []step{on("ban", a), on("unban", a), do("flush"), do("stop")}},
		{name: "reban and prolong", Props: byFamily("actionreban", "reban <ip>", "actionprolong", "prolong <ip>"),
			Steps: []step{on("reban", a), on("reban", a), on("prolong", a), on("prolong", v6)}},
		{name: "reload", Props: byFamily("actionreload", "reload <f>"),
			Steps: []step{do("reload"), on("ban", a), do("reload"), on("ban", v6), do("reload")}},
		{name: "no actionban", Props: byFamily("actionban", ""), Steps: []step{on("ban", a), do("stop")}},
		{name: "no actionstart", Props: byFamily("actionstart", ""), Steps: []step{on("ban", a), on("unban", a), do("stop")}},
		{name: "tags of commands without a ban", Props: map[string]any{
			"actionstart": "s <ip> <bantime> <F-X> <matches> <jail.banned> <fq-hostname> <failures> <family> <time> <ip-rev> <restored>",
			"actionstop":  "p <bantime> <ip>|", "actionflush": "f <bantime>|", "actioncheck": "c <bantime> <ip> <br>|",
			"actionreload": "r <bantime> <timeout>", "actionban": "x", "actionunban": "u"},
			Steps: []step{do("start"), do("check"), on("ban", a), do("reload"), do("flush"), do("stop")}},
	}
	for i := range scenarios {
		scenarios[i].Jail, scenarios[i].Name = "sshd", "act"
	}
	compare(t, scenarios)
}

// TestBetterThanFail2ban holds where we leave fail2ban on purpose.
func TestBetterThanFail2ban(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	tests := []struct {
		name  string
		props map[string]any
		steps []step
		want  [][]string
	}{
		{"a repair puts the other bans back", byFamily(),
			[]step{on("ban", a), on("ban", b, "^ban 192.0.2.2", "^check"), do("check"), on("ban", "2001:db8::1"), do("check", "^check 4")},
			[][]string{{"start 4", "ban " + a}, {"ban " + b, "check 4", "stop 4", "start 4", "check 4"}, {"check 4"},
				{"start 6", "ban 2001:db8::1"}, {"check 4", "stop 4", "start 4", "check 4", "ban " + a, "ban " + b, "check 6"}}},
		{"an action without families is started again", plain(),
			[]step{do("start"), on("ban", a, "^ban", "^check$"), on("ban", b)},
			[][]string{{"start 4"}, {"ban " + a, "check 4", "ban " + a}, {"ban " + b}}},
		{"a ban in place is not imposed twice", byFamily(),
			[]step{on("ban", a), on("ban", a), on("unban", a), on("unban", a)},
			[][]string{{"start 4", "ban " + a}, nil, {"unban " + a}, nil}},
		{"a failed ban may have run by half and is undone", byFamily(),
			[]step{on("ban", a, "^ban"), on("unban", a)},
			[][]string{{"start 4", "ban " + a, "check 4", "ban " + a}, {"unban " + a}}},
		{"a flush that fails becomes single unbans", byFamily(),
			[]step{on("ban", a), on("ban", b), do("flush", "^flush")},
			[][]string{{"start 4", "ban " + a}, {"ban " + b}, {"flush 4", "unban " + a, "unban " + b}}},
		{"a ban that does not bite is renewed", byFamily(),
			[]step{on("ban", a), on("renew", a, "^unban"), on("renew", a, "^check")},
			[][]string{{"start 4", "ban " + a}, {"check 4", "unban " + a, "ban " + a},
				{"check 4", "stop 4", "start 4", "check 4", "ban " + a}}},
		{"mail is not sent again by a renewal", map[string]any{"actionban": "mail"},
			[]step{on("ban", a), on("renew", a)}, [][]string{{"mail"}, nil}},
		{"a flush after bans of both families and a flush", plain(), []step{do("start"), on("ban", a),
			on("ban", "2001:db8::1"), do("flush"), on("ban", b), do("flush")},
			[][]string{{"start 4"}, {"ban " + a}, {"ban 2001:db8::1"}, {"flush 4"}, {"ban " + b}, {"flush 4"}}},
		{"restored bans of a norestored action", byFamily("norestored", true, "actionprolong", "prolong <ip>"),
			[]step{{Op: "ban", IP: a, Restored: true}, on("prolong", a), on("ban", b), on("unban", a)},
			[][]string{nil, nil, {"start 4", "ban " + b}, {"unban " + a}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{Props: tt.props, Steps: tt.steps}
			for i, got := range s.play(t) {
				var scripts []string
				for _, c := range got.Ran {
					scripts = append(scripts, c.Script)
				}
				if diff := cmp.Diff(tt.want[i], scripts); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestJournalFollowsTheLifecycle(t *testing.T) {
	j := &journal{}
	r := &recorder{}
	a := newAction(t, map[string]string{"actionstart": "start", "actionstop": "stop", "actionban": "ban <ip>",
		"actionunban": "unban <ip>", "actionflush": "flush"}, Options{Journal: j})
	a.run = r.run
	ctx := context.Background()
	check := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, i := range j.rows {
			state := "intended "
			if i.Ran {
				state = "ran "
			}
			got = append(got, state+i.Undo.Script)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("journal after %s (-want +got):\n%s", what, diff)
		}
	}
	_ = a.Start(ctx)
	check("start", "ran stop")
	_ = a.Ban(ctx, ban("192.0.2.1"), false)
	r.failing = []string{"^ban"}
	_ = a.Ban(ctx, ban("192.0.2.2"), false)
	check("a ban that ran and one that failed", "ran stop", "ran unban 192.0.2.1", "intended unban 192.0.2.2")
	r.failing = []string{"^unban"}
	_ = a.Unban(ctx, ban("192.0.2.1"))
	_ = a.Unban(ctx, ban("192.0.2.2"))
	check("failing unbans", "ran stop", "ran unban 192.0.2.1")
	r.failing = nil
	_ = a.Ban(ctx, ban("192.0.2.3"), false)
	_ = a.Flush(ctx)
	check("flush", "ran stop", "ran unban 192.0.2.1")
	_ = a.Stop(ctx)
	check("stop", "ran unban 192.0.2.1")
}
