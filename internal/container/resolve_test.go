package container

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]bool{"jumps": true, "label=role": true, "label=role=a b": true, "compose=shop/ssh": true, " jumps ": true,
		"": false, "a b": false, "label=": false, "compose=shop": false, "compose=/x": false, "name=x": false, "-x": false} {
		r, err := ParseRef(text)
		if (err == nil) != want {
			t.Errorf("ParseRef(%q): %v", text, err)
		}
		if err == nil && r.String() != strings.TrimSpace(text) {
			t.Errorf("%q comes out as %q", text, r)
		}
	}
}

func TestResolve(t *testing.T) {
	local := netip.MustParseAddr("203.0.113.1")
	net1 := []Network{{Name: "bridge", Driver: "bridge", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2")}}}
	jumps := Container{ID: "0123456789abcdef", Name: "jumps", Running: true, PID: 7, Networks: net1,
		Labels: map[string]string{"role": "bastion", composeProject: "shop", composeService: "ssh"},
		Ports:  []Binding{{"tcp", netip.Addr{}, 2222, 22}, {"udp", netip.Addr{}, 5353, 53}}}
	bound, routed, host, mac, down := jumps, jumps, jumps, jumps, jumps
	bound.Ports = []Binding{{"tcp", local, 2222, 22}}
	routed.Ports = []Binding{{"tcp", netip.Addr{}, 0, 22}}
	host.Host, host.Ports, host.Networks = true, nil, nil
	mac.Ports, mac.Networks = nil, []Network{{Name: "lan", Driver: "macvlan", Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.9")}}}
	down.Running = false
	heired, downHost := down, host
	heired.Ports, downHost.Running = []Binding{{"tcp", netip.Addr{}, 2299, 22}}, false
	heir := Container{ID: "h", Name: "heir", Running: true, Ports: []Binding{{"tcp", local, 2299, 22}}}
	for _, tt := range []struct {
		name, ref string
		c         Container
		ports     []Range
		protocols []string
		want      string // endpoints, namespaces, number of notes
		err       string
	}{
		{"published", "jumps", jumps, []Range{{2222, 2222}}, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22", ""},
		{"by short id", "0123456789ab", jumps, []Range{{2222, 2222}}, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22", ""},
		{"mapped", "label=role", jumps, []Range{{22, 22}}, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22 +1", ""},
		{"all ports", "compose=shop/ssh", jumps, nil, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22", ""},
		{"all protocols", "label=role=bastion", jumps, nil, nil, "tcp 2222,udp 5353,172.17.0.2 tcp 22,172.17.0.2 udp 53", ""},
		{"range", "jumps", jumps, []Range{{2000, 3000}}, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22", ""},
		{"one of two", "jumps", jumps, []Range{{2222, 2222}, {80, 80}}, []string{"tcp"}, "tcp 2222,172.17.0.2 tcp 22 +1", ""},
		{"neither", "jumps", jumps, []Range{{23, 23}}, []string{"tcp"}, "", "port 23 is neither published nor a port of container jumps, which has 2222->22/tcp, 5353->53/udp"},
		{"host address", "jumps", bound, []Range{{2222, 2222}}, []string{"tcp"}, "172.17.0.2 tcp 22,203.0.113.1 tcp 2222", ""},
		{"routed", "jumps", routed, []Range{{22, 22}}, []string{"tcp"}, "172.17.0.2 tcp 22", ""},
		{"host network", "jumps", host, []Range{{22, 22}}, []string{"tcp"}, "tcp 22", ""},
		{"host network, no port", "jumps", host, nil, []string{"tcp"}, "tcp 1-65535 +1", ""},
		{"macvlan", "jumps", mac, []Range{{22, 22}}, []string{"tcp"}, "/proc/7/ns/net 22", ""},
		{"down", "jumps", down, []Range{{22, 22}}, []string{"tcp"}, "tcp 2222 +1", ""},
		{"down, all ports", "jumps", down, nil, nil, "tcp 2222,udp 5353 +1", ""},
		{"down, host network", "jumps", downHost, []Range{{22, 22}}, []string{"tcp"}, "tcp 22 +1", ""},
		{"down, host network, no port", "jumps", downHost, nil, nil, " +1", ""},
		{"down, its port is another's", "jumps", heired, []Range{{22, 22}}, []string{"tcp"}, " +1", ""},
		{"nobody", "nobody", jumps, nil, nil, " +1", ""},
	} {
		r, err := ParseRef(tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Resolve(Snapshot{Engine: "docker", Containers: []Container{tt.c, heir}}, r, Wanted{tt.ports, tt.protocols})
		if tt.err != "" {
			if !errors.Is(err, ErrPort) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v", tt.name, err)
			}
			continue
		}
		if err != nil || show(got) != tt.want {
			t.Errorf("%s: got %q (%v), notes %q; want %q", tt.name, show(got), err, got.Notes, tt.want)
		}
	}
}

func show(r Resolved) string {
	var all []string
	for _, at := range r.Endpoints {
		text := at.Proto + " " + Range{at.FirstPort, at.LastPort}.String()
		if at.Addr.IsValid() {
			text = at.Addr.String() + " " + text
		}
		all = append(all, text)
	}
	for _, in := range r.Inside {
		all = append(all, in.NetNS+" "+ports(in.Ports))
	}
	text := strings.Join(all, ",")
	if len(r.Notes) > 0 {
		text += fmt.Sprintf(" +%d", len(r.Notes))
	}
	return text
}

// TestFollow: a container in another's network has that one's ports.
func TestFollow(t *testing.T) {
	all := []Container{{ID: "a", Name: "pod", Ports: []Binding{{"tcp", netip.Addr{}, 2222, 22}}}, {ID: "b", Name: "side", NetworkMode: "container:a"},
		{ID: "c", NetworkMode: "container:gone"}, {ID: "d", NetworkMode: "container:d"}}
	follow(all)
	if len(all[1].Ports) != 1 || len(all[2].Ports) != 0 || len(all[3].Ports) != 0 {
		t.Errorf("followed to %+v", all)
	}
}

// TestReadBindings: a container that is down has the ports that it was made with, but for those
// that the engine chooses at each start.
func TestReadBindings(t *testing.T) {
	made := network.PortMap{network.MustParsePort("22/tcp"): {{HostPort: "2222"}}, network.MustParsePort("23/tcp"): {{HostPort: "0"}},
		network.MustParsePort("24/tcp"): {{}}, network.MustParsePort("25/tcp"): {{HostPort: "2500-2510"}}}
	for running, want := range map[bool]string{false: "[2222->22/tcp]", true: "[23/tcp (routed) 24/tcp (routed) 2222->22/tcp]"} {
		if got := fmt.Sprint(readBindings(made, running)); got != want {
			t.Errorf("running %v: %s, want %s", running, got, want)
		}
	}
}
