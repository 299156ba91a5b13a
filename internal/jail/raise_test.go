package jail

import (
	"net/netip"
	"slices"
	"testing"

	"gaol/internal/event"

	"pgregory.net/rapid"
)

func TestRaisedBansCloseAllPorts(t *testing.T) {
	j := New(options(1))
	if ds := j.Raise("192.0.2.1", "why", at(0)); len(ds) != 0 {
		t.Errorf("nobody is banned, and %+v", ds)
	}
	j.Fail(failure("192.0.2.1", 0), at(0))
	ds := j.Raise("192.0.2.1", "why", at(1))
	if len(ds) != 1 || ds[0].Kind != event.Raise || ds[0].Ban.Scope != event.AllPorts || ds[0].Reason != "why" {
		t.Errorf("raised: %+v", ds)
	}
	if ds := j.Raise("192.0.2.1", "why", at(2)); len(ds) != 0 {
		t.Errorf("raised again: %+v", ds)
	}
	if got := j.Raised(); len(got) != 1 || got[0].ID != "192.0.2.1" {
		t.Errorf("raised are %+v", got)
	}
	if ds := j.Ban(event.Ban{ID: "192.0.2.1", IP: "192.0.2.1", End: at(9999)}, at(3)); len(ds) != 1 || ds[0].Ban.Scope != event.AllPorts {
		t.Errorf("a longer ban by hand: %+v", ds)
	}
	j.Unban("192.0.2.1", at(4), "")
	j.Ban(event.Ban{ID: "192.0.2.1", IP: "192.0.2.1"}, at(5))
	if ds := j.Raise("192.0.2.1", "why", at(6)); len(ds) != 0 {
		t.Errorf("a ban by hand was raised: %+v", ds)
	}
}

func TestTheKnownAreBannedFromAllPortsAtOnce(t *testing.T) {
	o := options(1)
	o.Known = func(id string) bool { return id == "192.0.2.1" }
	j := New(o)
	if ds := j.Fail(failure("192.0.2.1", 0), at(0)); ds[0].Ban.Scope != event.AllPorts {
		t.Errorf("known: %+v", ds)
	}
	if ds := j.Fail(failure("192.0.2.2", 0), at(0)); ds[0].Ban.Scope != "" {
		t.Errorf("unknown: %+v", ds)
	}
	back := New(o)
	if ds := back.Restore(j.Bans(), nil, at(1)); ds[0].Ban.Scope != event.AllPorts || ds[1].Ban.Scope != "" {
		t.Errorf("restored: %+v", ds)
	}
}

// Whatever happens before, nobody who is protected or ignored by then gets a wider ban, nor a
// prefix that holds one of them.
func TestNobodyProtectedIsRaised(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var protected, ignored []netip.Addr
		holds := func(id string, who []netip.Addr) (string, bool) {
			p, _ := prefixOf(id)
			return "guarded", slices.ContainsFunc(who, p.Contains)
		}
		o := options(1)
		o.Known = func(id string) bool { return id[len(id)-1]%2 == 0 }
		o.Protected = func(id string, _ event.IDKind) (string, bool) { return holds(id, protected) }
		o.Spared = func(id string, k event.IDKind) (string, bool) {
			why, is := holds(id, ignored)
			return why, is && k == event.Address
		}
		o.Shields = func(p netip.Prefix) (string, bool) { return holds(p.String(), ignored) }
		o.Width = rapid.SampledFrom([]Width{{}, {30, 64}}).Draw(r, "width")
		o.Aggregate = rapid.SampledFrom([]*Aggregate{nil, {Width: Width{24, 48}, Budget: Width{4, 32}}}).Draw(r, "aggregate")
		j := New(o)
		ids := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.5", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}
		for s := range rapid.IntRange(1, 40).Draw(r, "steps") {
			id, now := rapid.SampledFrom(ids).Draw(r, "id"), at(float64(s))
			var ds []event.Decision
			switch rapid.SampledFrom([]string{"fail", "raise", "ban", "unban", "protect", "ignore"}).Draw(r, "what") {
			case "fail":
				ds = j.Fail(failure(id, float64(s)), now)
			case "raise":
				ds = j.Raise(j.Offender(id), "goes on", now)
			case "ban":
				ds = j.Ban(event.Ban{ID: id, IP: id}, now)
			case "unban":
				ds = j.Unban(id, now, "")
			case "protect":
				protected = append(protected, netip.MustParseAddr(id))
				ds = j.Review()
			case "ignore":
				ignored = append(ignored, netip.MustParseAddr(id))
			}
			for _, d := range ds {
				wider := d.Kind == event.Raise || d.Kind == event.Impose && d.Ban.Scope == event.AllPorts
				_, hurt := holds(d.Ban.ID, protected)
				_, rude := holds(d.Ban.ID, ignored)
				if wider && (hurt || rude) {
					r.Fatalf("%s holds somebody protected (%v) or ignored (%v) and was raised: %+v", d.Ban.ID, hurt, rude, d)
				}
			}
			for _, b := range j.Raised() {
				if _, hurt := holds(b.ID, protected); hurt {
					r.Fatalf("%s holds somebody protected and is banned from all ports", b.ID)
				}
			}
		}
	})
}
