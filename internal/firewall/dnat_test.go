package firewall_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// published reads the rules of the node.
func published(t *testing.T, n *netlab.Node) []firewall.DNAT {
	t.Helper()
	var rules []firewall.DNAT
	ok(t, n.Do(func() (err error) {
		rules, err = firewall.Published(t.Context())
		return err
	}))
	return rules
}

func TestPublishedReadsTheKernel(t *testing.T) {
	lab := netlab.New(t)
	if found := published(t, lab.Host); len(found) != 0 {
		t.Errorf("an empty host publishes %v", found)
	}
	if list := lab.Host.Run("nft", "list", "ruleset"); list != "" {
		t.Errorf("reading changed the ruleset:\n%s", list)
	}
	jumps := lab.NewClient("jumps", "172.17.0.2/16", "fd00:17::2/64")
	lab.Docker()
	lab.Publish("tcp", 2222, jumps, 22)
	lab.Host.Iptables("iptables", "-t", "nat", "-A", "DOCKER", "-d", "203.0.113.1", "!", "-i", "br-x", "-p", "tcp",
		"--dport", "2223", "-m", "comment", "--comment", `say "hi" twice`, "-j", "DNAT", "--to-destination", "172.17.0.3:22")
	lab.Host.Iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "udp", "-m", "multiport", "--dports", "53,5000:5002",
		"-j", "DNAT", "--to-destination", "10.88.0.2")
	lab.Host.Iptables("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "99", "-j", "DNAT", "--to-destination", "10.88.0.2")
	lab.Host.Iptables("iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "2225", "-j", "DNAT",
		"--to-destination", "172.17.0.5:22")
	lab.Host.Run("nft", `
		add table inet netavark
		add chain inet netavark nv_x_dnat
		add rule inet netavark nv_x_dnat ip daddr 203.0.113.1 tcp dport 2224 counter dnat ip to 10.88.0.4:22 comment "web"
		add rule inet netavark nv_x_dnat iifname != "br0" udp dport { 67, 600-610 } dnat ip to 10.88.0.5
		add rule inet netavark nv_x_dnat iifname "eth0" tcp dport 8080-8081 dnat ip6 to [fd00::3]:80-81
		add rule inet netavark nv_x_dnat tcp dport 1 redirect to :2`)
	var got []string
	for _, d := range published(t, lab.Host) {
		got = append(got, fmt.Sprintf("%d %s %q %q", d.Family, d, d.Iface, d.Comment))
	}
	want := []string{
		`4 udp 53 -> 10.88.0.2:53 "" ""`,
		`4 udp 5000-5002 -> 10.88.0.2:5000-5002 "" ""`,
		`4 tcp 2222 -> 172.17.0.2:22 "!v-jumps" ""`,
		`4 tcp 203.0.113.1:2223 -> 172.17.0.3:22 "!br-x" "say \"hi\" twice"`,
		`6 tcp 2222 -> [fd00:17::2]:22 "!v-jumps" ""`,
		`4 tcp 2225 -> 172.17.0.5:22 "" ""`,
		`4 tcp 203.0.113.1:2224 -> 10.88.0.4:22 "" "web"`,
		`4 udp 67 -> 10.88.0.5:67 "!br0" ""`,
		`4 udp 600-610 -> 10.88.0.5:600-610 "!br0" ""`,
		`6 tcp 8080-8081 -> [fd00::3]:80-81 "eth0" ""`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("published:\n%s\nwant:\n%s", g, w)
	}
}

func TestDiagnose(t *testing.T) {
	lab := netlab.New(t)
	jumps := lab.NewClient("jumps", "172.17.0.2/16")
	other := lab.NewClient("other", "172.17.0.3/16")
	lab.Docker()
	lab.Publish("tcp", 2222, jumps, 22)
	lab.Publish("tcp", 2223, other, 22)
	lab.Publish("tcp", 8080, other, 80)
	rules := published(t, lab.Host)
	tcp := []string{"tcp"}
	destip := netip.MustParseAddr
	var report strings.Builder
	for _, p := range []firewall.BanPath{
		{Jail: "article-1", Action: "iptables-multiport", Chain: "DOCKER-USER", Ports: ports(t, "2222"), Protocols: tcp},
		{Jail: "article-no-chain", Action: "iptables-multiport", Chain: "INPUT", Ports: ports(t, "2222"), Protocols: tcp},
		{Jail: "article-2", Action: "iptables-multiport", Chain: "DOCKER-USER", Ports: ports(t, "22"), Protocols: tcp},
		{Jail: "article-3", Action: "iptables-docker-multiport", Chain: "DOCKER-USER", Ports: ports(t, "22"), Protocols: tcp, DestIP: destip("172.17.0.2")},
		{Jail: "container-moved", Action: "iptables-docker-multiport", Chain: "DOCKER-USER", Ports: ports(t, "22"), Protocols: tcp, DestIP: destip("172.17.0.9")},
		{Jail: "native", Action: "gaol", Chain: "DOCKER-USER", Ports: ports(t, "2222"), Protocols: tcp},
		{Jail: "host-sshd", Action: "iptables-multiport", Ports: ports(t, "ssh"), Protocols: tcp},
		{Jail: "host-sshd-in-docker-user", Action: "iptables[type=multiport]", Chain: "DOCKER-USER", Ports: ports(t, "993"), Protocols: tcp},
		{Jail: "nftables", Action: "nftables.conf", Chain: "input", Ports: ports(t, "2200:2300,80"), Protocols: tcp},
		{Jail: "recidive", Action: "iptables-allports", Chain: "INPUT", Protocols: tcp},
		{Jail: "recidive-docker", Action: "iptables-allports", Chain: "DOCKER-USER", Protocols: tcp},
		{Jail: "udp", Action: "iptables-multiport", Chain: "INPUT", Ports: ports(t, "2222"), Protocols: []string{"udp"}},
		{Jail: "one-container", Action: "iptables-multiport", Chain: "FORWARD", Ports: ports(t, "80"), Protocols: tcp},
		{Jail: "mail", Action: "sendmail", Ports: ports(t, "2222"), Protocols: tcp},
	} {
		fmt.Fprintf(&report, "[%s] %s %s\n", p.Jail, p.Action, p.Chain)
		for _, f := range firewall.Diagnose(p, rules) {
			weight := "warning"
			if f.Toothless {
				weight = "error"
			}
			fmt.Fprintf(&report, "%s: %s\nhint: %s\n", weight, f.Msg, f.Hint)
		}
	}
	golden(t, "diagnose.txt", report.String())
}

func FuzzPublishedParsers(f *testing.F) {
	for _, seed := range []string{"testdata/ruleset.nft", "testdata/script.nft"} {
		text, err := os.ReadFile(seed)
		ok(f, err)
		f.Add(string(text))
	}
	f.Add(`-A DOCKER -d 1.2.3.4/32 ! -i br -p tcp -m comment --comment "a \" b" --dports 1,2:3 -j DNAT --to-destination [::1]:2-3/1`)
	f.Add(`{"nftables":[{"rule":{"expr":[{"dnat":{"addr":"1.2.3.4","port":{"range":[1]}}},{"match":{"right":{"set":[{"set":[]}]},"left":{"payload":{"field":"dport"}}}}]}}]}`)
	f.Fuzz(func(t *testing.T, text string) { firewall.ParsePublished(text) })
}
