package engine

import (
	"slices"
	"strconv"
	"strings"

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
		return append([]string{}, actionMethods[:]...), nil
	case "actionproperties":
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
	v, set := a.Props[name]
	switch {
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
	if len(args) > 1 && args[1] != "" {
		return &control.Error{Fault: control.Refused, Msg: "gaol runs no Python actions; give the action commands instead"}
	}
	if _, err := actionOf(j, args[0]); err == nil {
		return invalid("ValueError", "Action "+args[0]+" already exists")
	}
	j.Actions = append(j.Actions, config.Action{Name: args[0], File: args[0], Props: map[string]config.Value{}})
	return nil
}

func setProperty(j *config.Jail, args []string) error {
	a, err := actionOf(j, args[0])
	if err != nil {
		return err
	}
	if slices.Contains(actionMethods[:], args[1]) {
		return &control.Error{Fault: control.Refused, Msg: "gaol calls no methods of actions by hand",
			Hint: "use banip and unbanip"}
	}
	if len(args) < 3 {
		return missingWord()
	}
	value := args[2]
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
	props[args[1]] = valueOf(value)
	a.Props = props
	return nil
}
