package engine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/control"
)

// What every action of fail2ban shows besides its own properties.
var (
	actionProperties = [...]string{"ESCAPE_CRE", "ESCAPE_VN_CRE", "actionban", "actioncheck", "actionflush", "actionreban",
		"actionreload", "actionrepair", "actionstart", "actionstop", "actionunban", "banEpoch", "timeout"}
	actionMethods = [...]string{"ban", "clearAllParams", "consistencyCheck", "escapeTag", "executeCmd", "flush", "invalidateBanEpoch",
		"prolong", "reban", "reload", "replaceDynamicTags", "replaceTag", "start", "stop", "unban"}
)

// The same of the twin of smtp.py.
var (
	mailProperties = [...]string{"fromaddr", "fromname", "host", "matches", "message_values", "norestored", "password", "toaddr", "user"}
	mailMethods    = [...]string{"ban", "reban", "start", "stop", "unban"}
)

func methodsOf(a *config.Action) []string {
	if a.Python {
		return mailMethods[:]
	}
	return actionMethods[:]
}

// mailParam is the parameter of smtp.py that a property was made of, and what it is by default;
// known = false: smtp.py makes none of that name.
func mailParam(name string) (param string, otherwise any, known bool) {
	switch name {
	case "toaddr":
		return "dest", "root", true
	case "fromaddr":
		return "sender", "fail2ban", true
	case "fromname":
		return "sendername", "Fail2Ban", true
	case "host":
		return name, "localhost", true
	case "norestored":
		return name, 1, true
	case "user", "password", "matches":
		return name, nil, true
	}
	return name, nil, false
}

// actionSetting is what `get JAIL actions`, actionproperties, actionmethods and action ask for.
func (w *worker) actionSetting(key string, args []string) (any, error) {
	if key == "actions" {
		return append([]string{}, w.actionNames()...), nil
	}
	if len(args) == 0 || key == "action" && len(args) < 2 {
		return nil, missingWord()
	}
	a, err := actionOf(&w.conf, args[0])
	if err != nil {
		return nil, err
	}
	switch key {
	case "actionmethods":
		return slices.Clone(methodsOf(a)), nil
	case "actionproperties":
		if a.Python {
			return slices.Clone(mailProperties[:]), nil
		}
		all := append([]string{}, actionProperties[:]...)
		for k := range a.Props {
			all = append(all, k)
		}
		if a.Name != "" && len(a.Props) > 0 {
			all = append(all, "actname")
		}
		slices.Sort(all)
		return slices.Compact(all), nil
	}
	return property(a, args[1])
}

func property(a *config.Action, name string) (any, error) {
	if a.Python {
		return mailProperty(a, name)
	}
	v, set := a.Props[name]
	switch {
	case name == "banEpoch":
		return 0, nil
	case name == "timeout":
		s := 60.0
		if set {
			if parsed, err := config.Seconds(v.Text()); err == nil {
				s = parsed
			}
		}
		return int64(s), nil
	case set:
		return v.Text(), nil
	case name == "actname":
		return a.Name, nil
	case strings.HasPrefix(name, "action") && slices.Contains(actionProperties[:], name):
		return "", nil
	}
	return nil, invalid("AttributeError", "'CommandAction' object has no attribute "+pyRepr(name))
}

func mailProperty(a *config.Action, name string) (any, error) {
	param, otherwise, known := mailParam(name)
	if v, set := a.Props[param]; set {
		return v.Text(), nil
	}
	if !known {
		return nil, invalid("AttributeError", "'SMTPAction' object has no attribute "+pyRepr(name))
	}
	return otherwise, nil
}

func actionOf(j *config.Jail, name string) (*config.Action, error) {
	i := slices.IndexFunc(j.Actions, func(a config.Action) bool { return a.Name == name })
	if i < 0 {
		return nil, invalid("KeyError", "Invalid Action name: "+name)
	}
	return &j.Actions[i], nil
}

// actionChange is `set JAIL addaction`, delaction and action.
func actionChange(key string) *change {
	switch key {
	case "addaction":
		return &change{words: 1, anew: true, answer: "added", apply: addAction}
	case "delaction":
		return &change{words: 1, anew: true, apply: func(j *config.Jail, a []string) error {
			if _, err := actionOf(j, a[0]); err != nil {
				return err
			}
			j.Actions = slices.DeleteFunc(j.Actions, func(one config.Action) bool { return one.Name == a[0] })
			return nil
		}}
	}
	return &change{words: 2, anew: true, answer: "action", apply: setProperty}
}

func addAction(j *config.Jail, args []string) error {
	a := config.Action{Name: args[0], File: args[0], Props: map[string]config.Value{}, Pos: config.Pos{File: "fail2ban-client"}}
	if _, err := actionOf(j, args[0]); err == nil {
		return invalid("ValueError", "Action "+args[0]+" already exists")
	}
	if len(args) > 1 && args[1] != "" {
		if err := pythonAction(&a, args[1], args[2:]); err != nil {
			return err
		}
	}
	j.Actions = append(j.Actions, a)
	return nil
}

// pythonAction makes an action of a Python file and its parameters: of smtp.py its twin.
func pythonAction(a *config.Action, path string, params []string) error {
	if filepath.Base(path) != action.SMTPFile {
		if !exists(path) {
			return invalid("FileNotFoundError", path)
		}
		return &control.Error{Fault: control.Refused, Msg: "action " + a.Name + ": " + path + " is a Python program, which gaol does not run",
			Hint: "use an action.d/*.conf action that does the same, or give this one commands: set JAIL addaction " + a.Name +
				", then set JAIL action " + a.Name + " actionban COMMAND"}
	}
	if len(params) == 0 {
		return missingWord()
	}
	v, err := pythonJSON(params[0])
	if err != nil {
		return err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return invalid("TypeError", "smtp.Action() argument after ** must be a mapping, not "+pyType(v))
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(config.SMTPParams(), key) {
			return invalid("TypeError", "SMTPAction.__init__() got an unexpected keyword argument "+pyRepr(key))
		}
		if object[key] != nil {
			a.Props[key] = valueOf(fmt.Sprint(object[key]))
		}
	}
	a.File, a.Python = action.SMTPFile, true
	return nil
}

func setProperty(j *config.Jail, args []string) error {
	a, err := actionOf(j, args[0])
	if err != nil {
		return err
	}
	if len(args) < 3 {
		return missingWord()
	}
	name, value := args[1], args[2]
	if a.Python {
		name, _, _ = mailParam(name)
	}
	if args[1] == "timeout" {
		d, err := span(value)
		if err != nil {
			return err
		}
		value = strconv.FormatInt(seconds(d), 10)
	}
	props := make(map[string]config.Value, len(a.Props)+1)
	for k, v := range a.Props {
		props[k] = v
	}
	props[name] = valueOf(value)
	a.Props = props
	return nil
}
