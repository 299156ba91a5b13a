package jail

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"gaol/internal/event"
)

func failure(id string, s float64) event.Failure {
	return event.Failure{ID: id, IP: id, Kind: event.Address, Time: at(s)}
}

// bannedBy lets each address fail once and returns what was imposed.
func bannedBy(j *Jail, s float64, ids ...string) (imposed []string) {
	for _, id := range ids {
		for _, d := range j.Fail(failure(id, s), at(s)) {
			if d.Kind == event.Impose {
				imposed = append(imposed, d.Ban.ID)
			}
		}
	}
	return imposed
}

func TestFailuresCountPerPrefix(t *testing.T) {
	for _, c := range []struct {
		width Width
		ids   []string
		want  []string
	}{
		{Width{32, 64}, []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}, []string{"2001:db8::/64"}},
		{Width{32, 64}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.1"}, []string{"192.0.2.1"}},
		{Width{24, 64}, []string{"192.0.2.1", "192.0.2.2"}, []string{"192.0.2.0/24"}},
		{Width{}, []string{"2001:db8::1", "2001:db8::2", "2001:db8::1"}, []string{"2001:db8::1"}},
		{Width{32, 128}, []string{"2001:db8::1", "2001:db8::2", "2001:db8::1"}, []string{"2001:db8::1"}},
	} {
		o := options(2)
		o.Width = c.width
		if got := bannedBy(New(o), 0, c.ids...); !slices.Equal(got, c.want) {
			t.Errorf("width %v, failures of %v: banned %v, want %v", c.width, c.ids, got, c.want)
		}
	}
}

// A ban id that is no address stays as it is, and the prefix is what actions ban by.
func TestOnlyAddressesAreWidened(t *testing.T) {
	o := options(1)
	o.Width = Width{24, 64}
	j := New(o)
	for _, f := range []event.Failure{
		{ID: "root", Kind: event.Raw, IP: "192.0.2.1"}, {ID: "192.0.2.64/26", Kind: event.Network, IP: "192.0.2.64/26"},
	} {
		if ds := j.Fail(f, at(0)); len(ds) != 1 || ds[0].Ban.ID != f.ID || ds[0].Ban.IP != f.IP {
			t.Errorf("%s: %+v", f.ID, ds)
		}
	}
	if ds := j.Fail(failure("192.0.2.9", 0), at(0)); ds[0].Ban.ID != "192.0.2.0/24" || ds[0].Ban.IP != "" || ds[0].Ban.Kind != event.Network {
		t.Errorf("%+v", ds)
	}
	if wide := j.Offender("192.0.2.77"); wide != "192.0.2.0/24" {
		t.Errorf("192.0.2.77 counts as %s", wide)
	}
}

// Where the prefix holds somebody who must not be banned, the address alone is, and it is said.
func TestAPrefixWithSomebodySparedIsNotBanned(t *testing.T) {
	shield := netip.MustParseAddr("2001:db8::99")
	o := options(2)
	o.Width = Width{32, 64}
	o.Spared = named(shield.String())
	o.Shields = func(p netip.Prefix) (string, bool) { return "it is shielded", p.Contains(shield) }
	j := New(o)
	var kinds []event.Kind
	var ids []string
	for range 2 {
		for _, id := range []string{"2001:db8::1", "2001:db8::2"} {
			for _, d := range j.Fail(failure(id, 0), at(0)) {
				kinds, ids = append(kinds, d.Kind), append(ids, d.Ban.ID)
			}
		}
	}
	if want := []string{"2001:db8::/64", "2001:db8::1", "2001:db8::2"}; !slices.Equal(ids, want) ||
		!slices.Equal(kinds, []event.Kind{event.Spare, event.Impose, event.Impose}) {
		t.Errorf("decisions %v of %v, want %v", kinds, ids, want)
	}
	// It may have become so since the ban was written down.
	wide := event.Ban{ID: "2001:db8::/64", Kind: event.Network, Start: at(0), End: at(600)}
	byHand := wide
	byHand.Manual = true
	for _, c := range []struct {
		ban  event.Ban
		want event.Kind
	}{{wide, event.Lift}, {byHand, event.Impose}} {
		if ds := New(o).Restore([]event.Ban{c.ban}, nil, at(1)); ds[0].Kind != c.want {
			t.Errorf("restored by hand %v: %+v", c.ban.Manual, ds)
		}
	}
}

func TestAValveHoldsBansBackAndLetsGo(t *testing.T) {
	o := options(1)
	o.BanRate = 3
	j := New(o)
	if got := bannedBy(j, 0, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"); len(got) != 3 {
		t.Fatalf("banned %v, want 3 of them", got)
	}
	if ds := j.Fail(failure("192.0.2.1", 1), at(1)); len(ds) != 1 || ds[0].Kind != event.Prolong {
		t.Errorf("a ban that holds is not prolonged: %+v", ds)
	}
	if ds := j.Ban(event.Ban{ID: "192.0.2.9"}, at(1)); len(ds) != 1 || ds[0].Kind != event.Impose {
		t.Errorf("a ban by hand: %+v", ds)
	}
	if why := j.Held(); why == "" {
		t.Error("nothing is said of two offenders who wait")
	}
	if got := bannedBy(j, 59, "192.0.2.4"); got != nil {
		t.Errorf("within the minute: banned %v", got)
	}
	if got := bannedBy(j, 60, "192.0.2.4"); len(got) != 1 {
		t.Error("who goes on failing is not banned when there is room")
	}
	due, ok := j.Next()
	if !ok || due.After(at(119)) {
		t.Errorf("next %v", since(due))
	}
	if ds := j.Tick(at(119)); len(ds) != 1 || ds[0].Kind != event.Hold || ds[0].Reason != "" || j.Held() != "" {
		t.Errorf("a minute without anybody held back: %+v, %q", ds, j.Held())
	}
}

// The log is told once a minute, whatever a forged log does.
func TestAValveBoundsTheSize(t *testing.T) {
	o := options(1)
	o.BanLimit, o.BanTime = 2, time.Hour
	j := New(o)
	told := 0
	for i := range 600 {
		f := failure(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}).String(), float64(i)/5)
		for _, d := range j.Fail(f, f.Time) {
			if d.Kind == event.Hold {
				told++
			}
		}
	}
	if _, _, banned, _ := j.Counts(); banned != 2 || told != 2 {
		t.Errorf("%d banned, told %d times; want 2 and 2", banned, told)
	}
	j.Unban("192.0.0.0", at(120), "")
	if got := bannedBy(j, 120, "192.0.2.2"); len(got) != 1 {
		t.Error("nobody is banned though there is room")
	}
}
