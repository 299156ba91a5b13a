package action

import (
	"strings"
	"testing"

	"gaol/internal/event"

	"github.com/google/go-cmp/cmp"
)

// TestMethodsByHand: what an admin calls runs, also where the action thinks that nothing is left
// to do, and an action still takes away at its end what it banned by hand.
func TestMethodsByHand(t *testing.T) {
	props := map[string]string{"actionstart": "start", "actionstop": "stop", "actionban": "ban <ip>", "actionunban": "unban <ip>", "actionreload": "reload"}
	a := newAction(t, props, Options{})
	r := &recorder{}
	a.run = r.run
	call := func(method, id string) {
		t.Helper()
		if err := a.Call(t.Context(), method, ban(id)); err != nil {
			t.Errorf("%s %s: %v", method, id, err)
		}
	}
	call("unban", "192.0.2.9") // never started: nothing can be left
	call("start", "")
	call("start", "")
	for _, id := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		call("ban", id)
	}
	call("unban", "192.0.2.1")
	call("unban", "192.0.2.1")
	call("flush", "") // there is no actionflush
	call("reload", "")
	if err := a.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	call("stop", "")
	r.failing = []string{"ban"}
	if err := a.Call(t.Context(), "reban", ban("192.0.2.3")); err == nil {
		t.Error("a ban that failed is no error")
	}
	want := "start|start|ban 192.0.2.1|ban 192.0.2.1|ban 192.0.2.2|unban 192.0.2.1|unban 192.0.2.1|reload|unban 192.0.2.2|stop|start|ban 192.0.2.3|ban 192.0.2.3"
	if diff := cmp.Diff(want, scripts(r.ran)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMethodsOfFamilies(t *testing.T) {
	props := map[string]string{"actionstart": "start <f>", "actionstop": "stop <f>", "actionban": "ban <ip>", "actionunban": "unban <ip>",
		"actionflush": "flush <f>", "f": "4", "f?family=inet6": "6"}
	a := newAction(t, props, Options{})
	r := &recorder{}
	a.run = r.run
	for _, method := range []string{"start", "flush", "ban", "flush", "stop"} {
		if err := a.Call(t.Context(), method, ban("2001:db8::1")); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	if got, want := scripts(r.ran), "start 4|start 6|ban 2001:db8::1|flush 6|stop 4|stop 6"; got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
}

func scripts(ran []event.Command) string {
	var all []string
	for _, c := range ran {
		all = append(all, c.Script)
	}
	return strings.Join(all, "|")
}
