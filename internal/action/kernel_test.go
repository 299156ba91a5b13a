package action

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

// stock reads the properties of Debian's actions as its own fail2ban-client sends them, and
// of the docker action on top of them.
func stock(t *testing.T) map[string]map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", "/etc/fail2ban", dir).CombinedOutput(); err != nil {
		needs(t, "Debian's fail2ban configuration: "+string(out), "scripts/packages test")
	}
	docker := read(t, "../../test/e2e/testdata/action.d/iptables-docker-multiport.conf")
	files := map[string]string{
		"action.d/iptables-docker-multiport.conf": docker,
		"jail.local": `[sshd]
enabled = false
[lab]
enabled = true
backend = polling
filter = sshd
logpath = /dev/null
port = 22,2000:2010
protocol = tcp,udp
action = iptables-multiport[port="%(port)s", protocol="%(protocol)s"]
         iptables-allports[protocol=tcp]
         iptables-ipset-proto6[port="%(port)s", protocol="%(protocol)s"]
         iptables-ipset[port=22, protocol=tcp]
         nftables-multiport[port="%(port)s", protocol="%(protocol)s"]
         nftables[type=allports]
         iptables-docker-multiport[port=22, destip=10.100.0.199, chain=DOCKER-USER]
`}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/props.py", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("read the actions of Debian's fail2ban: %v\n%s", err, out)
	}
	var jails map[string]map[string]map[string]string
	if err := json.Unmarshal(out, &jails); err != nil {
		t.Fatal(err)
	}
	return jails["lab"]
}

// in makes an action whose commands run inside a node's network namespace.
func in(t *testing.T, node *netlab.Node, name string, props map[string]string, o Options) *Action {
	t.Helper()
	if props == nil {
		t.Fatalf("fail2ban-client did not send action %s", name)
	}
	a, err := New(Spec{Jail: "lab", Name: name, Props: props, BanTime: time.Hour}, o)
	if err != nil {
		t.Fatal(err)
	}
	a.run = func(ctx context.Context, c event.Command, limit time.Duration) (out string, err error) {
		err = node.Do(func() error {
			out, err = shell(ctx, c, limit)
			return err
		})
		return out, err
	}
	return a
}

func try(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// rules is all that actions leave in a namespace.
func rules(node *netlab.Node) string {
	return node.Run("sh", "-c", `{ iptables-save; ip6tables-save; ipset list -n; nft list tables inet; } | grep -E 'f2b|addr-set' || true`)
}

const (
	attacker4, attacker6 = "203.0.113.66", "2001:db8:1::66"
	staff4, staff6       = "203.0.113.7", "2001:db8:1::7"
)

type yard struct {
	*netlab.Lab
	attacker, staff *netlab.Node
}

func newYard(t *testing.T) yard {
	lab := netlab.New(t)
	y := yard{lab, lab.NewClient("attacker", attacker4+"/24", attacker6+"/64"), lab.NewClient("staff", staff4+"/24", staff6+"/64")}
	lab.Host.Serve("tcp", ":22")
	return y
}

const door4, door6 = "203.0.113.1:22", "[2001:db8:1::1]:22"

// barred ends the test if the door opens. Some actions refuse, some are silent.
func barred(t *testing.T, n *netlab.Node, door string) {
	t.Helper()
	if c, err := n.Dial("tcp", door, 300*time.Millisecond); err == nil {
		_ = c.Close()
		t.Fatalf("%s reaches %s in spite of its ban", n.Name, door)
	}
}

// TestStockActionsBite runs Debian's actions, unmodified, on a real kernel and knocks.
func TestStockActionsBite(t *testing.T) {
	all := stock(t)
	tests := []struct{ name, wreck string }{
		{"iptables-multiport", "iptables -F; ip6tables -F"},
		{"iptables-allports", "iptables -F INPUT; ip6tables -F INPUT"},
		{"iptables-ipset-proto6", "iptables -F; ip6tables -F"},
		{"iptables-ipset", "iptables -F; ip6tables -F; ipset destroy"},
		{"nftables-multiport", "nft flush ruleset"},
		{"nftables", "nft flush ruleset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			ctx := context.Background()
			a := in(t, y.Host, tt.name, all[tt.name], Options{})
			try(t, "start", a.Start(ctx))
			if left := rules(y.Host); left != "" {
				t.Errorf("rules before the first ban: %s", left)
			}
			try(t, "ban v4", a.Ban(ctx, ban(attacker4), false))
			barred(t, y.attacker, door4)
			y.attacker.Alive("tcp", door6)
			try(t, "ban v6", a.Ban(ctx, ban(attacker6), false))
			barred(t, y.attacker, door6)
			y.staff.Alive("tcp", door4)

			y.Host.Run("sh", "-c", tt.wreck)
			y.attacker.Alive("tcp", door4)
			if repaired, err := a.Check(ctx); !repaired || err != nil {
				t.Errorf("check after %q: repaired %v, error %v", tt.wreck, repaired, err)
			}
			barred(t, y.attacker, door4)
			barred(t, y.attacker, door6)

			try(t, "unban v4", a.Unban(ctx, ban(attacker4)))
			y.attacker.Alive("tcp", door4)
			try(t, "ban staff", a.Ban(ctx, ban(staff4), false))
			barred(t, y.staff, door4)
			try(t, "flush", a.Flush(ctx))
			y.staff.Alive("tcp", door4)
			y.attacker.Alive("tcp", door6)
			try(t, "stop", a.Stop(ctx))
			if left := rules(y.Host); left != "" {
				t.Errorf("rules after the stop: %s", left)
			}
		})
	}
}

// TestDockerAction: the article's action on Debian's iptables.conf names the container where
// DOCKER-USER leads into the jail's chain, and nothing else.
func TestDockerAction(t *testing.T) {
	y := newYard(t)
	ctx := context.Background()
	y.Host.Run("iptables", "-N", "DOCKER-USER")
	a := in(t, y.Host, "iptables-docker-multiport", stock(t)["iptables-docker-multiport"], Options{})
	try(t, "ban", a.Ban(ctx, ban(attacker4), false))
	saved := y.Host.Run("iptables-save")
	for _, want := range []string{
		"-A DOCKER-USER -d 10.100.0.199/32 -p tcp -m multiport --dports 22 -j f2b-lab\n",
		"-A f2b-lab -s " + attacker4 + "/32 -j REJECT --reject-with icmp-port-unreachable\n",
	} {
		if !strings.Contains(saved, want) {
			t.Errorf("rules:\n%swant %s", saved, want)
		}
	}
	try(t, "flush", a.Flush(ctx))
	try(t, "stop", a.Stop(ctx))
	if left := rules(y.Host); left != "" {
		t.Errorf("rules after the stop: %s", left)
	}
}

// TestStockCommandsLikeFail2ban: every command of Debian's actions as fail2ban renders it.
func TestStockCommandsLikeFail2ban(t *testing.T) {
	var scenarios []scenario
	for name, props := range stock(t) {
		s := scenario{name: name, Jail: "lab", Name: name, Props: map[string]any{}}
		for key, value := range props {
			s.Props[key] = value
		}
		for _, ip := range []string{attacker4, attacker6} {
			s.Steps = append(s.Steps, on("ban", ip, `-I f2b-lab 1|add element|ipset -exist add`, `-C|list chain`))
		}
		s.Steps = append(s.Steps, on("ban", staff4), on("ban", staff6), on("unban", staff4), on("unban", staff6), do("flush"), do("stop"))
		scenarios = append(scenarios, s)
	}
	compare(t, scenarios)
}
