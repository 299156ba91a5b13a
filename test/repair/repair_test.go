package repair

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
)

const service = "203.0.113.1:22"

// The loss is in every case one transaction of another process. Packets tell whether the ban
// is back; a second jail's rules and staff are as before.
func TestEveryLossIsMended(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{}, nil)
	l.ban(attackerAddr)
	l.ban("198.51.100.0/24")
	l.attacker.Dead("tcp", service)
	want := rules(l)
	for i, c := range []struct{ script, said string }{
		{"flush ruleset", "lost the table, 2 bans; put back"},
		{"delete table inet gaol", "lost the table, 2 bans; put back"},
		{"flush table inet gaol", "lost the rules of chain pre, the rules of jail sshd, the rules of jail web; put back"},
		{"flush chain inet gaol pre; delete chain inet gaol pre", "lost the chain pre; put back"},
		{"insert rule inet gaol j_sshd accept", "lost the rules of jail sshd; put back"},
		{"delete rule inet gaol j_sshd handle HANDLE", "lost the rules of jail sshd; put back"},
		{"flush set inet gaol j_sshd_port", "lost the rules of jail sshd; put back"},
		{"delete element inet gaol j_sshd_ban4 { " + attackerAddr + " }", "lost 1 ban; put back"},
		{"delete element inet gaol j_sshd_ban4 { " + attackerAddr + " }; add element inet gaol j_sshd_ban4 { " + attackerAddr + " timeout 10s }", "lost 1 ban; put back"},
		{"flush set inet gaol j_sshd_net4", "lost 1 ban; put back"},
	} {
		if strings.Contains(c.script, "HANDLE") {
			parts := strings.Split(l.net.Host.Run("nft", "-a", "list", "chain", "inet", "gaol", "j_sshd"), "handle ")
			c.script = strings.Replace(c.script, "HANDLE", strings.Fields(parts[2])[0], 1)
		}
		l.net.Host.Run("nft", c.script)
		line := l.wait("the kernel had lost")
		if !strings.Contains(line, c.said) || !strings.Contains(line, "nft (process ") {
			t.Errorf("%s: the log says %q, want %q and who it was", c.script, line, c.said)
		}
		if got := rules(l); got != want {
			t.Errorf("%s: then the table is\n%s\nwant\n%s", c.script, got, want)
		}
		if s := l.status(); s.Repairs != uint64(i+1) || time.Since(s.LastRepair) > time.Minute || s.FirewallProblem != "" {
			t.Errorf("%s: status says %d repairs, the last at %s, %q", c.script, s.Repairs, s.LastRepair, s.FirewallProblem)
		}
	}
	l.attacker.Dead("tcp", service)
	l.staff.Alive("tcp", service)
	if s := l.status().Jails[0]; s.Name != "sshd" || s.Repairs != 5 || s.LastRepair.IsZero() {
		t.Errorf("the jail's status says %d repairs, the last at %s", s.Repairs, s.LastRepair)
	}
}

// rules is the ruleset without times, its lines in order: what is made anew stands elsewhere.
func rules(l *lab) string {
	var lines []string
	for line := range strings.SplitSeq(l.net.Host.Run("nft", "-s", "list", "ruleset"), "\n") {
		line, _, _ = strings.Cut(line, " timeout ")
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestTimeFromTheLossToTheRepairedBan(t *testing.T) {
	l := start(t, engine.Options{}, nil)
	l.ban(attackerAddr)
	other, err := firewall.NewNFT(firewall.NFTOptions{NetNS: l.net.Host.Path()})
	l.must(err)
	defer other.Close()
	banned := func() bool {
		bans, err := other.List("sshd")
		return err == nil && slices.ContainsFunc(bans["sshd"], func(e firewall.Element) bool { return e.Prefix == netip.MustParsePrefix(attackerAddr+"/32") })
	}
	var times []time.Duration
	for range 20 {
		before := l.heard("the kernel had lost")
		gone := time.Now() // the deletion itself is in the time, since nobody sees its middle
		l.must(other.Drop())
		for !banned() {
			if time.Since(gone) > 5*time.Second {
				t.Fatal("the ban did not come back")
			}
		}
		times = append(times, time.Since(gone))
		l.eventually("the repair is logged", func() bool { return l.heard("the kernel had lost") > before })
	}
	slices.Sort(times)
	t.Logf("from the loss of the table to the repaired ban: median %s, best %s, worst %s of %d", times[10], times[0], times[19], len(times))
	if times[10] > 50*time.Millisecond {
		t.Errorf("the median of %s is above 50 ms", times[10])
	}
	l.attacker.Dead("tcp", service)
}

// What gaol does itself, what ends by itself and what others add is no loss.
func TestWhatIsNoLoss(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{RepairEvery: 50 * time.Millisecond}, nil)
	brief := 2 * time.Second
	l.do(control.Ban{Jail: "sshd", ID: "203.0.113.8", For: &brief})
	l.do(control.Ban{Jail: "web", ID: "198.51.100.0/24", For: &brief})
	for range 20 {
		l.ban(attackerAddr)
		l.do(control.Unban{Jail: "sshd", ID: attackerAddr})
	}
	l.net.Host.Run("nft", "add element inet gaol j_sshd_ban4 { "+attackerAddr+" }")
	l.do(control.Reload{})
	l.wait("[sshd] Unban 203.0.113.8", "[web] Unban 198.51.100.0/24") // two jails: either is first
	if s := l.status(); s.Repairs != 0 || s.FirewallProblem != "" {
		t.Errorf("%d repairs, problem %q; the log:\n%s", s.Repairs, s.FirewallProblem, strings.Join(l.seen, ""))
	}
	l.attacker.Dead("tcp", service) // the element that somebody added is left alone
	if n := len(l.do(control.Banned{}).Bans); n != 0 {
		t.Errorf("%d bans of others were adopted", n)
	}
}

// A flush in many small steps is one loss, or few.
func TestManySmallLossesAreFewRepairs(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{}, nil)
	var script strings.Builder
	for i := range 200 {
		addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()
		l.ban(addr)
		script.WriteString("delete element inet gaol j_sshd_ban4 { " + addr + " }\n")
	}
	cmd := l.net.Host.Command("nft", "-i") // each line a transaction of its own
	cmd.Stdin = strings.NewReader(script.String())
	l.must(cmd.Run())
	l.eventually("all bans are back", func() bool {
		bans, err := l.fw.List("sshd")
		return err == nil && len(bans["sshd"]) == 200
	})
	if n := l.status().Repairs; n > 20 {
		t.Errorf("%d repairs for one script", n)
	}
}

// Two that undo each other's work must not keep the machine busy, and never in silence.
func TestWhoKeepsDeletingIsFoughtSlowlyAndLoudly(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{}, nil)
	l.ban(attackerAddr)
	other, err := firewall.NewNFT(firewall.NFTOptions{NetNS: l.net.Host.Path()})
	l.must(err)
	defer other.Close()
	for l.heard("put back only once a second now") == 0 {
		before := l.status().Repairs
		if before > 40 {
			t.Fatal("nothing holds the repairs back")
		}
		l.must(other.Drop())
		l.eventually("the repair, or a word", func() bool {
			return l.status().Repairs > before || l.heard("put back only once a second now") > 0
		})
	}
	if s := l.status(); !strings.Contains(s.FirewallProblem, "something keeps removing") {
		t.Errorf("the status says %q", s.FirewallProblem)
	}
	before := l.status().Repairs
	l.eventually("it is put back all the same", func() bool { return l.status().Repairs > before })
	l.attacker.Dead("tcp", service)
}

var errBroken = errors.New("broken for the test")

// breakable is a kernel that can refuse, and an ear that can go deaf.
type breakable struct {
	*firewall.NFT
	broken, deaf, mute atomic.Bool
}

func (b *breakable) Mend(targets []firewall.Target) ([]string, error) {
	if b.broken.Load() {
		return nil, errBroken
	}
	return b.NFT.Mend(targets)
}

func (b *breakable) Apply(changes []firewall.Change) error {
	if b.broken.Load() {
		return errBroken
	}
	return b.NFT.Apply(changes)
}

func (b *breakable) Watch(ctx context.Context, tell func(string)) error {
	switch {
	case b.deaf.Load():
		return errBroken
	case b.mute.Load():
		<-ctx.Done()
		return nil
	}
	return b.NFT.Watch(ctx, tell)
}

func TestAFailedRepairIsLoudAndTriedAgain(t *testing.T) {
	t.Parallel()
	var fw *breakable
	l := start(t, engine.Options{}, func(n *firewall.NFT) firewall.Backend { fw = &breakable{NFT: n}; return fw })
	l.ban(attackerAddr)
	fw.broken.Store(true)
	l.net.Host.Run("nft", "flush ruleset")
	l.wait("not known to be in force; trying again every second error=\"broken for the test\"")
	if s := l.status(); !strings.Contains(s.FirewallProblem, "broken for the test") {
		t.Errorf("while it fails the status says %q", s.FirewallProblem)
	}
	fw.broken.Store(false)
	if line := l.wait("the kernel had lost"); !strings.Contains(line, "deleted the table") {
		t.Errorf("the late repair is logged as %q, without its cause", line)
	}
	l.wait("all rules and bans are in force again")
	if s := l.status(); s.FirewallProblem != "" {
		t.Errorf("after it the status says %q", s.FirewallProblem)
	}
	l.attacker.Dead("tcp", service)
}

// Where the kernel says nothing the slow look finds the loss.
func TestTheLookBehindTheWatch(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{RepairEvery: 100 * time.Millisecond}, func(n *firewall.NFT) firewall.Backend {
		fw := &breakable{NFT: n}
		fw.mute.Store(true)
		return fw
	})
	l.ban(attackerAddr)
	l.net.Host.Run("nft", "flush ruleset")
	if line := l.wait("the kernel had lost"); !strings.Contains(line, "found by the look at it every 100ms") {
		t.Errorf("the log says %q", line)
	}
	l.attacker.Dead("tcp", service)
}

// A watch that broke is said, and everything is compared each second meanwhile.
func TestABrokenWatchIsLoud(t *testing.T) {
	t.Parallel()
	l := start(t, engine.Options{}, func(n *firewall.NFT) firewall.Backend {
		fw := &breakable{NFT: n}
		fw.deaf.Store(true)
		return fw
	})
	l.ban(attackerAddr)
	l.wait("the watch over the firewall broke")
	l.net.Host.Run("nft", "flush ruleset")
	l.wait("the kernel had lost")
	l.attacker.Dead("tcp", service)
	if s := l.status(); !strings.Contains(s.FirewallProblem, "begins anew every second") {
		t.Errorf("the status says %q", s.FirewallProblem)
	}
}
