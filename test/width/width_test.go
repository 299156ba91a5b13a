package width

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

// addrs are the addresses that a pattern gives for first to last.
func addrs(pattern string, first, last int) (all []netip.Addr) {
	for i := first; i <= last; i++ {
		all = append(all, netip.MustParseAddr(fmt.Sprintf(pattern, i)))
	}
	return all
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

const folding = "maxretry = 1\nbantime = 1h\nprefix = 32/64\naggregate = on\nmaxbanrate = 0\nignoreip = 198.51.102.130\n"

// 300 offenders of a /23: 250 of its first /24, whose others are within the budget, and 50 of
// its second, whose others are not.
func TestThreeHundredOffendersAreFewBans(t *testing.T) {
	t.Parallel()
	l := start(t, folding, "198.51.100.0/23")
	dense, sparse := addrs("198.51.100.%d", 2, 251), addrs("198.51.101.%d", 0, 49)
	all := slices.Concat(dense, sparse)
	l.alive(22, dense[0], sparse[0], addr("198.51.101.200"))
	l.fail(all...)
	l.wait("Ban " + all[299].String())
	l.do(control.Status{}) // what the log told of is done

	if got := l.elements(); len(got) > 10 || !slices.Contains(got, "198.51.100.0/24") {
		t.Errorf("the kernel holds %d bans: %v", len(got), got)
	} else {
		t.Logf("300 offenders are %d bans: %v", len(got), got)
	}
	l.dead(22, all...)
	l.alive(22, addr("198.51.101.200"), addr("198.51.101.64"))
	l.alive(443, dense[0])
	out := l.gaol("status", "sshd")
	for _, want := range []string{"198.51.100.0/24", "250 of its 256 addresses are banned"} {
		if !strings.Contains(out, want) {
			t.Errorf("gaol status does not say %q:\n%.2000s", want, out)
		}
	}
	if out := l.gaol("banned", "198.51.100.254"); !strings.Contains(out, "198.51.100.0/24") {
		t.Errorf("gaol banned of an innocent neighbour inside says\n%s", out)
	}
}

// 3,000 networks of length 64 of one /48 are one ban; of another, which 60 attack, only the part
// that they are in.
func TestThreeThousandNetworksAreFewBans(t *testing.T) {
	t.Parallel()
	l := start(t, folding, "2001:db8:bad::/48", "2001:db8:50::/48")
	many, few := addrs("2001:db8:bad:%x::1", 0, 2999), addrs("2001:db8:50:%x::1", 0, 59)
	all := slices.Concat(many, few)
	l.fail(all...)
	l.wait("Ban 2001:db8:50:3b::/64")
	l.do(control.Status{})

	if got := l.elements(); len(got) > 4 || !slices.Contains(got, "2001:db8:bad::/48") {
		t.Errorf("the kernel holds %d bans: %.300v", len(got), got)
	} else {
		t.Logf("3060 offenders are %d bans: %v", len(got), got)
	}
	l.dead(22, all...)
	l.dead(22, addrs("2001:db8:bad:%x::77", 0, 9)...) // the same /64 is the same offender
	l.alive(22, addr("2001:db8:50:f000::1"))
	if out := l.gaol("status", "sshd"); !strings.Contains(out, "3000 of its 65536 /64 networks are banned") {
		t.Errorf("gaol status says\n%.2000s", out)
	}
}

// Who is ignored or allowed is in no fold, and a fold ends when too few of its bans are left.
func TestFoldsLetOut(t *testing.T) {
	t.Parallel()
	l := start(t, folding, "198.51.100.0/22")
	ignored, friend, neighbour := addr("198.51.102.130"), addr("198.51.101.77"), addr("198.51.100.253")
	around := append(addrs("198.51.102.%d", 2, 129), addrs("198.51.102.%d", 131, 251)...)
	l.fail(around...)
	l.fail(ignored)
	l.wait("Ban 198.51.102.251")
	l.do(control.Status{})
	l.dead(22, around...)
	l.alive(22, ignored)

	second := addrs("198.51.101.%d", 2, 251)
	l.fail(second...)
	l.wait("Fold 198.51.101.0/24: ", "Ban 198.51.101.251")
	l.dead(22, friend)
	l.gaol("allow", friend.String())
	l.wait("Unfold 198.51.101.0/24: ")
	l.alive(22, friend)
	l.dead(22, slices.DeleteFunc(second, func(a netip.Addr) bool { return a == friend })...)

	hot, cool := addrs("198.51.100.%d", 2, 99), addrs("198.51.100.%d", 100, 251)
	l.fail(cool...)
	l.wait("Fold 198.51.100.0/24: ", "Ban 198.51.100.251")
	l.clock.Add(int64(30 * time.Minute))
	l.fail(hot...)
	l.wait("Ban 198.51.100.99")
	l.dead(22, neighbour)
	l.clock.Add(int64(31 * time.Minute)) // the first hour is over
	l.fail(addr("198.51.100.2"))
	l.wait("Unfold 198.51.100.0/24: ")
	l.alive(22, neighbour, addr("198.51.100.128"), addr("198.51.100.251")) // of .0/25 most are hot
	l.dead(22, hot...)
}

// Who goes on through another port is kept from all of them; nobody else is, and its lift is whole.
func TestEscalationClosesAllPorts(t *testing.T) {
	t.Parallel()
	l := start(t, "maxretry = 1\nbantime = 1h\nescalate = ports, host\n", "198.51.100.0/24")
	stubborn, calm := addr("198.51.100.9"), addr("198.51.100.10")
	l.fail(stubborn, calm)
	l.wait("Ban 198.51.100.9", "Ban 198.51.100.10")
	l.dead(22, stubborn, calm)
	l.alive(443, stubborn, calm)
	for range 2 { // its lines come from the port that the jail does not close
		l.clock.Add(int64(4 * time.Second))
		l.fail(stubborn, stubborn)
		l.wait("Found 198.51.100.9")
		l.wait("Found 198.51.100.9")
		l.do(control.Status{})
	}
	l.wait("Escalate 198.51.100.9: closes all ports of this machine")
	l.dead(22, stubborn, calm)
	l.dead(443, stubborn)
	l.alive(443, calm)
	if out := l.gaol("banned", "198.51.100.9"); !strings.Contains(out, "all ports") {
		t.Errorf("gaol banned says\n%s", out)
	}
	l.host.Run("nft", "flush", "ruleset")
	l.wait("the kernel had lost")
	l.dead(443, stubborn)
	l.gaol("unban", "sshd", stubborn.String())
	l.alive(443, stubborn)
	l.alive(22, stubborn)
}
