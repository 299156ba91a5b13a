package firewall_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// example is one jail of each kind, with bans of each kind that do not run out.
func example(t testing.TB) ([]firewall.Target, []firewall.Change) {
	targets := []firewall.Target{
		{Jail: "sshd", Ports: ports(t, "22,2222"), Protocols: []string{"tcp"}},
		{Jail: "mail", Ports: ports(t, "25,110:143,465"), Protocols: []string{"tcp", "udp"}, Block: firewall.Reject},
		{Jail: "recidive"},
		{Jail: "recidive-tcp", Protocols: []string{"tcp"}},
		{Jail: "recidive-reject", Block: firewall.Reject},
		{Jail: "dns", Ports: ports(t, "53"), Protocols: []string{"udp"}, Block: firewall.Reject},
		{Jail: "any", Ports: ports(t, "5060")},
		{Jail: "ping", Ports: ports(t, "80"), Protocols: []string{"icmp", "tcp"}},
		{Jail: "box", Scoped: true, Endpoints: []firewall.Endpoint{
			endpoint(t, "tcp", "", "2222"), endpoint(t, "udp", "::", "6000:6010"), endpoint(t, "udp", "0.0.0.0", "6010:6012"),
			endpoint(t, "tcp", "203.0.113.1", "22"), endpoint(t, "tcp", "::ffff:172.17.0.2", "8000:8010"), endpoint(t, "tcp", "2001:db8::1", "22"), endpoint(t, "tcp", "2001:db8::1", "443"),
		}},
		{Jail: "box-reject", Scoped: true, Endpoints: []firewall.Endpoint{endpoint(t, "tcp", "fd00:17::2", "22")}, Block: firewall.Reject},
		{Jail: "box-down", Scoped: true},
		{Jail: "a jail; drop table", Ports: ports(t, "443"), Protocols: []string{"udp", "tcp"}},
	}
	changes := []firewall.Change{
		ban("sshd", 0, "203.0.113.66", "2001:db8::66", "198.51.100.0/24", "2001:db8:5::/48")[0],
		ban("mail", 0, "203.0.113.1", "0.0.0.0/0", "255.0.0.0/8")[0],
		ban("recidive", 0, "10.0.0.0/8", "10.1.2.0/24", "::/0")[0],
		ban("box", 0, "203.0.113.66", "2001:db8:5::/48")[0],
		ban("box-reject", 0, "10.0.0.0/8")[0],
	}
	return targets, changes
}

func TestRulesetIsTheGoldenOne(t *testing.T) {
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	targets, changes := example(t)
	ok(t, fw.Ensure(targets))
	ok(t, fw.Apply(changes))
	golden(t, "ruleset.nft", ruleset(lab.Host))
}

func TestScriptIsWhatNetlinkDoes(t *testing.T) {
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	targets, changes := example(t)
	changes = append(changes, ban("sshd", time.Hour+1500*time.Millisecond, "192.0.2.1", "192.0.2.128/25")...)
	ok(t, fw.Ensure(targets))
	ok(t, fw.Apply(changes))
	byNetlink := ruleset(lab.Host)

	text, err := firewall.Script(targets, changes)
	ok(t, err)
	golden(t, "script.nft", text)
	file := filepath.Join(t.TempDir(), "script.nft")
	ok(t, os.WriteFile(file, []byte(text), 0o600))
	other := netlab.New(t)
	other.Host.Run("nft", "-c", "-f", file)
	other.Host.Run("nft", "-f", file)
	if byScript := ruleset(other.Host); byScript != byNetlink {
		t.Errorf("the script makes\n%s\nnetlink makes\n%s", byScript, byNetlink)
	}
	other.Host.Run("nft", "-f", file) // again, over itself
	if again := ruleset(other.Host); again != byNetlink {
		t.Errorf("the script run twice makes\n%s\nwant\n%s", again, byNetlink)
	}
}

// ruleset lists the node's whole ruleset without what runs on by itself.
func ruleset(n *netlab.Node) string {
	text := n.Run("nft", "list", "ruleset")
	text = regexp.MustCompile(`counter packets \d+ bytes \d+`).ReplaceAllString(text, "counter")
	return regexp.MustCompile(` expires \w+`).ReplaceAllString(text, "")
}

// golden compares with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		ok(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	ok(t, err)
	if strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
		t.Errorf("%s is now\n%s\nwant\n%s\nif that is right: UPDATE=1 go test ./internal/firewall", path, got, want)
	}
}
