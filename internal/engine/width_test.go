package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

// An IPv6 offender is his /64: for the count, the ban, the queries and the lift.
func TestAPrefixIsOneOffender(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/width.local", "[sshd]\nprefix = 24/64\nignoreip = 198.51.100.200 2001:db8:7::5\n")
	r.start()
	for _, addr := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
		r.fail(addr, 1)
	}
	r.wait("Ban 2001:db8::/64")
	if got := r.banned("sshd"); !slices.Equal(got, []string{"2001:db8::/64"}) {
		t.Errorf("firewall holds %v", got)
	}
	if got := r.do(control.Banned{ID: "2001:db8::77"}).Bans; len(got) != 1 || got[0].ID != "2001:db8::/64" || got[0].Count != 3 {
		t.Errorf("who bans 2001:db8::77: %+v", got)
	}
	r.end()
	r.start() // the ban comes back, and goes with any of its addresses
	if got := r.do(control.Unban{Jail: "sshd", ID: "2001:db8::77"}); len(got.Bans) != 1 || len(got.Covering) != 0 {
		t.Errorf("unban of an address: %+v", got)
	}
	if got := r.banned("sshd"); len(got) != 0 {
		t.Errorf("firewall holds %v", got)
	}

	r.do(control.Ban{Jail: "sshd", ID: "2001:db8::/48"}) // by hand is something else
	if got := r.do(control.Unban{ID: "2001:db8::77"}); len(got.Bans) != 0 || len(got.Covering) != 1 {
		t.Errorf("unban of an address in a network: %+v", got)
	}

	r.fail("2001:db8:7::1", 3) // ignoreip has a neighbour
	r.wait("Ignore 2001:db8:7::/64: ignoreip has 2001:db8:7::5 in it")
	r.wait("Ban 2001:db8:7::1")
	r.fail("198.51.100.7", 3)
	r.wait("Ban 198.51.100.7")
}

func TestTheValveIsToldAndShown(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/valve.local", "[sshd]\nmaxretry = 1\nmaxbanrate = 2\n")
	r.start()
	for _, addr := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		r.fail(addr, 1)
	}
	r.wait("as many as maxbanrate allows; offenders NOT banned for that: 1")
	if got := r.banned("sshd"); len(got) != 2 {
		t.Errorf("firewall holds %v", got)
	}
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if !strings.Contains(s.Problem, "maxbanrate") || s.Held != s.Problem {
		t.Errorf("status says %q, held: %q", s.Problem, s.Held)
	}
	if got := r.do(control.Ban{Jail: "sshd", ID: "203.0.113.9"}); got.Outcome != control.Imposed {
		t.Errorf("by hand: %+v", got)
	}
	w := r.e.find("sshd")
	w.call(func() { w.settle(t.Context(), w.jail.Tick(time.Now().Add(time.Hour))) })
	r.wait("offenders are banned again")
}

// gaol's filter of recidive reads bans of prefixes; it has to be none of fail2ban's <HOST>.
func TestRecidiveCountsPrefixes(t *testing.T) {
	r := newRunning(t)
	r.own = r.dir + "/gaol.log"
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+fmt.Sprintf(recidive, r.own))
	r.start()
	for i := range 3 {
		r.fail(fmt.Sprintf("2001:db8::%d", i+1), 3)
		r.wait("[sshd] Ban 2001:db8::/64")
		r.wait("[recidive] Found 2001:db8::/64")
		r.do(control.Unban{Jail: "sshd", ID: "2001:db8::/64"})
	}
	r.wait("[recidive] Ban 2001:db8::/64")
}
