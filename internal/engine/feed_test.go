package engine

import (
	"fmt"
	"strings"
	"testing"

	"gaol/internal/control"
)

// Jails on one log have one reader. One that takes nothing does not hold up the other, and misses
// nothing; one whose settings change reads on by the new ones, from where it was.
func TestAnIdleJailDoesNotHoldUpItsNeighbour(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+strings.Replace(fmt.Sprintf(sshdJail, r.log), "[sshd]", "[twin]", 1))
	r.start()
	if n := r.e.deps.readers.count(); n != 1 {
		t.Fatalf("%d readers, want 1", n)
	}
	r.do(control.Set{Jail: "twin", Key: "idle", Args: []string{"on"}})
	for n := range 3 * lagPortions {
		addr := fmt.Sprintf("203.0.113.%d", n+1)
		r.fail(addr, 3)
		r.wait("[sshd] Ban " + addr)
	}
	if n := r.e.deps.readers.count(); n != 1 || len(r.banned("twin")) != 0 {
		t.Errorf("%d readers, the idle jail bans %v", n, r.banned("twin"))
	}
	r.do(control.Set{Jail: "twin", Key: "idle", Args: []string{"off"}})
	r.wait("[twin] is too far behind")
	r.wait(fmt.Sprintf("[twin] Ban 203.0.113.%d", 3*lagPortions))
	r.do(control.Set{Jail: "twin", Key: "addfailregex", Args: []string{"^other words of <HOST>$"}})
	r.append(r.log, "host sshd[9]: other words of 203.0.113.200")
	r.wait("[twin] Found 203.0.113.200")
	if got, want := len(r.banned("twin")), 3*lagPortions; got != want {
		t.Errorf("%d bans of the jail that was idle, want %d", got, want)
	}
}
