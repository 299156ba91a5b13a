// Package container reads a container engine, Docker or Podman, on its unix socket: which
// containers there are, their addresses, published ports and logs. It only reads: every
// request is a GET (and a HEAD, for the version).
//
// Facts about the API: Docker Engine API reference 1.40 to 1.56, podman-system-service(1).
package container

import (
	"net/netip"
	"strconv"
	"time"
)

// Container is one container as the engine tells of it.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	Running         bool
	PID             int       // of its first process, in the daemon's PID namespace; 0: not running
	NetworkMode     string    // "bridge", "host", "container:ID", a network's name, ...
	Host            bool      // it shares the host's network, itself or through container:ID
	Ports           []Binding // while it is down: those that it will have again
	Networks        []Network
	Mounts          []Mount
	LogDriver       string // "json-file", "local", "journald", "k8s-file", ...
	LogPath         string // of json-file and k8s-file, on the host; else empty
	TTY             bool   // its log has no frames in the API's stream
	Started         time.Time
}

// Mount is a folder or file of the host that a container sees.
type Mount struct{ Source, Destination string }

// Binding is one published port.
type Binding struct {
	Proto    string     // "tcp", "udp", "sctp"
	HostIP   netip.Addr // zero: every address
	HostPort uint16     // what clients dial; 0: routed, clients dial the container's own address and port
	Port     uint16     // the container's own
}

// String is the binding as `docker ps` shows it: "0.0.0.0:2222->22/tcp" is "2222->22/tcp" here.
func (b Binding) String() string {
	port := strconv.Itoa(int(b.Port)) + "/" + b.Proto
	host := strconv.Itoa(int(b.HostPort))
	switch {
	case b.HostPort == 0:
		return port + " (routed)"
	case b.HostIP.IsValid():
		return netip.AddrPortFrom(b.HostIP, b.HostPort).String() + "->" + port
	}
	return host + "->" + port
}

// Network is a container's place in a network.
type Network struct {
	Name, Driver string
	Addrs        []netip.Addr // the container's, IPv4 and IPv6
	Gateways     []netip.Addr // the network's, as the container has them
}

// NetworkInfo is one network of the engine, whether a container is in it or not.
type NetworkInfo struct {
	ID, Name, Driver string
	Subnets          []netip.Prefix
	Gateways         []netip.Addr // a bridge's first address where the engine names none
	Bridge           string       // the interface on the host; empty: not known
}

// Snapshot is the engine at one time. It is not changed after it was handed out.
type Snapshot struct {
	Engine     string // "docker", "podman"; empty: none has answered yet
	Version    string // of the engine, "28.3.1"
	Socket     string // where it answered
	Firewall   string // what Docker says of its backend: "iptables", "nftables+firewalld"; empty: it does not say
	Proxy      bool   // docker-proxy (userland-proxy) may carry connections, which hides their source
	Containers []Container
	Networks   []NetworkInfo
	Err        error // why this may be out of date, or incomplete; nil: it is neither
}

// Find returns the containers that r means, in the order of their names.
func (s Snapshot) Find(r Ref) []Container {
	var found []Container
	for _, c := range s.Containers {
		if r.Matches(c) {
			found = append(found, c)
		}
	}
	return found
}
