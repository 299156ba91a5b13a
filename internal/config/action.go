package config

import (
	"slices"
	"strings"
)

// Action is one action of a jail: an action.d file with its parameters, or gaol's own ban.
type Action struct {
	Name   string // actname, unique in the jail (§1.6)
	File   string // name in action.d without .conf
	Pos    Pos    // where the jail names it
	Native bool   // banaction = gaol: ports are closed in gaol's own nft table
	Python bool   // NAME.py: its Props are its parameters; nil for any but smtp.py, which has a native twin

	// Port, Protocol and BlockType are what the native action closes, as text: Port all means
	// all ports, BlockType is drop or reject.
	Port, Protocol, BlockType string

	// Props is every property run-time tags see (§1.7): the commands, the parameters, name,
	// actname and [Init], with keys such as "blocktype?family=inet6". Order is fail2ban's.
	Props  map[string]Value
	Order  []string
	Params map[string]string // as the jail wrote them

	path    string          // of smtp.py, as -d prints it
	written map[string]bool // tags that stand literally in the action's files
}

func (a *Action) set(key string, v Value) {
	if _, old := a.Props[key]; !old {
		a.Order = append(a.Order, key)
	}
	a.Props[key] = v
}

// actionOptions are the options of an action file that are sent to the server, in its order.
func actionOptions() []string {
	return []string{"actionstart", "actionstart_on_demand", "actionstop", "actionflush", "actionreload", "actioncheck",
		"actionrepair", "actionrepair_on_unban", "actionban", "actionprolong", "actionreban", "actionunban", "norestored"}
}

// runtimeTags are never replaced when an action is read, whatever [Init] says (§1.5).
func runtimeTags() []string {
	return []string{"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"}
}

// native is the name of gaol's own ban action.
const native = "gaol"

// jailWords are the jail's options that an action's files can refer to (§1.5); port, protocol
// and the like are not among them, a jail passes those as parameters.
func jailWords() []string {
	return []string{"enabled", "backend", "maxretry", "maxmatches", "findtime", "bantime", "bantime.increment", "bantime.factor",
		"bantime.formula", "bantime.multipliers", "bantime.maxtime", "bantime.rndtime", "bantime.overalljails", "usedns",
		"ignorecommand", "ignoreself", "ignoreip", "ignorecache", "logtimezone", "logencoding", "logpath", "action", "filter",
		"datepattern", "prefregex", "failregex", "ignoreregex", "journalmatch", "maxlines"}
}

// words is what the jail lends its actions, booleans as Python prints them.
func (j *Jail) words() map[string]Value {
	out := map[string]Value{}
	for _, key := range jailWords() {
		v, ok := j.Options[key]
		if !ok {
			continue
		}
		switch key {
		case "enabled", "ignoreself", "bantime.increment", "bantime.overalljails":
			if truth(v.Text()) {
				v = text("True", v.Pos())
			} else {
				v = text("False", v.Pos())
			}
		}
		out[key] = v
	}
	return out
}

// action reads one action of a jail.
func (l *loader) action(j *Jail, s *spec) (Action, error) {
	a := Action{File: s.name, Pos: s.pos, Props: map[string]Value{}, Params: map[string]string{},
		Native: s.name == native, Python: strings.HasSuffix(s.name, ".py")}
	params := map[string]Value{}
	for _, k := range s.keys {
		params[k] = s.params[k]
		a.Params[k] = s.params[k].Text()
	}
	keys := a.name(j.Name, s, params)
	if a.Python {
		l.python(j, s, &a)
		return a, nil
	}
	d, err := l.actionDoc(s)
	if err != nil {
		return a, err
	}
	a.written = d.tags()
	p := newParts(d, params, false)
	p.lend(j.words())
	p.skip = func(tag string) bool { return slices.Contains(runtimeTags(), tag) || p.hasVariant(tag) }
	return a, a.fill(p, keys)
}

// fill sets the properties in fail2ban's order: options of the file, options that are
// parameters, other parameters, [Init]. Only options have their tags replaced.
func (a *Action) fill(p *parts, keys []string) error {
	for _, asParam := range []bool{false, true} {
		for _, key := range actionOptions() {
			if _, given := p.params[key]; given != asParam {
				continue
			}
			v, ok, err := p.option(key)
			if err != nil {
				return err
			}
			if ok {
				a.set(key, v)
			}
		}
	}
	for _, key := range keys {
		if _, done := a.Props[key]; !done {
			a.set(key, p.params[key])
		}
	}
	return a.initial(p)
}

// name fills params with name and actname (§1.6) and returns the order of parameters.
func (a *Action) name(jail string, s *spec, params map[string]Value) []string {
	keys := slices.Clone(s.keys)
	for _, k := range []string{"name", "actname"} {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if _, ok := params["name"]; !ok {
		params["name"] = text(jail, s.pos)
	}
	if v, ok := params["actname"]; ok {
		a.Name = v.Text()
		return keys
	}
	a.Name = strings.TrimSuffix(s.name, ".py")
	if n := params["name"].Text(); n != jail && !a.Python {
		if rest, ok := strings.CutPrefix(n, jail); ok {
			a.Name += rest
		} else {
			a.Name += "-" + n
		}
	}
	params["actname"] = text(a.Name, s.pos)
	return keys
}

// initial adds [Init] to the properties, where the parameters do not override it. A parameter
// stands for both families, unless the other is given as key?family=... too (§0).
func (a *Action) initial(p *parts) error {
	sect := p.doc.sections[initial]
	if sect == nil {
		return nil
	}
	for _, key := range sect.order {
		if _, given := a.Props[key]; given || p.overridden(key) {
			continue
		}
		v, ok, err := p.init(key)
		if err != nil {
			return err
		}
		if ok {
			a.set(key, v)
		}
	}
	return nil
}

// overridden says whether key is a conditional of [Init] whose plain name is a parameter.
func (p *parts) overridden(key string) bool {
	plain, _, cond := strings.Cut(key, "?")
	_, given := p.params[plain]
	return cond && given
}

// hasVariant says whether tag has another value per family, so that only run time knows which
// one is meant.
func (p *parts) hasVariant(tag string) bool {
	for key := range p.params {
		if strings.HasPrefix(key, tag+"?") {
			return true
		}
	}
	s := p.doc.sections[initial]
	if s == nil {
		return false
	}
	return slices.ContainsFunc(s.order, func(k string) bool { return strings.HasPrefix(k, tag+"?") && !p.overridden(k) })
}

// actionDoc reads action.d/NAME; the native action has a file in the binary for directories
// that know nothing of gaol.
func (l *loader) actionDoc(s *spec) (*doc, error) {
	d, err := l.r.load("action.d/" + s.name)
	if err != nil && s.name == native {
		return l.stock.load("action.d/" + s.name)
	}
	if err != nil {
		return nil, l.unknown("action", "action.d", s)
	}
	return d, firstBad(d)
}

// closes resolves what the native action closes: its parameters, then the jail's own keys,
// then [Init] of action.d/gaol.conf.
func (a *Action) closes(j *Jail) *Problem {
	pick := func(key, fromJail string) Value {
		if v, ok := a.Params[key]; ok {
			return text(v, a.Props[key].Pos())
		}
		if fromJail != "" {
			return text(fromJail, j.Where(key))
		}
		return a.Props[key]
	}
	a.Port, a.Protocol = pick("port", j.Port).Text(), pick("protocol", j.Protocol).Text()
	if a.Params["type"] == "allports" {
		a.Port = "all"
	}
	block := pick("blocktype", j.BlockType)
	switch a.BlockType = strings.ToLower(strings.TrimSpace(block.Text())); a.BlockType {
	case "":
		a.BlockType = "drop"
	case "drop", "reject":
	default:
		return fault(block.Pos(), "write blocktype = drop or blocktype = reject", "blocktype %s of the action gaol is neither drop nor reject", quote(block.Text()))
	}
	return nil
}
