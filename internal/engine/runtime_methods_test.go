package engine

import (
	"strings"
	"testing"

	"gaol/internal/control"
)

// The native action has no commands: its methods are those of the jail, and the floor holds.
func TestMethodsOfTheNativeAction(t *testing.T) {
	r := newRunning(t)
	r.start()
	call := func(method, params string) any {
		args := []string{"gaol", method}
		if params != "" {
			args = append(args, params)
		}
		return r.set("action", args...)
	}
	banned := func() int { return len(r.do(control.Banned{}).Bans) }
	call("ban", `{"aInfo":{"ip":"203.0.113.7"}}`)
	call("reban", `{"aInfo":{"ip":"203.0.113.8"}}`)
	if banned() != 2 {
		t.Errorf("%d are banned, want 2", banned())
	}
	call("unban", `{"aInfo":{"ip":"203.0.113.7"}}`)
	for _, method := range []string{"start", "reload", "consistencyCheck"} {
		if got := call(method, ""); got != true || banned() != 1 {
			t.Errorf("%s answers %v, and %d are banned", method, got, banned())
		}
	}
	if got := call("flush", ""); got != true || banned() != 0 {
		t.Errorf("flush answers %v, and %d are banned", got, banned())
	}
	for params, says := range map[string]string{
		`{"aInfo":{"ip":"127.0.0.1"}}`: "never banned",
		`{"aInfo":{}}`:                 "names no ip",
	} {
		if e := r.refused(control.Set{Jail: "sshd", Key: "action", Args: []string{"gaol", "ban", params}}); !strings.Contains(e.Msg, says) {
			t.Errorf("%s: %s", params, e.Msg)
		}
	}
	for method, says := range map[string]string{"stop": "not stopped by itself", "executeCmd": "inner part"} {
		if e := r.refused(control.Set{Jail: "sshd", Key: "action", Args: []string{"gaol", method}}); !strings.Contains(e.Msg, says) || e.Hint == "" {
			t.Errorf("%s: %+v", method, e)
		}
	}
}

// A Python program is told with what to use instead, and the jail goes on as it was.
func TestPythonActionsByCommand(t *testing.T) {
	r := newRunning(t)
	r.write("own.py", "Action = object\n")
	r.start()
	e := r.refused(control.Set{Jail: "sshd", Key: "addaction", Args: []string{"own", r.dir + "/own.py", "{}"}})
	if e.Fault != control.Refused || !strings.Contains(e.Msg, "own.py is a Python program") || !strings.Contains(e.Hint, "actionban COMMAND") {
		t.Errorf("%+v", e)
	}
	if got := r.set("addaction", "mail", "/usr/share/smtp.py", `{"host":"127.0.0.1:1","dest":"a@b"}`); got != "mail" {
		t.Errorf("smtp.py answers %v", got)
	}
	_, err := r.e.Do(t.Context(), control.Set{Jail: "sshd", Key: "action", Args: []string{"mail", "ban", `{"aInfo":{"ip":"203.0.113.7"}}`}})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the mail server's word is lost: %v", err)
	}
	r.set("delaction", "mail")
	if got := r.do(control.Get{Jail: "sshd", Key: "actions"}).Value.([]string); len(got) != 1 {
		t.Errorf("actions %v", got)
	}
}
