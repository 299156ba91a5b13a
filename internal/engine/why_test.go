package engine

import (
	"strings"
	"testing"

	"gaol/internal/control"
	"gaol/internal/event"
)

func (r *running) why(id string) *event.Account {
	r.t.Helper()
	return r.do(control.Why{ID: id}).Account
}

// reasons are why an address is not banned, in one text.
func (r *running) reasons(id string) string {
	r.t.Helper()
	var all []string
	for _, b := range r.why(id).Because {
		all = append(all, b.Why+" ["+b.Hint+"]")
	}
	return strings.Join(all, "\n")
}

// Whatever the answer is, it is known of an address: banned, counted, spared, forbidden, over,
// only mentioned, never seen.
func TestWhyOfAddresses(t *testing.T) {
	r := newRunning(t)
	r.start()
	defer r.end()
	r.fail("203.0.113.1", 3)
	r.wait("Ban 203.0.113.1")
	r.fail("203.0.113.2", 2)
	r.fail("198.51.100.200", 3)
	r.wait("Ignore 198.51.100.200")
	a := r.why("203.0.113.1")
	j := a.Jails[0]
	if !a.Banned || len(j.Bans) != 1 || len(j.Bans[0].Matches) != 3 || len(j.Kernel) != 1 || j.Kernel[0].Element != "203.0.113.1" || j.Lacks != "" || len(a.Because) != 0 {
		t.Errorf("banned: %+v", a)
	}
	for id, want := range map[string]string{
		"203.0.113.2":    "has counted 2 of 3 failures within 10m",
		"198.51.100.200": "jail.local:10: ignoreip has 198.51.100.200",
		"127.0.0.1":      "nobody bans it: it is a loopback address",
		"203.0.113.3":    "no jail has ever counted it, and no log names it (1 searched",
	} {
		if got := r.reasons(id); !strings.HasPrefix(got, want) && !strings.Contains(strings.SplitN(got, "\n", 2)[0], want) {
			t.Errorf("%s: %s\nwant %s", id, got, want)
		}
	}
	r.do(control.Unban{ID: "203.0.113.1"})
	if got := r.reasons("203.0.113.1"); !strings.Contains(got, "was lifted at") {
		t.Errorf("lifted: %s", got)
	}
}
