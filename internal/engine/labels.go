package engine

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/firewall"
)

// The labels by which a container joins a jail, where gaol.conf says labels = on. Labels come
// with images, so they choose among the jails that run and the container's own ports, and say
// nothing else: no regex, no action, no exception and no path.
const (
	labelJail = "gaol.jail"
	labelPort = "gaol.port"
	// memberMark stands between the jail's name and the container's in the name of a member.
	memberMark = "@"
)

// labels is what the engine remembers of the containers that join jails.
type labels struct {
	waiting bool // nobody knows yet who joins: the container engine has not answered since the start

	mu      sync.Mutex
	members map[string]config.Jail // the jails made of labels, as they were last planned
	wrong   []string               // labels that cannot be followed
}

// members are the jails that containers join by label: for each container a copy of the jail that
// its label names, with the container's log and ports and the native ban alone. wrong are the
// labels that cannot be followed, one line each.
func members(conf *config.Config, now container.Snapshot) (jails []config.Jail, wrong []string) {
	if !conf.Global.Own.Labels {
		return nil, nil
	}
	for _, c := range now.Containers {
		if _, asks := c.Labels[labelJail]; !asks {
			continue
		}
		j, err := join(conf, now, c)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("container %s does not join a jail: %v", clip(c.Name, 100), err))
			continue
		}
		jails = append(jails, j)
	}
	return jails, wrong
}

// join is the jail that one container makes by its labels.
func join(conf *config.Config, now container.Snapshot, c container.Container) (config.Jail, error) {
	name, port := c.Labels[labelJail], strings.TrimSpace(c.Labels[labelPort])
	base, err := labelled(conf, name)
	if err != nil {
		return base, err
	}
	ref, err := container.ParseRef(c.Name)
	if found := now.Find(ref); err != nil || len(found) != 1 || found[0].ID != c.ID {
		return base, errors.New("its name is another container's id")
	}
	member := name + memberMark + c.Name
	if slices.ContainsFunc(conf.Jails, func(j config.Jail) bool { return j.Name == member }) {
		return base, fmt.Errorf("the configuration has a jail %s", member)
	}
	if c.Host || strings.HasPrefix(c.NetworkMode, "container:") {
		return base, fmt.Errorf("its network is not its own, and a label must not close another's ports; write a jail with `container = %s`", c.Name)
	}
	if port == "" {
		port = "all"
	}
	if _, err := firewall.ParsePorts(port); err != nil {
		return base, fmt.Errorf("label %s: %s", labelPort, clip(err.Error(), 200))
	}
	return narrowed(base, c.Name, member, port), nil
}

// labelled is the jail that a label names.
func labelled(conf *config.Config, name string) (config.Jail, error) {
	i := slices.IndexFunc(conf.Jails, func(j config.Jail) bool { return j.Name == name })
	switch {
	case i < 0:
		var names []string
		for _, j := range conf.Jails {
			names = append(names, j.Name)
		}
		return config.Jail{}, fmt.Errorf("label %s: there is no enabled jail %q; there is %s", labelJail, clip(name, 100), orNothing(names))
	case conf.Jails[i].Broken:
		return config.Jail{}, fmt.Errorf("label %s: jail %s is broken", labelJail, name)
	}
	return conf.Jails[i], nil
}

// narrowed is a jail that reads one container's own log and closes that container's ports. Its
// actions of action.d are left out, whatever they are: what they close is not the container's
// alone, and who writes the container's log must not make them run.
func narrowed(j config.Jail, name, member, port string) config.Jail {
	at := config.Pos{File: fmt.Sprintf("label %s of container %s", labelJail, name)}
	block := "drop"
	for _, a := range j.Actions {
		if a.Native {
			block = a.BlockType
		}
	}
	j.Name, j.Pos, j.Container = member, at, name
	j.LogPath, j.LogFormat, j.LogEncoding, j.Switched, j.Escalate = nil, "", "auto", false, false
	if strings.HasPrefix(j.Backend, "systemd") {
		j.Backend = "auto"
	}
	j.Port, j.Protocol, j.BlockType = port, "all", block
	j.Actions = []config.Action{{Name: "gaol", File: "gaol", Pos: at, Native: true, Port: port, Protocol: "all", BlockType: block}}
	base, own := j.Options, map[string]config.Value{}
	for key, v := range base {
		if !slices.Contains([]string{"logpath", "logformat", "logencoding", "backend", "action", "banaction", "escalate"}, key) {
			own[key] = v
		}
	}
	own[labelJail], own["container"] = labelValue(name, labelJail, member), labelValue(name, labelJail, name)
	own["port"] = labelValue(name, labelPort, port)
	j.Options = own
	return j
}

// labelValue is an option as if its label were the file it stands in.
func labelValue(name, label, text string) config.Value {
	return config.Value{Lines: []config.Line{{Text: text, Pos: config.Pos{File: fmt.Sprintf("label %s of container %s", label, name)}}}}
}

// member says whether the jail is one container's by its label.
func (p *plan) member() bool { _, ok := p.conf.Options[labelJail]; return ok }

// reach is what the log says of how far a ban reaches. recidive and the like, which ban from the whole
// machine, read that log; they must not take a ban that a container's log can bring about.
func (p *plan) reach() string {
	if p.member() {
		return " on container " + p.conf.Container
	}
	return ""
}

// joined are the members now; labels that cannot be followed are told once.
func (e *engine) joined(conf *config.Config) []config.Jail {
	jails, wrong := members(conf, e.containers.now())
	l := &e.containers.labels
	l.mu.Lock()
	before := l.wrong
	l.wrong = wrong
	l.members = map[string]config.Jail{}
	for _, j := range jails {
		l.members[j.Name] = j
	}
	l.mu.Unlock()
	for _, text := range wrong {
		if !slices.Contains(before, text) {
			e.log.Warn(text, "logger", "container")
		}
	}
	return jails
}

// rejoin starts and ends members as containers come and go. One whose container is removed ends,
// and with it what the kernel holds; its bans are kept in the state until their end, for a
// container that comes back under the name.
func (e *engine) rejoin() {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	l := &e.containers.labels
	l.mu.Lock()
	before := maps.Clone(l.members)
	l.mu.Unlock()
	e.mu.Lock()
	conf := e.conf
	e.mu.Unlock()
	jails := e.joined(conf)
	e.leave(before)
	var changed []config.Jail
	for _, j := range jails {
		if last, ran := before[j.Name]; !ran || !reflect.DeepEqual(last, j) {
			changed = append(changed, j)
		}
	}
	plans, _ := e.planAll(changed)
	for _, p := range plans {
		if e.ctx.Err() != nil {
			return
		}
		if err := e.replace(p, false); err != nil {
			e.breakJail(p.conf, err)
		}
	}
	e.forgetMembers()
}

// leave ends the members of before that are none any more.
func (e *engine) leave(before map[string]config.Jail) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if e.isMember(name) {
			continue
		}
		e.mu.Lock()
		w := e.workers[name]
		delete(e.broken, name)
		e.mu.Unlock()
		if w == nil {
			continue
		}
		if err := e.remove(w); err != nil {
			e.log.Error(fmt.Sprintf("[%s] end the jail of a container that is gone", name), "error", err)
			e.repairs.kick("a container's jail could not be ended")
		}
	}
}

func (e *engine) isMember(name string) bool {
	l := &e.containers.labels
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.members[name]
	return ok
}

// forgetMembers ends, once the container engine has answered for the first time, what the kernel
// holds for containers that went while gaol was down.
func (e *engine) forgetMembers() {
	l := &e.containers.labels
	if !l.waiting || e.containers.now().Engine == "" {
		return
	}
	places, err := e.places()
	if err == nil {
		l.waiting = false
		e.mu.Lock()
		err = e.forgetJails(places)
		e.mu.Unlock()
	}
	if err != nil {
		e.log.Error("delete the bans of containers that are gone", "error", err)
	}
}

// mayJoin says whether what the kernel holds under that name may be a member's: the container
// engine has not answered yet, so that nobody knows.
func (e *engine) mayJoin(name string) bool {
	return e.containers.labels.waiting && slices.ContainsFunc(e.conf.Jails, func(j config.Jail) bool {
		return strings.HasPrefix(name, j.Name+memberMark)
	})
}

// misfits are the labels that cannot be followed, for a status.
func (l *labels) misfits() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.wrong)
}
