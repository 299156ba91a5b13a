package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
)

const escalating = "[sshd]\nmaxretry = 1\nbantime = 1h\nescalate = ports, host\nignoreip = 198.51.100.200\n"

// goesOn has an id fail once after each of the times, counted from now, as if the clock had gone on.
func (r *running) goesOn(id string, after ...time.Duration) (ds []event.Decision) {
	r.t.Helper()
	w := r.e.find("sshd")
	for _, d := range after {
		at := time.Now().Add(d)
		w.call(func() {
			f := event.Failure{Jail: "sshd", ID: id, IP: id, Kind: event.Address, Time: at}
			w.suspect(r.t.Context(), f, at)
			now := w.escalate(f, at)
			w.settle(r.t.Context(), now)
			ds = append(ds, now...)
		})
	}
	return ds
}

func (r *running) raised() (ids []string) { return r.banned("sshd" + raisedSuffix) }

// Who goes on although he is banned is banned from all ports; that survives a restart, is shown,
// is repaired, and ends with the ban.
func TestWhoGoesOnIsBannedFromAllPorts(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/escalate.local", escalating)
	r.start()
	r.fail("203.0.113.5", 1)
	r.wait("Ban 203.0.113.5")
	for _, late := range [][]time.Duration{
		{1, 2 * time.Second, 2 * time.Second, 2 * time.Second},         // of before the ban
		{4 * time.Second, 5 * time.Second},                             // too few
		{6 * time.Second, 100 * time.Second, 140 * time.Second, 150e9}, // connections that the ban cut, perhaps
	} {
		if ds := r.goesOn("203.0.113.5", late...); len(ds) != 0 || len(r.raised()) != 0 {
			t.Errorf("after %v: %+v", late, ds)
		}
	}
	if ds := r.goesOn("203.0.113.5", 160*time.Second); len(ds) != 1 || ds[0].Kind != event.Raise {
		t.Errorf("after 160 s: %+v", ds)
	}
	r.wait("Escalate 203.0.113.5: closes all ports of this machine, since 7 failures although it is banned")
	shown := func(when string) {
		t.Helper()
		if got := r.raised(); !slices.Equal(got, []string{"203.0.113.5"}) || !slices.Equal(r.banned("sshd"), got) {
			t.Errorf("%s: raised %v, banned %v", when, got, r.banned("sshd"))
		}
		if got := r.do(control.Banned{ID: "203.0.113.5"}).Bans; len(got) != 1 || got[0].Scope != event.AllPorts {
			t.Errorf("%s: gaol banned says %+v", when, got)
		}
	}
	shown("raised")
	targets := r.fw.Targets()
	if i := slices.IndexFunc(targets, func(t firewall.Target) bool { return t.Jail == "sshd/host" }); i < 0 || targets[i].Ports != nil || targets[i].Protocols != nil {
		t.Errorf("targets are %+v", targets)
	}
	r.end()
	r.start()
	shown("after a restart")

	p, _ := prefixOf(ban("203.0.113.5"))
	must(t, r.fw.Apply([]firewall.Change{{Jail: "sshd/host", Remove: []netip.Prefix{p}}}))
	w := r.e.find("sshd")
	w.call(func() {
		if n := w.mend(false); n != 1 {
			t.Errorf("%d bans were put back", n)
		}
	})
	shown("repaired")

	r.do(control.Unban{Jail: "sshd", ID: "203.0.113.5"})
	if got := append(r.raised(), r.banned("sshd")...); len(got) != 0 {
		t.Errorf("after an unban the firewall holds %v", got)
	}
	r.fail("203.0.113.5", 1) // forgiven: it begins anew
	r.wait("Ban 203.0.113.5")
	if got := r.raised(); len(got) != 0 {
		t.Errorf("forgiven, and raised are %v", got)
	}
}

// A kill between kernel and store leaves a ban that the next start finds; who comes back after
// his ban is known; and what is not asked for any more goes.
func TestRecidivistsAndTheEndOfEscalation(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/escalate.local", escalating)
	r.start()
	r.fail("203.0.113.5", 1)
	r.wait("Ban 203.0.113.5")
	r.end()
	p, _ := prefixOf(ban("203.0.113.5"))
	must(t, r.fw.Apply([]firewall.Change{{Jail: "sshd/host", Add: []firewall.Element{{Prefix: p, Timeout: time.Hour}}}}))
	r.start()
	if got := r.do(control.Banned{ID: "203.0.113.5"}).Bans; len(got) != 1 || got[0].Scope != event.AllPorts {
		t.Errorf("gaol banned says %+v", got)
	}
	w := r.e.find("sshd")
	w.call(func() { w.settle(t.Context(), w.jail.Tick(time.Now().Add(2*time.Hour))) })
	r.wait("Unban 203.0.113.5")
	if got := append(r.raised(), r.banned("sshd")...); len(got) != 0 {
		t.Errorf("after its end the firewall holds %v", got)
	}
	r.fail("203.0.113.5", 1)
	r.wait("Escalate 203.0.113.5: closes all ports of this machine, since it was banned before")
	if got := r.raised(); !slices.Equal(got, []string{"203.0.113.5"}) {
		t.Errorf("raised are %v", got)
	}

	r.write("conf/jail.d/escalate.local", "[sshd]\nmaxretry = 1\nbantime = 1h\n")
	r.do(control.Reload{})
	all, err := r.fw.List()
	must(t, err)
	if _, there := all["sshd/host"]; there || !slices.Equal(r.banned("sshd"), []string{"203.0.113.5"}) {
		t.Errorf("without escalate the firewall holds %v", all)
	}
	if got := r.do(control.Banned{ID: "203.0.113.5"}).Bans; len(got) != 1 || got[0].Scope != "" {
		t.Errorf("gaol banned says %+v", got)
	}
}

// Neither ignoreip nor the allow-list nor the floor is ever hit by a wider ban, and a ban by hand
// stays what it is.
func TestNobodyIgnoredIsRaised(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.d/escalate.local", escalating)
	r.start()
	for _, id := range []string{"198.51.100.200", "203.0.113.6"} {
		r.do(control.Ban{Jail: "sshd", ID: id}) // by hand ignoreip does not count
		r.goesOn(id, 4*time.Second, 5*time.Second, 170*time.Second, 171*time.Second)
	}
	if got := r.raised(); len(got) != 0 {
		t.Errorf("raised are %v", got)
	}
}
