package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/event"
	"gaol/internal/firewall"
)

// containers is what the engine knows of containers, and what it made of it for each jail.
type containers struct {
	watch  *container.Watcher // nil: none is watched
	docks  docks              // who reads their logs
	labels labels             // who joins a jail by label

	mu    sync.Mutex
	scope map[string]scope // by jail, those with `container`
	kept  map[string]bool  // jails that the kernel had when the engine did not answer yet
	told  string           // the last word on the container engine
}

// scope is what a jail's container and port meant when it was last looked.
type scope struct {
	target firewall.Target
	notes  []string
	err    error // its port is nobody's
}

// watchContainers begins to follow the container engine, if there is one; one that comes later
// is found within seconds. What it told last is known before the jails start.
func (e *engine) watchContainers(undo *cleanups) error {
	var o container.Options
	if s := e.conf.Global.Own.ContainerSocket; s != "" {
		o.Sockets = strings.Fields(s)
	}
	w, err := container.Watch(e.ctx, o)
	if err != nil {
		return fmt.Errorf("container_socket in gaol.conf: %w", err)
	}
	e.containers.watch, e.containers.docks.watch = w, w
	e.deps.floor.containers = w
	if err := e.deps.floor.refresh(); err != nil {
		return err
	}
	undo.add("end the watch over containers", w.Close)
	return nil
}

// followContainers carries each change into rules and floor, beside the jails.
func (e *engine) followContainers(undo *cleanups) error {
	ctx, cancel := context.WithCancel(e.ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-e.containers.watch.Changes():
				e.containersChanged()
			}
		}
	})
	e.tellEngine()
	undo.add("end following containers", func() error { cancel(); all.Wait(); return nil })
	return nil
}

// containersChanged makes the rules of the jails true whose containers moved; the bans stay as
// they are. The floor comes first: a container's new address must not be banned meanwhile.
func (e *engine) containersChanged() {
	e.tellEngine()
	e.containers.docks.changed()
	if err := e.deps.floor.refresh(); err != nil {
		e.log.Warn("read own addresses", "error", err)
	}
	e.rescope()
	e.rejoin()
	e.refreshFloor() // last: it waits for jails that are busy, to lift what they must not ban any more
}

// keep notes which jails the kernel has: while the container engine has not answered since the
// start, nobody knows where their containers are, and what is closed stays closed.
func (c *containers) keep(kernel map[string][]firewall.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = map[string]bool{}
	for name := range kernel {
		c.kept[name] = true
	}
}

// holds says whether the rules of a jail are left as they are, until the engine has answered.
func (c *containers) holds(p *plan) bool {
	return c.isKept(p.conf.Name) && p.container != (container.Ref{}) && c.now().Engine == ""
}

func (c *containers) isKept(jail string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept[jail]
}

// release ends keeping: the kernel has lost what was kept.
func (c *containers) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = nil
}

// rescope looks what each jail's container is now, and ensures those that it changed for.
func (e *engine) rescope() {
	e.ruling.Lock()
	defer e.ruling.Unlock()
	before := e.containers.scopes()
	var changed []firewall.Target
	for _, t := range e.targets() { // a jail's place for bans of all ports stands behind its own
		beside := len(changed) > 0 && changed[len(changed)-1].Jail+raisedSuffix == t.Jail
		if beside || e.containers.isKept(t.Jail) || t.Scoped && !reflect.DeepEqual(before[t.Jail].target, t) {
			changed = append(changed, t)
		}
	}
	if e.containers.now().Engine != "" {
		e.containers.release() // they are among the changed
	}
	if len(changed) == 0 {
		return
	}
	if err := e.fw.Ensure(changed); err != nil {
		e.log.Error("change the endpoints of containers", "error", err)
		e.repairs.kick("endpoints of containers could not be changed")
	}
}

// scoped narrows a native jail with `container` to where its containers are reached. What is
// told of it is told once until it changes.
func (e *engine) scoped(p *plan) firewall.Target {
	if p.container == (container.Ref{}) {
		return *p.target
	}
	s := scopeOf(p, e.containers.now())
	e.tellScope(p, s, e.containers.remember(p.conf.Name, s))
	return s.target
}

// scopeOf resolves a jail's container.
func scopeOf(p *plan, now container.Snapshot) scope {
	s := scope{target: *p.target}
	var wanted container.Wanted
	for _, r := range p.target.Ports {
		wanted.Ports = append(wanted.Ports, container.Range(r))
	}
	wanted.Protocols = p.target.Protocols
	found, err := container.Resolve(now, p.container, wanted)
	s.notes, s.err = found.Notes, err
	s.target.Scoped, s.target.Ports, s.target.Protocols = true, nil, nil
	for _, at := range found.Endpoints {
		s.target.Endpoints = append(s.target.Endpoints, firewall.Endpoint{Addr: at.Addr, Proto: at.Proto, Port: firewall.PortRange{First: at.FirstPort, Last: at.LastPort}})
	}
	for _, in := range found.Inside {
		room := firewall.Inside{NetNS: in.NetNS, Protocols: in.Protocols}
		for _, r := range in.Ports {
			room.Ports = append(room.Ports, firewall.PortRange(r))
		}
		s.target.Inside = append(s.target.Inside, room)
	}
	return s
}

func (e *engine) tellScope(p *plan, s, before scope) {
	if s.err != nil && fmt.Sprint(s.err) != fmt.Sprint(before.err) {
		e.log.Error(fmt.Sprintf("[%s] %s: %v", p.conf.Name, p.conf.Where("port"), s.err), "logger", "jail",
			"hint", "write the port that clients dial, or the container's own; bans are kept, but close nothing")
	}
	for _, n := range s.notes {
		if !slices.Contains(before.notes, n) {
			e.log.Warn(fmt.Sprintf("[%s] %s", p.conf.Name, n), "logger", "jail")
		}
	}
	if closes := s.closes(); !slices.Equal(closes, before.closes()) {
		e.log.Info(fmt.Sprintf("[%s] container %s: bans close %s", p.conf.Name, p.container, orNothing(closes)), "logger", "jail")
	}
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// closes is what is closed, for people: "tcp 2222", "tcp 203.0.113.1 2222", "tcp 22 inside".
func (s scope) closes() []string {
	var list []string
	for _, at := range s.target.Endpoints {
		text := at.Proto + " "
		if at.Addr.IsValid() {
			text += at.Addr.String() + " "
		}
		list = append(list, text+at.Port.String())
	}
	for _, in := range s.target.Inside {
		var ports []string
		for _, r := range in.Ports {
			ports = append(ports, r.String())
		}
		if ports == nil {
			ports = []string{"all ports"}
		}
		list = append(list, fmt.Sprintf("%s inside %s", strings.Join(ports, ","), in.NetNS))
	}
	return list
}

// tellEngine says when the container engine answers, and when it does no more; that there is
// none matters only where a jail asks for one.
func (e *engine) tellEngine() {
	now := e.containers.now()
	level, text := slog.LevelInfo, fmt.Sprintf("follows %s %s at %s: %d containers, %d networks", now.Engine, now.Version, now.Socket, len(now.Containers), len(now.Networks))
	word := now.Engine + now.Version + now.Socket
	switch {
	case now.Err != nil && now.Engine == "":
		text = now.Err.Error()
		if level, word = slog.LevelDebug, text; e.asksForContainers() {
			level = slog.LevelWarn
		}
	case now.Err != nil:
		level, text, word = slog.LevelWarn, "what is known of containers may be old: "+now.Err.Error(), now.Err.Error()
	}
	e.containers.mu.Lock()
	again := e.containers.told == word
	e.containers.told = word
	e.containers.mu.Unlock()
	if !again {
		e.log.Log(context.Background(), level, text, "logger", "container")
	}
}

func (e *engine) asksForContainers() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conf.Global.Own.Labels || slices.ContainsFunc(e.conf.Jails, func(j config.Jail) bool { return j.Container != "" })
}

func (c *containers) now() container.Snapshot {
	if c.watch == nil {
		return container.Snapshot{Err: errors.New("containers are not watched")}
	}
	return c.watch.Now()
}

// remember keeps what a jail's container meant, and returns what it meant before.
func (c *containers) remember(jail string, s scope) (before scope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scope == nil {
		c.scope = map[string]scope{}
	}
	before = c.scope[jail]
	c.scope[jail] = s
	return before
}

func (c *containers) scopes() map[string]scope {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]scope, len(c.scope))
	for name, s := range c.scope {
		all[name] = s
	}
	return all
}

// tell adds to a jail's status where its container is reached.
func (c *containers) tell(j *event.JailStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.scope[j.Name]
	if !ok || j.Container == "" {
		return
	}
	j.Closes, j.ContainerNotes = s.closes(), s.notes
	if s.err != nil && j.Problem == "" {
		j.Problem = s.err.Error()
	}
}

// word is what a status says of the container engine.
func (c *containers) word() string {
	switch now := c.now(); {
	case now.Engine == "":
		return ""
	case now.Err != nil:
		return fmt.Sprintf("%s %s at %s, as last seen: %v", now.Engine, now.Version, now.Socket, now.Err)
	default:
		return fmt.Sprintf("%s %s at %s", now.Engine, now.Version, now.Socket)
	}
}
