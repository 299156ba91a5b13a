package repair

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// withIPTables is an engine whose bans are in iptables.
func withIPTables(t *testing.T, o engine.Options, in firewall.IPTablesOptions) *lab {
	t.Helper()
	return startWith(t, o, func(host *netlab.Node) firewall.Backend {
		in.NetNS = host.Path()
		fw, err := firewall.NewIPTables(in)
		if err != nil {
			t.Fatal(err)
		}
		return fw
	})
}

// What the kernel tells of, it is for nft's iptables, is mended at once; all else by the look.
func TestEveryLossOfIPTablesIsMended(t *testing.T) {
	t.Parallel()
	const all = "lost the rules of jail sshd, the rules of jail web, the rules of chain gaol, the jump from TABLE PREROUTING to gaol"
	for _, c := range []struct {
		in    firewall.IPTablesOptions
		every time.Duration
		cause string
	}{
		{firewall.IPTablesOptions{Variant: "nft", Table: "raw"}, 0, "(process "},
		{firewall.IPTablesOptions{Variant: "nft", Table: "mangle"}, 0, "(process "},
		{firewall.IPTablesOptions{Variant: "legacy", Table: "raw"}, 50 * time.Millisecond, "found by the look"},
		{firewall.IPTablesOptions{Variant: "legacy", Table: "mangle"}, 50 * time.Millisecond, "found by the look"},
	} {
		t.Run(c.in.Variant+" "+c.in.Table, func(t *testing.T) {
			t.Parallel()
			l := withIPTables(t, engine.Options{RepairEvery: c.every}, c.in)
			l.ban(attackerAddr)
			l.ban("198.51.100.0/24")
			l.attacker.Dead("tcp", service)
			for i, loss := range []struct{ line, said string }{
				{"iptables -t TABLE -F", all + "; put back"}, // and the others' rules, which are not ours to mend
				{"iptables -t TABLE -D PREROUTING -j gaol", "lost the jump from TABLE PREROUTING to gaol; put back"},
				{"iptables -t TABLE -I gaol_sshd -j ACCEPT", "lost the rules of jail sshd; put back"},
				{"printf '*TABLE\\n:PREROUTING ACCEPT [0:0]\\nCOMMIT\\n' | iptables-restore", all + "; put back"}, // as reloads of scripts do
			} {
				line := strings.NewReplacer("iptables-restore", "iptables-"+c.in.Variant+"-restore", "iptables", "iptables-"+c.in.Variant, "TABLE", c.in.Table).Replace(loss.line)
				l.net.Host.Run("sh", "-e", "-c", line)
				said := l.wait("the kernel had lost")
				if want := strings.ReplaceAll(loss.said, "TABLE", c.in.Table); !strings.Contains(said, want) || !strings.Contains(said, c.cause) {
					t.Errorf("%s: the log says %q, want %q and %q", line, said, want, c.cause)
				}
				if s := l.status(); s.Repairs != uint64(i+1) || s.FirewallProblem != "" {
					t.Errorf("%s: status says %d repairs, %q", line, s.Repairs, s.FirewallProblem)
				}
			}
			l.attacker.Dead("tcp", service)
			l.staff.Alive("tcp", service)
		})
	}
}

// Of sets the kernel tells nothing.
func TestLostSetsAreFoundByTheLook(t *testing.T) {
	t.Parallel()
	l := withIPTables(t, engine.Options{RepairEvery: 50 * time.Millisecond}, firewall.IPTablesOptions{Variant: "legacy"})
	l.ban(attackerAddr)
	l.ban("198.51.100.0/24")
	for _, c := range []struct{ line, said string }{
		{"ipset del gaol_sshd_4 " + attackerAddr, "lost 1 ban; put back"},
		{"ipset -exist add gaol_sshd_4 " + attackerAddr + " timeout 9", "lost 1 ban; put back"},
		{"ipset flush gaol_sshd_4", "lost 2 bans; put back"},
	} {
		l.net.Host.Run("sh", "-e", "-c", c.line)
		said := l.wait("the kernel had lost")
		if !strings.Contains(said, c.said) {
			t.Errorf("%s: the log says %q, want %q", c.line, said, c.said)
		}
	}
	// Sets that rules use cannot be destroyed, and the look puts the rules back: it is a race.
	l.net.Host.Run("sh", "-c", "until iptables-legacy -t raw -F; ip6tables-legacy -t raw -F; ipset destroy 2>&-; do :; done")
	if said := l.wait("the sets of jail sshd"); !strings.Contains(said, "2 bans; put back") {
		t.Errorf("after everything was destroyed the log says %q", said)
	}
	l.attacker.Dead("tcp", service)
	l.staff.Alive("tcp", service)
}

// What gaol does itself, what ends by itself and what others add is no loss.
func TestWhatIsNoLossOfIPTables(t *testing.T) {
	t.Parallel()
	l := withIPTables(t, engine.Options{RepairEvery: 50 * time.Millisecond}, firewall.IPTablesOptions{Variant: "nft"})
	brief, long := 2*time.Second, 60*24*time.Hour
	l.do(control.Ban{Jail: "sshd", ID: "203.0.113.8", For: &brief})
	l.do(control.Ban{Jail: "sshd", ID: "203.0.113.9", For: &long})
	l.do(control.Ban{Jail: "web", ID: "198.51.100.0/24", For: &brief})
	for range 10 {
		l.ban(attackerAddr)
		l.do(control.Unban{Jail: "sshd", ID: attackerAddr})
	}
	l.net.Host.Run("iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "CT", "--notrack")
	l.net.Host.Run("ipset", "add", "gaol_sshd_4", attackerAddr)
	l.do(control.Reload{})
	l.wait("[sshd] Unban 203.0.113.8", "[web] Unban 198.51.100.0/24")
	if s := l.status(); s.Repairs != 0 || s.FirewallProblem != "" {
		t.Errorf("%d repairs, problem %q; the log:\n%s", s.Repairs, s.FirewallProblem, strings.Join(l.seen, ""))
	}
	l.attacker.Dead("tcp", service)
}

func TestTimeFromTheLossToTheRepairedBanOfIPTables(t *testing.T) {
	l := withIPTables(t, engine.Options{}, firewall.IPTablesOptions{Variant: "nft"})
	l.ban(attackerAddr)
	var times []time.Duration
	for range 10 {
		before := l.heard("the kernel had lost")
		l.net.Host.Run("iptables-nft", "-t", "raw", "-F")
		gone := time.Now()
		l.eventually("the repair is logged", func() bool { return l.heard("the kernel had lost") > before })
		times = append(times, time.Since(gone))
	}
	slices.Sort(times)
	t.Logf("from iptables -t raw -F to the repaired ban: median %s, best %s, worst %s of %d", times[5], times[0], times[9], len(times))
	l.attacker.Dead("tcp", service)
}

// A kernel without nf_tables: the daemon itself takes iptables, says so, and a stop that unbans
// leaves nothing.
func TestWithoutNFTablesIPTablesIsUsed(t *testing.T) {
	t.Parallel()
	var o engine.Options
	o.Choice.NFT = func() (*firewall.NFT, error) { return nil, errors.New("protocol not supported") }
	l := startChosen(t, o)
	if s := l.status(); !strings.Contains(s.Firewall, "iptables (nft: ") || !strings.HasSuffix(s.Firewall, ": the kernel has no nf_tables") {
		t.Errorf("status says %q", s.Firewall)
	}
	l.ban(attackerAddr)
	l.attacker.Dead("tcp", service)
	l.staff.Alive("tcp", service)
	l.do(control.Stop{Unban: true})
	l.eventually("everything of gaol's is gone", func() bool {
		return !strings.Contains(l.net.Host.Run("iptables-nft-save")+l.net.Host.Run("ip6tables-nft-save")+l.net.Host.Run("ipset", "list", "-n"), "gaol")
	})
	l.attacker.Alive("tcp", service)
}
