package netlab

import (
	"net"
	"net/netip"
	"strconv"
)

// Docker lays the chains that Docker's iptables backend lays at its start (20.10 to 29, nat
// gateway mode): DOCKER and DOCKER-USER, a FORWARD policy of drop, and the jump from nat
// PREROUTING for packets to a local address. Publish adds to them.
func (l *Lab) Docker() {
	l.t.Helper()
	for _, iptables := range []string{"iptables", "ip6tables"} {
		for _, rule := range [][]string{
			{"-t", "nat", "-N", "DOCKER"},
			{"-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER"},
			{"-N", "DOCKER"},
			{"-N", "DOCKER-USER"},
			{"-P", "FORWARD", "DROP"},
			{"-A", "DOCKER-USER", "-j", "RETURN"},
			{"-A", "FORWARD", "-j", "DOCKER-USER"},
			{"-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"},
			{"-A", "FORWARD", "-j", "DOCKER"},
		} {
			l.Host.Iptables(iptables, rule...)
		}
	}
}

// Publish forwards hostPort of all the host's addresses to port of the container, with the
// rules `docker run -p hostPort:port` makes. Call Docker first.
func (l *Lab) Publish(proto string, hostPort uint16, container *Node, port uint16) {
	l.t.Helper()
	l.PublishOn([2]string{}, proto, hostPort, container, port)
}

// PublishOn is Publish on one address of the host per family, IPv4 first, as
// `-p address:hostPort:port` does; empty: all of them.
func (l *Lab) PublishOn(host [2]string, proto string, hostPort uint16, container *Node, port uint16) {
	l.t.Helper()
	for _, a := range container.addrs {
		iptables, on := "iptables", host[0]
		if a.Is6() {
			iptables, on = "ip6tables", host[1]
		}
		var dialled []string
		if on != "" {
			dialled = []string{"-d", on}
		}
		outer, inner := strconv.Itoa(int(hostPort)), strconv.Itoa(int(port))
		to := net.JoinHostPort(a.String(), inner)
		l.Host.Iptables(iptables, append(append([]string{"-t", "nat", "-A", "DOCKER"}, dialled...), "!", "-i", container.Device(),
			"-p", proto, "-m", proto, "--dport", outer, "-j", "DNAT", "--to-destination", to)...)
		l.Host.Iptables(iptables, "-A", "DOCKER", "-d", netip.PrefixFrom(a, a.BitLen()).String(),
			"!", "-i", container.Device(), "-o", container.Device(), "-p", proto, "-m", proto, "--dport", inner, "-j", "ACCEPT")
	}
}

// Iptables runs an iptables command (name: "iptables", "ip6tables", "iptables-legacy", ...) in the
// node; the lock file is the lab's own, since the machine's may
// belong to another user.
func (n *Node) Iptables(name string, args ...string) {
	n.t.Helper()
	n.Run("env", append([]string{"XTABLES_LOCKFILE=" + n.t.TempDir() + "/xtables.lock", name, "-w"}, args...)...)
}
