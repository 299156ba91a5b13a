package host

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// dumpTries is how often a listing is asked for again that changed while the kernel wrote it.
const dumpTries = 5

// ReadFloor asks the kernel (rtnetlink(7)) for the addresses and default routes of the network
// namespace that the calling thread is in.
func ReadFloor() (*Floor, error) {
	links, err := dump(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	own, err := ownAddrs(names)
	if err != nil {
		return nil, err
	}
	gateways, err := gateways(names)
	if err != nil {
		return nil, err
	}
	return newFloor(own, gateways), nil
}

func ownAddrs(names map[int]string) (map[netip.Addr]string, error) {
	addrs, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	own := map[netip.Addr]string{}
	for _, a := range addrs {
		if ip, ok := addrOf(a.IP); ok {
			own[ip] = names[a.LinkIndex]
		}
	}
	return own, nil
}

// gateways are the next hops of all default routes, of every table (policy routing, VRF). A
// half of the address space, as VPN clients route it, counts as a default route.
func gateways(names map[int]string) (map[netip.Addr]string, error) {
	for try := 1; ; try++ {
		found := map[netip.Addr]string{}
		err := eachRoute(func(r netlink.Route) {
			if r.Dst != nil {
				if ones, _ := r.Dst.Mask.Size(); ones > 1 {
					return
				}
			}
			for _, hop := range append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}) {
				if ip, ok := nextHop(hop); ok {
					found[ip] = names[hop.LinkIndex]
				}
			}
		})
		if err == nil {
			return found, nil
		}
		if try == dumpTries || !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list default routes: %w", err)
		}
	}
}

// eachRoute walks the routes of all tables; a router may have a million of them, so they are
// not gathered.
func eachRoute(do func(netlink.Route)) error {
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		err := netlink.RouteListFilteredIter(family, all, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
			do(r)
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func nextHop(hop *netlink.NexthopInfo) (netip.Addr, bool) {
	if via, ok := hop.Via.(*netlink.Via); ok { // an IPv4 route over an IPv6 neighbour
		return addrOf(via.Addr)
	}
	return addrOf(hop.Gw)
}

// dump repeats a listing that the kernel says changed underway (NLM_F_DUMP_INTR).
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for try := 1; ; try++ {
		all, err := list()
		if err == nil || try == dumpTries || !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
}
