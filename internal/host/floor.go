package host

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"gaol/internal/event"
)

// Floor says who is never banned, not even by hand. A ban of one of these cuts off this
// machine itself, or everybody behind one address: a container whose engine hides its clients
// logs the bridge's address for all of them (docker.md §6.1). In it are
//   - the addresses of all interfaces, which holds those of bridges, and loopback whole;
//   - the gateways of the default routes, IPv4 and IPv6, of all routing tables;
//   - addresses of containers, and gateways of their networks, where With names them;
//   - unspecified, multicast and broadcast addresses, which are no client;
//   - every network that covers or lies in one of these.
//
// Private networks are not in it as such: attackers inside the house are real. A Floor does
// not change; read a new one when addresses may have.
type Floor struct {
	own      map[netip.Addr]string // address → interface
	gateways map[netip.Addr]string // address → interface
	others   map[netip.Addr]string // address → what it is: of containers, see With
	order    []netip.Addr          // keys of all, sorted, so that reasons are the same each time
	fixed    []entry               // parsed once: each failure asks
}

// fixed are networks that no client comes from, and what each of them is.
func fixed() []entry {
	return []entry{
		{"a loopback address", netip.MustParsePrefix("127.0.0.0/8")},
		{"the loopback address", netip.MustParsePrefix("::1/128")},
		{"the unspecified address", netip.MustParsePrefix("0.0.0.0/32")},
		{"the unspecified address", netip.MustParsePrefix("::/128")},
		{"a multicast address", netip.MustParsePrefix("224.0.0.0/4")},
		{"a multicast address", netip.MustParsePrefix("ff00::/8")},
		{"the broadcast address", netip.MustParsePrefix("255.255.255.255/32")},
	}
}

func newFloor(own, gateways map[netip.Addr]string) *Floor {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(own)), maps.Keys(gateways))
	slices.SortFunc(keys, netip.Addr.Compare)
	return &Floor{own: own, gateways: gateways, order: slices.Compact(keys), fixed: fixed()}
}

// With returns a Floor that protects these addresses too: address → what it is, as in "it is
// the gateway of docker network web". What is said of an address here goes before what the
// machine's interfaces say of it.
func (f *Floor) With(others map[netip.Addr]string) *Floor {
	wider := newFloor(f.own, f.gateways)
	wider.others = others
	wider.order = slices.AppendSeq(wider.order, maps.Keys(others))
	slices.SortFunc(wider.order, netip.Addr.Compare)
	wider.order = slices.Compact(wider.order)
	return wider
}

// Equal says whether both protect the same, for the same reasons.
func (f *Floor) Equal(o *Floor) bool {
	return maps.Equal(f.own, o.own) && maps.Equal(f.gateways, o.gateways) && maps.Equal(f.others, o.others)
}

// Protects says whether id must not be banned, and why, as a clause: "it is the default
// gateway on eth0". Ids that are neither an address nor a network are not
// protected; kind is not asked, since an address in a raw id (<F-ID>) bans all the same.
func (f *Floor) Protects(id string, _ event.IDKind) (why string, ok bool) {
	if a, ok := parseAddr(id); ok {
		if what, ok := f.whatIs(a); ok {
			return "it is " + what, true
		}
		return "", false
	}
	p, err := parsePrefix(id)
	if err != nil {
		return "", false
	}
	p = unmapPrefix(p)
	for _, a := range f.order {
		if p.Contains(a) {
			what, _ := f.whatIs(a)
			return fmt.Sprintf("it covers %s, %s", a, what), true
		}
	}
	for _, e := range f.fixed {
		if p.Overlaps(e.prefix) {
			return "it covers " + e.text, true
		}
	}
	return "", false
}

// whatIs names what is protected about an address.
func (f *Floor) whatIs(a netip.Addr) (string, bool) {
	for _, e := range f.fixed {
		if e.prefix.Contains(a) {
			return e.text, true
		}
	}
	if what, ok := f.others[a]; ok {
		return what, true
	}
	if link, ok := f.own[a]; ok {
		return "this machine's own address on " + link, true
	}
	if link, ok := f.gateways[a]; ok {
		return "the default gateway on " + link, true
	}
	return "", false
}

// Own says whether id is an address of this machine (ignoreself).
func (f *Floor) Own(id string) bool {
	a, ok := parseAddr(id)
	_, own := f.own[a]
	return ok && (own || a.IsLoopback())
}

// unmapPrefix turns an IPv4-mapped network into the IPv4 one that it is.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// addrOf turns the net package's address into netip's.
func addrOf(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}
