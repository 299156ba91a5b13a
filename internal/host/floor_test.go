package host

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"gaol/internal/event"
	"gaol/internal/netlab"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

func TestFloor(t *testing.T) {
	f := newFloor(
		map[netip.Addr]string{
			netip.MustParseAddr("192.0.2.5"): "eth0", netip.MustParseAddr("2001:db8::5"): "eth0", netip.MustParseAddr("172.17.0.1"): "docker0",
		},
		map[netip.Addr]string{netip.MustParseAddr("192.0.2.1"): "eth0", netip.MustParseAddr("fe80::1"): "eth0"},
	)
	for id, want := range map[string]string{
		"192.0.2.5":              "it is this machine's own address on eth0",
		"::ffff:192.0.2.5":       "it is this machine's own address on eth0",
		"2001:db8::5":            "it is this machine's own address on eth0",
		"172.17.0.1":             "it is this machine's own address on docker0",
		"192.0.2.1":              "it is the default gateway on eth0",
		"fe80::1":                "it is the default gateway on eth0",
		"127.1.2.3":              "it is a loopback address",
		"::1":                    "it is the loopback address",
		"0.0.0.0":                "it is the unspecified address",
		"::":                     "it is the unspecified address",
		"239.1.1.1":              "it is a multicast address",
		"ff02::1":                "it is a multicast address",
		"255.255.255.255":        "it is the broadcast address",
		"192.0.2.0/24":           "it covers 192.0.2.1, the default gateway on eth0",
		"172.16.0.0/12":          "it covers 172.17.0.1, this machine's own address on docker0",
		"::ffff:192.0.2.0/120":   "it covers 192.0.2.1, the default gateway on eth0",
		"2001:db8::/64":          "it covers 2001:db8::5, this machine's own address on eth0",
		"126.0.0.0/7":            "it covers a loopback address",
		"127.0.0.0/24":           "it covers a loopback address",
		"225.0.0.0/8":            "it covers a multicast address",
		"192.0.2.5/32":           "it covers 192.0.2.5, this machine's own address on eth0",
		"192.0.2.6":              "",
		"192.0.2.128/25":         "",
		"172.17.0.2":             "",
		"10.0.0.0/8":             "",
		"2001:db8:1::/48":        "",
		"fe80::2":                "",
		"root":                   "",
		"192.0.2.5 and the rest": "",
	} {
		id, kind := id, event.Raw // the kind is not asked: a raw id that is an address counts
		if why, ok := f.Protects(id, kind); ok != (want != "") || why != want {
			t.Errorf("%s: %q %v, want %q", id, why, ok, want)
		}
	}
	for id, want := range map[string]bool{"192.0.2.5": true, "127.0.0.2": true, "192.0.2.1": false, "x": false, "192.0.2.0/24": false} {
		if f.Own(id) != want {
			t.Errorf("own %s: want %v", id, want)
		}
	}
}

// TestReadFloor reads a machine with two uplinks, a bridge and a VPN, made in the network
// namespace that netlab.Main runs the tests in.
func TestReadFloor(t *testing.T) {
	addLink(t, veth("eth0"), "192.0.2.5/24", "2001:db8::5/64")
	addLink(t, veth("eth1"), "198.51.100.5/24")
	addLink(t, &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "docker0"}}, "172.17.0.1/16")
	addLink(t, veth("tun0"), "10.8.0.2/24")
	gw := func(link, ip string) *netlink.NexthopInfo {
		return &netlink.NexthopInfo{LinkIndex: index(t, link), Gw: net.ParseIP(ip)}
	}
	via := &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: net.ParseIP("2001:db8::2")}
	for _, r := range []netlink.Route{
		{Dst: network("0.0.0.0/0"), MultiPath: []*netlink.NexthopInfo{gw("eth0", "192.0.2.1"), gw("eth1", "198.51.100.1")}},
		{LinkIndex: index(t, "eth0"), Gw: net.ParseIP("2001:db8::1")},
		{LinkIndex: index(t, "eth1"), Gw: net.ParseIP("198.51.100.2"), Table: 100},
		{LinkIndex: index(t, "eth0"), Via: via, Dst: network("0.0.0.0/0"), Table: 101},
		{LinkIndex: index(t, "tun0"), Gw: net.ParseIP("10.8.0.1"), Dst: network("0.0.0.0/1")},
		{LinkIndex: index(t, "eth0"), Gw: net.ParseIP("192.0.2.9"), Dst: network("203.0.113.0/24")},
	} {
		if err := netlink.RouteAdd(&r); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	}
	f, err := ReadFloor()
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]string{}
	for ip, link := range map[string]string{
		"192.0.2.1": "eth0", "198.51.100.1": "eth1", "2001:db8::1": "eth0", "198.51.100.2": "eth1",
		"2001:db8::2": "eth0", "10.8.0.1": "tun0",
	} {
		want[netip.MustParseAddr(ip)] = link
	}
	if diff := cmp.Diff(want, f.gateways, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("gateways (-want +got):\n%s", diff)
	}
	for id, want := range map[string]string{
		"192.0.2.5": "eth0", "2001:db8::5": "eth0", "198.51.100.5": "eth1", "172.17.0.1": "docker0", "10.8.0.2": "tun0",
	} {
		if got := f.own[netip.MustParseAddr(id)]; got != want {
			t.Errorf("%s is on %q, want %q", id, got, want)
		}
	}
	if why, ok := f.Protects("192.0.2.9", event.Address); ok {
		t.Errorf("a router that is not the default one: %s", why)
	}
}

// veth is a link whose other end lies unused beside it, up so that this one has a carrier.
func veth(name string) netlink.Link {
	return &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, Flags: net.FlagUp}, PeerName: name + "-peer"}
}

func addLink(t *testing.T, l netlink.Link, addrs ...string) {
	t.Helper()
	if err := netlink.LinkAdd(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(l); err != nil {
			t.Error(err)
		}
	})
	for _, text := range addrs {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		a.Flags = 0x02 // IFA_F_NODAD: usable at once
		if err := netlink.AddrAdd(l, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
}

func index(t *testing.T, name string) int {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Index
}

func network(text string) *net.IPNet {
	_, n, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return n
}
