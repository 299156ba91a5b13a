package container

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Range is the ports First to Last, both included.
type Range struct{ First, Last uint16 }

func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

func (r Range) has(port uint16) bool { return r.First <= port && port <= r.Last }

// Wanted is what a jail closes, as its options port and protocol say.
type Wanted struct {
	Ports     []Range  // nil: all published ports
	Protocols []string // nil: all
}

// Endpoint is one place where clients dial.
type Endpoint struct {
	Addr                netip.Addr // zero: every address of this machine
	Proto               string
	FirstPort, LastPort uint16
}

// Inside is a container whose packets the host's firewall never sees (macvlan, ipvlan): bans
// hold in its own network namespace.
type Inside struct {
	NetNS     string  // path of the namespace
	Ports     []Range // the container's own; nil: all
	Protocols []string
}

// Resolved is what a jail's container and port mean at the moment.
type Resolved struct {
	Endpoints  []Endpoint
	Inside     []Inside
	Notes      []string    // what a user may not expect: mapped ports, containers that are down
	Containers []Container // those that are meant, running or not
}

// ErrPort is wrapped in errors about a port that no container has.
var ErrPort = errors.New("no such port")

// Resolve finds the endpoints of the containers that r means. A wanted port is a published one
// (what clients dial) or else a container's own, which is mapped to where it is published. The
// error lists the ports that there are. A container that is down has the endpoints that it will be
// published at.
func Resolve(s Snapshot, r Ref, w Wanted) (Resolved, error) {
	out := Resolved{Containers: s.Find(r)}
	if len(out.Containers) == 0 {
		out.Notes = append(out.Notes, absent(s, r))
		return out, nil
	}
	used, running := make([]bool, len(w.Ports)), 0
	for _, c := range out.Containers {
		if !c.Running {
			out.await(c, w, s.Containers)
			continue
		}
		running++
		out.add(c, w, used)
	}
	out.tidy()
	if running == 0 {
		return out, nil
	}
	for i, ok := range used {
		switch {
		case ok:
		case !slices.Contains(used, true):
			return out, fmt.Errorf("%w: port %s is neither published nor a port of container %s, which has %s", ErrPort, ports(w.Ports), r, bindings(out.Containers))
		default:
			out.note("port %s is neither published nor a port of container %s, which has %s", w.Ports[i], r, bindings(out.Containers))
		}
	}
	if len(out.Endpoints) == 0 && len(out.Inside) == 0 {
		return out, fmt.Errorf("%w: container %s publishes no port of protocol %s; it has %s", ErrPort, r, strings.Join(w.Protocols, ", "), bindings(out.Containers))
	}
	return out, nil
}

func (out *Resolved) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(out.Notes, text) {
		out.Notes = append(out.Notes, text)
	}
}

// add takes in one running container, and ticks off the wanted ports that it has.
func (out *Resolved) add(c Container, w Wanted, used []bool) {
	if c.Host {
		out.addHost(c, w, used)
		return
	}
	inside := Inside{Protocols: w.Protocols}
	if len(w.Ports) == 0 {
		for _, b := range c.Ports {
			if w.proto(b.Proto) {
				out.publish(c, b)
			}
		}
	}
	for i, want := range w.Ports {
		found, mapped := w.find(c, want)
		for _, b := range found {
			used[i] = true
			out.publish(c, b)
			inside.Ports = append(inside.Ports, Range{b.Port, b.Port})
			if mapped && b.HostPort != 0 {
				out.note("port %s is container %s's own; clients dial %d, which is closed", want, c.Name, b.HostPort)
			}
		}
		if len(found) == 0 {
			inside.Ports = append(inside.Ports, want)
		}
	}
	if !onItsOwn(c) || c.PID == 0 {
		return
	}
	for i := range used {
		used[i] = true
	}
	inside.NetNS = "/proc/" + strconv.Itoa(c.PID) + "/ns/net"
	out.Inside = append(out.Inside, inside)
}

// await closes the ports that a container which is down will publish again: after its start
// it would take us a moment to learn of it, in which the banned were let in. A port that
// another container has meanwhile is that one's.
func (out *Resolved) await(c Container, w Wanted, all []Container) {
	before := len(out.Endpoints)
	if c.Host && len(w.Ports) > 0 {
		out.addHost(c, w, nil)
	}
	var found []Binding
	for _, want := range w.Ports {
		some, _ := w.find(c, want)
		found = append(found, some...)
	}
	if len(w.Ports) == 0 {
		found = c.Ports
	}
	for _, b := range found {
		if w.proto(b.Proto) && !taken(b, all) {
			out.Endpoints = append(out.Endpoints, Endpoint{Addr: b.HostIP, Proto: b.Proto, FirstPort: b.HostPort, LastPort: b.HostPort})
		}
	}
	if len(out.Endpoints) > before {
		out.note("container %s is not running; bans are kept, and wait at the ports that it will have", c.Name)
		return
	}
	out.note("container %s is not running: there is nothing to close now; bans are kept", c.Name)
}

// taken says whether a running container has the port.
func taken(b Binding, all []Container) bool {
	return slices.ContainsFunc(all, func(o Container) bool {
		return o.Running && slices.ContainsFunc(o.Ports, func(p Binding) bool {
			return p.Proto == b.Proto && p.HostPort == b.HostPort && (p.HostIP == b.HostIP || !p.HostIP.IsValid() || !b.HostIP.IsValid())
		})
	})
}

// addHost is a container without a network of its own: its ports are this machine's.
func (out *Resolved) addHost(c Container, w Wanted, used []bool) {
	protocols, ranges := w.Protocols, w.Ports
	if protocols == nil {
		protocols = []string{"tcp", "udp", "sctp"}
	}
	if ranges == nil {
		ranges = []Range{{1, 65535}}
		out.note("container %s shares the host's network and the jail names no port: bans close all ports of this host", c.Name)
	}
	for _, p := range protocols {
		for i, want := range ranges {
			out.Endpoints = append(out.Endpoints, Endpoint{Proto: p, FirstPort: want.First, LastPort: want.Last})
			if i < len(used) {
				used[i] = true
			}
		}
	}
}

// publish closes a published port, and the container's own address and port beside it: they
// can be dialled in routed networks, under Podman and under Docker before 28, from neighbours.
func (out *Resolved) publish(c Container, b Binding) {
	if b.HostPort != 0 {
		out.Endpoints = append(out.Endpoints, Endpoint{Addr: b.HostIP, Proto: b.Proto, FirstPort: b.HostPort, LastPort: b.HostPort})
	}
	for _, n := range c.Networks {
		if ownWay(n.Driver) {
			continue
		}
		for _, a := range n.Addrs {
			out.Endpoints = append(out.Endpoints, Endpoint{Addr: a, Proto: b.Proto, FirstPort: b.Port, LastPort: b.Port})
		}
	}
}

func (out *Resolved) tidy() {
	slices.SortFunc(out.Endpoints, compareEndpoints)
	out.Endpoints = slices.Compact(out.Endpoints)
}

func compareEndpoints(a, b Endpoint) int {
	if c := a.Addr.Compare(b.Addr); c != 0 {
		return c
	}
	if c := strings.Compare(a.Proto, b.Proto); c != 0 {
		return c
	}
	if c := int(a.FirstPort) - int(b.FirstPort); c != 0 {
		return c
	}
	return int(a.LastPort) - int(b.LastPort)
}

// find returns the container's bindings with the wanted port: published, else mapped.
func (w Wanted) find(c Container, want Range) (found []Binding, mapped bool) {
	for _, b := range c.Ports {
		if w.proto(b.Proto) && b.HostPort != 0 && want.has(b.HostPort) {
			found = append(found, b)
		}
	}
	if found != nil {
		return found, false
	}
	for _, b := range c.Ports {
		if w.proto(b.Proto) && want.has(b.Port) {
			found = append(found, b)
		}
	}
	return found, true
}

func (w Wanted) proto(p string) bool { return w.Protocols == nil || slices.Contains(w.Protocols, p) }

// ownWay: containers in such a network reach it without passing the host's firewall.
func ownWay(driver string) bool { return driver == "macvlan" || driver == "ipvlan" }

func onItsOwn(c Container) bool {
	return slices.ContainsFunc(c.Networks, func(n Network) bool { return ownWay(n.Driver) })
}

func absent(s Snapshot, r Ref) string {
	if s.Engine == "" {
		return fmt.Sprintf("container %s is not known: %v", r, s.Err)
	}
	return fmt.Sprintf("there is no container %s; %s has %s", r, s.Engine, names(s.Containers))
}

func names(all []Container) string {
	const shown = 10
	var list []string
	for _, c := range all {
		list = append(list, c.Name)
	}
	if len(list) > shown {
		list = append(list[:shown], fmt.Sprintf("%d more", len(list)-shown))
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

func ports(all []Range) string {
	var list []string
	for _, r := range all {
		list = append(list, r.String())
	}
	return strings.Join(list, ", ")
}

// bindings lists what is really published, for errors.
func bindings(all []Container) string {
	var list []string
	for _, c := range all {
		for _, b := range c.Ports {
			if text := b.String(); !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	if list == nil {
		return "no published ports"
	}
	return strings.Join(list, ", ")
}
