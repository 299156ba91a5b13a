// Package netlab builds small networks for tests: a host under attack, clients and containers,
// each in a network namespace of its own, joined by veth pairs. It is imported by tests only.
//
// A test reads like this:
//
//	func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }
//
//	func TestBan(t *testing.T) {
//		lab := netlab.New(t)
//		attacker := lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
//		lab.Host.Serve("tcp", ":22")
//		attacker.Alive("tcp", "203.0.113.1:22") // the host owns the first address of each network
//		fw, err := firewall.NewNFT(firewall.NFTOptions{NetNS: lab.Host.Path()})
//		...
//		attacker.Dead("tcp", "203.0.113.1:22")
//	}
//
// The namespaces have no names: they live as long as a file descriptor of the test process
// does, so that nothing is left over whatever happens to a test, and no two tests meet.
package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go4.org/netipx"
)

// Lab is one network: a host in the middle, everyone else one hop from it.
type Lab struct {
	Host *Node // the machine under attack; it forwards, as a Docker host does

	t testing.TB
}

// Node is one machine of a lab.
type Node struct {
	Name string

	t     testing.TB
	ns    netns.NsHandle
	addrs []netip.Addr
}

// New makes a lab with a host that forwards IPv4 and IPv6. All of it is gone when t ends.
func New(t testing.TB) *Lab {
	t.Helper()
	requireMain(t)
	lab := &Lab{t: t}
	lab.Host = lab.node("host")
	lab.Host.Sysctl("net.ipv4.ip_forward", "1")
	lab.Host.Sysctl("net.ipv6.conf.all.forwarding", "1")
	return lab
}

// NewClient makes a machine behind a wire of its own to the host. Each of addrs is its address
// with the length of its network, as in "203.0.113.66/24"; the host owns the first address of
// that network and is the client's default gateway. Several clients may share a network. A
// container is a client too: lab.NewClient("jumps", "172.17.0.2/16"), Docker and Publish.
func (l *Lab) NewClient(name string, addrs ...string) *Node {
	l.t.Helper()
	n := l.node(name)
	if err := l.wire(n, addrs); err != nil {
		l.t.Fatalf("netlab: connect %s: %v", name, err)
	}
	return n
}

// node makes a namespace with the loopback device up.
func (l *Lab) node(name string) *Node {
	l.t.Helper()
	ns, err := newNamespace()
	if err != nil {
		l.t.Fatalf("netlab: make the namespace %s: %v", name, err)
	}
	l.t.Cleanup(func() { _ = ns.Close() })
	n := &Node{Name: name, t: l.t, ns: ns}
	err = n.links(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		return h.LinkSetUp(lo)
	})
	if err != nil {
		l.t.Fatalf("netlab: bring up lo in %s: %v", name, err)
	}
	return n
}

// Path is where the node's namespace can be opened by this and by other processes, as
// `nsenter --net=PATH` takes it. It is valid until the test ends.
func (n *Node) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.ns)) }

// Addr is the node's first address of the family.
func (n *Node) Addr(v6 bool) netip.Addr {
	for _, a := range n.addrs {
		if a.Is6() == v6 {
			return a
		}
	}
	n.t.Helper()
	n.t.Fatalf("netlab: %s has no such address (IPv6: %v)", n.Name, v6)
	return netip.Addr{}
}

// Device is the name of the host's end of n's wire.
func (n *Node) Device() string {
	name := "v-" + n.Name
	return name[:min(len(name), 15)] // IFNAMSIZ - 1
}

// Do runs f on a thread that is inside the node's namespace, and returns f's error. Sockets
// opened and processes started by f belong to the namespace; goroutines it starts do not.
func (n *Node) Do(f func() error) error {
	return inside(n.ns, f)
}

// Command is a command that will run in the node's namespace, and is killed when the test ends.
func (n *Node) Command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(n.t.Context(), "nsenter", append([]string{"--net=" + n.Path(), "--", name}, args...)...)
}

// Run runs a command in the node's namespace and returns its standard output. A failure ends
// the test with what the command said.
func (n *Node) Run(name string, args ...string) string {
	n.t.Helper()
	cmd := n.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("netlab: in %s: %s %s: %v\n%s", n.Name, name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// Sysctl sets a kernel parameter of the node's network, such as "net.ipv4.ip_forward".
func (n *Node) Sysctl(key, value string) {
	n.t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	if err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0o644) }); err != nil {
		n.t.Fatalf("netlab: set %s in %s: %v", key, n.Name, err)
	}
}

// wire joins n to the host by a veth pair. The host's side has full-length addresses and one
// route for each of n's, so that networks of several nodes may overlap. It waits until the
// wire carries packets: until then everything would seem dead.
func (l *Lab) wire(n *Node, addrs []string) error {
	err := l.Host.links(func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = n.Device()
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(n.ns))})
	})
	if err != nil {
		return fmt.Errorf("add veth pair: %w", err)
	}
	var gateways []netip.Addr
	for _, text := range addrs {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		n.addrs = append(n.addrs, p.Addr())
		gateway := p.Masked().Addr().Next()
		gateways = append(gateways, gateway)
		l.Host.addrs = append(l.Host.addrs, gateway)
		own := netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
		if err := l.Host.attach(n.Device(), netip.PrefixFrom(gateway, gateway.BitLen()), own, netip.Addr{}); err != nil {
			return fmt.Errorf("host side of %s: %w", text, err)
		}
		everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := n.attach("eth0", p, everywhere, gateway); err != nil {
			return fmt.Errorf("address %s: %w", text, err)
		}
	}
	for _, gateway := range gateways {
		n.Refused("tcp", netip.AddrPortFrom(gateway, 1).String())
	}
	return nil
}

// attach gives a device an address and a route. Duplicate address detection is off: an IPv6
// address would be unusable for the first second otherwise.
func (n *Node) attach(device string, addr, route netip.Prefix, gateway netip.Addr) error {
	return n.links(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
		a := &netlink.Addr{IPNet: netipx.PrefixIPNet(addr)}
		a.IP = addr.Addr().AsSlice()
		if addr.Addr().Is6() {
			a.Flags = ifaNoDAD
		}
		if err := h.AddrAdd(link, a); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netipx.PrefixIPNet(route)}
		if gateway.IsValid() {
			r.Gw = gateway.AsSlice()
		} else {
			r.Scope = netlink.SCOPE_LINK
		}
		return h.RouteReplace(r)
	})
}

const ifaNoDAD = 0x02 // IFA_F_NODAD, linux/if_addr.h

// links calls f with a netlink handle inside the node's namespace.
func (n *Node) links(f func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(n.ns)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

// newNamespace makes a namespace on a thread of its own, which then ends with its goroutine.
func newNamespace() (netns.NsHandle, error) {
	var ns netns.NsHandle
	var err error
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		runtime.LockOSThread() // never unlocked: the runtime discards the thread
		ns, err = netns.New()
	}()
	wg.Wait()
	return ns, err
}

// inside runs f on a thread in ns.
func inside(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // as in newNamespace
		if err := netns.Set(ns); err != nil {
			done <- fmt.Errorf("enter namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
