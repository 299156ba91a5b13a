package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/host"
)

// methodOf is the action of which `set JAIL action NAME WORD` calls a method; nil where WORD is
// a property, or there is no such action.
func (e *engine) methodOf(c control.Set) (w *worker, a *config.Action) {
	if w = e.find(c.Jail); w == nil {
		return nil, nil
	}
	w.call(func() {
		if found, err := actionOf(&w.conf, c.Args[0]); err == nil && slices.Contains(methodsOf(found), c.Args[1]) {
			one := *found
			a = &one
		}
	})
	return w, a
}

// callMethod is `set JAIL action NAME METHOD [JSON]`: one command of an action by hand. The jail
// neither counts nor remembers what it does, as in fail2ban; the action does, and takes a ban
// away when it ends. The native action has no commands: there the jail itself bans and unbans.
func (e *engine) callMethod(ctx context.Context, w *worker, a *config.Action, args []string) (any, error) {
	method := args[1]
	if slices.Contains([]string{"escapeTag", "executeCmd", "replaceDynamicTags", "replaceTag"}, method) {
		return nil, &control.Error{Fault: control.Refused, Msg: "gaol's actions have no method " + method + ", which is an inner part of fail2ban",
			Hint: "call ban, reban, unban, prolong, start, stop, flush, reload or consistencyCheck"}
	}
	params, err := methodParams(a, method, args[2:])
	if err != nil {
		return nil, err
	}
	switch method {
	case "invalidateBanEpoch", "clearAllParams": // of caches that gaol does not have
		return nil, nil
	}
	var b event.Ban
	if needsBan(method) {
		b = event.Ban{Jail: w.conf.Name, Start: e.o.Now(), Manual: true, Count: 1}
		w.call(func() { b.End = w.jail.End(b.Start) })
		if err := describe(&b, params["aInfo"]); err != nil {
			return nil, err
		}
		if why, never := e.deps.floor.now.Load().Protects(b.ID, b.Kind); never && method != "unban" {
			return nil, &control.Error{Fault: control.Refused, Msg: fmt.Sprintf("%s is never banned: %s", b.ID, why)}
		}
	}
	if a.Native {
		return e.nativeMethod(ctx, w, method, b)
	}
	return w.queuedMethod(ctx, a.Name, method, b)
}

func needsBan(method string) bool {
	return slices.Contains([]string{"ban", "reban", "unban", "prolong"}, method)
}

// nativeMethod is a method of banaction = gaol.
func (e *engine) nativeMethod(ctx context.Context, w *worker, method string, b event.Ban) (any, error) {
	jail := w.conf.Name
	var err error
	switch method {
	case "ban", "reban":
		_, err = e.ban(control.Ban{Jail: jail, ID: b.ID})
		return nil, err
	case "prolong":
		return nil, nil
	case "unban":
		_, err = e.unban(ctx, control.Unban{Jail: jail, ID: b.ID})
		return nil, err
	case "flush":
		_, err = e.unban(ctx, control.Unban{Jail: jail, All: true})
	case "stop":
		return nil, &control.Error{Fault: control.Refused, Msg: "banaction = gaol is not stopped by itself",
			Hint: "stop the jail (fail2ban-client stop " + jail + "), or flush the action"}
	default: // start, reload, consistencyCheck: the rules are held against the jail
		w.call(func() { w.mend(false) })
	}
	return err == nil, err
}

// queuedMethod runs a method of an action.d action behind what already waits for it.
func (w *worker) queuedMethod(ctx context.Context, name, method string, b event.Ban) (any, error) {
	var a *actor
	var queue *action.Queue
	w.call(func() {
		if i := slices.IndexFunc(w.queue.all, func(one *actor) bool { return one.Name() == name }); i >= 0 {
			a, queue = w.queue.all[i], w.queue.queues.For(w.queue.all[i].File())
		}
	})
	if a == nil { // --dry-run runs no actions
		return nil, &control.Error{Fault: control.Refused, Msg: "action " + name + " does not run"}
	}
	repaired := false
	err := queue.Do(ctx, func(ctx context.Context) (err error) {
		if method == "consistencyCheck" {
			repaired, err = a.Check(ctx)
			repaired = repaired || err != nil // what is wrong is in the log
			return nil
		}
		return a.Call(ctx, method, b)
	})
	if err == nil {
		if needsBan(method) {
			return nil, nil
		}
		return !repaired, nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	w.log.Error(fmt.Sprintf("[%s] action %s failed: %s", w.conf.Name, name, method), "logger", "actions", "error", err)
	if a.File() == action.SMTPFile {
		return nil, err // there it is the mail server's word
	}
	return nil, methodError(w.conf.Name, name, method, b)
}

// methodError is a method that failed, in fail2ban's words.
func methodError(jail, name, method string, b event.Ban) error {
	doing := map[string]string{"ban": "banning", "reban": "banning", "unban": "unbanning", "prolong": "prolonging",
		"start": "starting", "stop": "stopping", "flush": "flushing", "reload": "reloading"}[method]
	if needsBan(method) {
		return invalid("RuntimeError", "Error "+doing+" "+b.ID)
	}
	return invalid("RuntimeError", fmt.Sprintf("Error %s action Jail(%s)/%s: 'Script error'", doing, pyRepr(jail), name))
}

// methodParams are the JSON object behind a method's name, held against what the method takes.
func methodParams(a *config.Action, method string, words []string) (map[string]any, error) {
	class := "CommandAction"
	if a.Python {
		class = "SMTPAction"
		if method == "unban" || method == "reban" {
			class = "ActionBase"
		}
	}
	params := map[string]any{}
	if len(words) > 0 {
		v, err := pythonJSON(words[0])
		if err != nil {
			return nil, err
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, invalid("TypeError", fmt.Sprintf("fail2ban.server.action.%s.%s() argument after ** must be a mapping, not %s", class, method, pyType(v)))
		}
		params = object
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		taken := key == "aInfo" && needsBan(method) || method == "reload" || method == "consistencyCheck" && key == "beforeRepair"
		if !taken {
			return nil, invalid("TypeError", fmt.Sprintf("%s.%s() got an unexpected keyword argument %s", class, method, pyRepr(key)))
		}
	}
	if _, there := params["aInfo"]; needsBan(method) && !there {
		return nil, invalid("TypeError", fmt.Sprintf("%s.%s() missing 1 required positional argument: 'aInfo'", class, method))
	}
	return params, nil
}

// describe makes a ban what aInfo says: its ip, and what the commands' tags want besides.
func describe(b *event.Ban, v any) error {
	info, ok := v.(map[string]any)
	if !ok {
		return invalid("AttributeError", fmt.Sprintf("'%s' object has no attribute 'get'", pyType(v)))
	}
	text, _ := info["ip"].(string)
	if text == "" {
		return &control.Error{Fault: control.Invalid, Msg: "aInfo names no ip", Hint: `write {"aInfo":{"ip":"192.0.2.1"}}`}
	}
	b.ID, b.Kind = host.ParseID(text)
	if b.Kind == event.Address {
		b.IP = b.ID
	}
	if n, ok := info["failures"].(float64); ok {
		b.Count = int(n)
	}
	if s, ok := info["bantime"].(float64); ok {
		b.End = endAfter(b.Start, time.Duration(s*float64(time.Second)))
	}
	if lines, ok := info["matches"].(string); ok && lines != "" {
		b.Matches = strings.Split(lines, "\n")
	}
	for key, value := range info {
		if field, ok := strings.CutPrefix(key, "F-"); ok {
			b.Fields.Set(strings.ToLower(field), fmt.Sprint(value))
		}
	}
	return nil
}

// pythonJSON reads JSON; what is wrong is said as Python says it where that is simple.
func pythonJSON(text string) (any, error) {
	var v any
	err := json.Unmarshal([]byte(text), &v)
	if err == nil {
		return v, nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset <= 1 {
		return nil, invalid("ValueError", "Expecting value: line 1 column 1 (char 0)")
	}
	return nil, invalid("ValueError", "not JSON: "+err.Error())
}

// pyType is Python's name for the type of a value that was read from JSON.
func pyType(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case string:
		return "str"
	case bool:
		return "bool"
	case []any:
		return "list"
	case float64:
		if v == float64(int64(v)) {
			return "int"
		}
		return "float"
	}
	return "dict"
}
