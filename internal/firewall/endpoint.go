package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Endpoint is one place clients dial: a protocol, ports, and the address they are bound to.
type Endpoint struct {
	// Addr is the address the client dials: of this machine, or of a container that is reached
	// without NAT. The zero Addr, 0.0.0.0 and :: are every local address of this machine, of
	// both families.
	Addr  netip.Addr
	Proto string // tcp, udp, sctp, dccp or udplite
	Port  PortRange
}

func (e Endpoint) String() string {
	if !e.Addr.IsValid() {
		return e.Proto + " " + e.Port.String()
	}
	return fmt.Sprintf("%s %s port %s", e.Proto, e.Addr, e.Port)
}

// Inside is a network namespace in which a jail's bans hold as well: a container on a macvlan
// has its own way to the network, and the host's rules never see its packets.
type Inside struct {
	NetNS     string      // path, such as /proc/PID/ns/net
	Ports     []PortRange // as the container listens; nil: all ports
	Protocols []string    // from ParseProtocols; nil: all protocols
}

// endpoints are the target's in one form: in order, each address unmapped and without zone,
// ranges of one address and protocol that overlap joined, since the kernel refuses those.
func (t Target) endpoints() ([]Endpoint, error) {
	if !t.Scoped {
		return nil, nil
	}
	type place struct {
		addr  netip.Addr
		proto string
	}
	grouped := map[place][]PortRange{}
	for _, e := range t.Endpoints {
		p, err := findProtocol(e.Proto)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", e, err)
		}
		if !p.ports || e.Port.First == 0 || e.Port.Last < e.Port.First {
			return nil, fmt.Errorf("endpoint %s: want a protocol with ports and a port of 1 to 65535", e)
		}
		at := place{addr: e.Addr.Unmap().WithZone(""), proto: e.Proto}
		if at.addr.IsUnspecified() {
			at.addr = netip.Addr{}
		}
		grouped[at] = append(grouped[at], e.Port)
	}
	var all []Endpoint
	for at, ranges := range grouped {
		for _, r := range mergePorts(ranges) {
			all = append(all, Endpoint{Addr: at.addr, Proto: at.proto, Port: r})
		}
	}
	slices.SortFunc(all, func(a, b Endpoint) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port.First, b.Port.First))
	})
	return all, nil
}
