package netlab_test

import (
	"os"
	"strings"
	"testing"

	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

func TestClientsReachTheHostOnBothFamilies(t *testing.T) {
	lab := netlab.New(t)
	one := lab.NewClient("one", "203.0.113.66/24", "2001:db8:1::66/64")
	two := lab.NewClient("two", "203.0.113.67/24")
	lab.Host.Serve("tcp", ":22")
	lab.Host.Serve("udp", ":53")
	for _, n := range []*netlab.Node{one, two} {
		n.Alive("tcp", "203.0.113.1:22")
		n.Alive("udp", "203.0.113.1:53")
		n.Refused("tcp", "203.0.113.1:23")
	}
	one.Alive("tcp", "[2001:db8:1::1]:22")
	one.Alive("udp", "[2001:db8:1::1]:53")
}

func TestPublishedPortLeadsToTheContainer(t *testing.T) {
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24", "2001:db8:1::66/64")
	jumps := lab.NewClient("jumps", "172.17.0.2/16", "fd00:17::2/64")
	lab.Docker()
	lab.Publish("tcp", 2222, jumps, 22)
	client.Refused("tcp", "203.0.113.1:2222") // nobody listens in the container yet
	jumps.Serve("tcp", ":22")
	client.Alive("tcp", "203.0.113.1:2222")
	client.Alive("tcp", "[2001:db8:1::1]:2222")
}

func TestDeadMeansSilence(t *testing.T) {
	lab := netlab.New(t)
	client := lab.NewClient("client", "203.0.113.66/24")
	lab.Host.Serve("tcp", ":22")
	session := client.Open("tcp", "203.0.113.1:22")
	lab.Host.Run("nft", "add table inet x; add chain inet x c { type filter hook prerouting priority -300; }; add rule inet x c tcp dport 22 drop")
	client.Dead("tcp", "203.0.113.1:22")
	session.Dead()
	lab.Host.Run("nft", "delete table inet x")
	client.Returns("tcp", "203.0.113.1:22")
	session.Alive()
}

func TestCommandsRunInTheNamespace(t *testing.T) {
	lab := netlab.New(t)
	lab.NewClient("a-client-with-a-long-name", "203.0.113.66/24")
	if out := lab.Host.Run("ip", "-br", "link"); !strings.Contains(out, "v-a-client-with") {
		t.Errorf("the host's devices: %s", out)
	}
}
