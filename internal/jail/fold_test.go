package jail

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"

	"pgregory.net/rapid"
)

func folding(maxRetry int) Options {
	o := options(maxRetry)
	o.Aggregate = &Aggregate{Width: Width{24, 48}, Budget: Width{1, 32}}
	return o
}

// kernel is what the firewall holds when decisions are carried out as the engine does.
type kernel map[string]time.Time

// take carries out decisions; between any two steps check is called.
func (k kernel) take(j *Jail, ds []event.Decision, check func()) {
	add := func(b event.Ban) {
		if !j.Covered(b.ID) {
			k[b.ID] = b.End
		}
	}
	remove := func(b event.Ban) {
		if !j.Stands(b.ID) {
			delete(k, b.ID)
		}
		check()
	}
	for _, d := range ds {
		switch d.Kind {
		case event.Impose, event.Prolong:
			add(d.Ban)
		case event.Lift:
			remove(d.Ban)
		case event.Regroup:
			for _, b := range d.Add {
				add(b)
			}
			for _, b := range d.Remove {
				remove(b)
			}
		}
	}
}

// holds says whether an element keeps id out until end.
func (k kernel) holds(id string, end time.Time) bool {
	p, _ := prefixOf(id)
	for el, until := range k {
		q, _ := prefixOf(el)
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) && !later(end, until) {
			return true
		}
	}
	return false
}

func (k kernel) ids() (ids []string) {
	for id := range k {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (k kernel) failAll(j *Jail, s float64, ids ...string) {
	for _, id := range ids {
		k.take(j, j.Fail(failure(id, s), at(s)), func() {})
	}
}

func hosts(format string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf(format, i))
	}
	return ids
}

func TestManyOffendersOfAPrefixBecomeOneBan(t *testing.T) {
	for _, c := range []struct {
		name string
		ids  []string
		most int
	}{
		{"a whole /24", hosts("192.0.2.%d", 256), 1},
		{"300 in a /24 and the next", append(hosts("192.0.2.%d", 256), hosts("192.0.3.%d", 44)...), 4},
		{"3000 in order in a /48", hosts("2001:db8:7:%x::1", 3000), 6},
		{"3000 anywhere in a /48", scattered(3000), 1},
		{"addresses of one /64", hosts("2001:db8::%x", 50), 1},
		{"addresses of seven /64", append(hosts("2001:db8:0:%x::1", 7), hosts("2001:db8:0:%x::2", 7)...), 14},
		{"seven", hosts("192.0.2.%d", 7), 7},
		{"far apart", []string{"192.0.2.1", "192.0.2.33", "192.0.2.65", "192.0.2.97", "192.0.2.129", "192.0.2.161", "192.0.2.193", "192.0.2.225"}, 8},
	} {
		j, k := New(folding(1)), kernel{}
		k.failAll(j, 0, c.ids...)
		if len(k) > c.most || j.Standing() != len(k) {
			t.Errorf("%s: the kernel holds %d bans (want at most %d, counted %d): %.300v", c.name, len(k), c.most, j.Standing(), k.ids())
		}
		for _, id := range c.ids {
			if !k.holds(id, at(600)) {
				t.Fatalf("%s: %s gets through", c.name, id)
			}
		}
		t.Logf("%s: %d offenders, %d elements %.120v", c.name, len(c.ids), len(k), k.ids())
	}
}

// scattered are n addresses, each in a /64 of its own, all over 2001:db8:7::/48.
func scattered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("2001:db8:7:%x::1", i*40503%65536))
	}
	return ids
}

// It is undone step by step as bans end, and nobody else suffers beyond the budget.
func TestAFoldIsUndoneWhenItCools(t *testing.T) {
	j, k := New(folding(1)), kernel{}
	for i := range 256 {
		k.failAll(j, float64(i), fmt.Sprintf("192.0.2.%d", i))
	}
	if got := k.ids(); !slices.Equal(got, []string{"192.0.2.0/24"}) {
		t.Fatalf("the kernel holds %v", got)
	}
	if f := j.Folds(); len(f) != 1 || f[0].Count != 256 || !strings.Contains(f[0].Reason, "256 of its 256 addresses") {
		t.Errorf("folds %+v", f)
	}
	var said []string
	for s := 601.0; s <= 860; s++ {
		ds := j.Tick(at(s))
		k.take(j, ds, func() {})
		for _, d := range ds {
			if d.Kind == event.Regroup && d.Reason != "" {
				said = append(said, d.Reason)
			}
		}
		if free := int(s) - 601; free < 256 && k.holds("192.0.2.0", at(s)) && free > 129 {
			t.Fatalf("at %v 192.0.2.0 is still kept out: %v", s, k.ids())
		}
		for i := int(s) - 600; i < 256; i++ {
			if id := fmt.Sprintf("192.0.2.%d", i); !k.holds(id, at(float64(600+i))) {
				t.Fatalf("at %v %s gets through: %v", s, id, k.ids())
			}
		}
	}
	if len(k) != 0 || len(j.Folds()) != 0 || len(j.folds.crowds.roots) != 0 {
		t.Errorf("left: kernel %v, folds %v", k.ids(), j.Folds())
	}
	if len(said) == 0 || len(said) > 8 || !strings.Contains(said[0], "Unfold 192.0.2.0/24: 127 of its 256") {
		t.Errorf("said %q", said)
	}
}

// Whom nobody may ban, who is let out by hand, and bans by hand: no fold covers them.
func TestWhomAFoldMustNotCover(t *testing.T) {
	o := folding(1)
	spared := netip.MustParseAddr("192.0.2.200")
	on := true
	o.Shields = func(p netip.Prefix) (string, bool) { return "ignored", on && p.Contains(spared) }
	j, k := New(o), kernel{}
	k.failAll(j, 0, hosts("192.0.2.%d", 190)...)
	if k.holds("192.0.2.200", at(1)) || !k.holds("192.0.2.5", at(600)) || len(k) > 10 {
		t.Errorf("with a spared neighbour the kernel holds %v", k.ids())
	}
	on = false
	k.failAll(j, 1, "192.0.2.190")
	if !k.holds("192.0.2.200", at(1)) {
		t.Errorf("without one: %v", k.ids())
	}
	on = true // by now ignoreip has it
	j.Reconfigure(o)
	if due, ok := j.Next(); !ok || due.After(at(1)) {
		t.Error("nothing is due")
	}
	k.take(j, j.Tick(at(2)), func() {})
	if k.holds("192.0.2.200", at(2)) {
		t.Errorf("the fold stays: %v", k.ids())
	}
	// A member, then an innocent neighbour inside, are let out by command.
	k.take(j, j.Unban("192.0.2.3", at(3), ""), func() {})
	if k.holds("192.0.2.3", at(3)) || !k.holds("192.0.2.4", at(600)) {
		t.Errorf("after an unban: %v", k.ids())
	}
}

// What comes back after a restart is folded again.
func TestRestoreFolds(t *testing.T) {
	j := New(folding(1))
	for _, id := range hosts("192.0.2.%d", 256) {
		j.Fail(failure(id, 0), at(0))
	}
	again, k := New(folding(1)), kernel{"192.0.2.0/24": at(600)} // as it was left
	k.take(again, again.Restore(j.Bans(), nil, at(10)), func() {
		if !k.holds("192.0.2.9", at(600)) {
			t.Error("a gap")
		}
	})
	if got := k.ids(); !slices.Equal(got, []string{"192.0.2.0/24"}) {
		t.Errorf("the kernel holds %v", got)
	}
}

// TestFoldsKeepTheBudgetAndEveryBan: whatever happens in whatever order, the kernel holds every
// ban at each step, no fold covers more others than the budget allows nor anybody spared, and
// the kernel holds nothing else.
func TestFoldsKeepTheBudgetAndEveryBan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := folding(1)
		o.Aggregate.Budget = Width{rapid.IntRange(0, 3).Draw(t, "budget4"), rapid.IntRange(0, 40).Draw(t, "budget6")}
		o.Width = rapid.SampledFrom([]Width{{}, {32, 64}}).Draw(t, "width")
		protected := map[netip.Addr]bool{}
		covers := func(p netip.Prefix) bool {
			for a := range protected {
				if p.Contains(a) {
					return true
				}
			}
			return false
		}
		o.Protected = func(id string, _ event.IDKind) (string, bool) {
			p, ok := prefixOf(id)
			return "floor", ok && covers(p)
		}
		j, k := New(o), kernel{}
		addr := rapid.Custom(func(t *rapid.T) string {
			if rapid.Bool().Draw(t, "v6") {
				return fmt.Sprintf("2001:db8:0:%x::%x", rapid.IntRange(0, 40).Draw(t, "net"), rapid.IntRange(1, 2).Draw(t, "host"))
			}
			return fmt.Sprintf("192.0.2.%d", rapid.IntRange(0, 40).Draw(t, "host"))
		})
		now := 0.0
		for range rapid.IntRange(1, 150).Draw(t, "length") {
			now += float64(rapid.IntRange(0, 12).Draw(t, "pause"))
			before := j.Bans()
			var ds []event.Decision
			switch id := addr.Draw(t, "id"); rapid.IntRange(0, 29).Draw(t, "what") {
			case 0, 1:
				ds = j.Tick(at(now))
			case 2:
				ds = j.Unban(j.Offender(id), at(now), "")
			case 3:
				ds = j.Ban(event.Ban{ID: id, Kind: event.Address, End: at(now + 300)}, at(now))
			case 4:
				ds = j.Ban(event.Ban{ID: rapid.SampledFrom([]string{"192.0.2.0/27", "192.0.2.0/28", "2001:db8::/60"}).Draw(t, "net"),
					Kind: event.Network, End: at(now + 100)}, at(now))
			case 5:
				protected[netip.MustParseAddr(id)] = true
				ds = j.Review()
			default:
				ds = j.Fail(failure(id, now), at(now))
			}
			k.take(j, ds, func() {
				for _, b := range before {
					if kept, still := j.Find(b.ID); still && !k.holds(b.ID, b.End) {
						t.Fatalf("%s gets through (%v): %v", kept.ID, b.End, k.ids())
					}
				}
			})
			checkFolds(t, j, k, o, covers)
		}
	})
}

func checkFolds(t *rapid.T, j *Jail, k kernel, o Options, covers func(netip.Prefix) bool) {
	var want []string
	for _, b := range j.Elements() {
		want = append(want, b.ID)
		if !k.holds(b.ID, b.End) {
			t.Fatalf("the kernel lacks %s: %v", b.ID, k.ids())
		}
	}
	slices.Sort(want)
	if got := k.ids(); !slices.Equal(got, want) {
		t.Fatalf("the kernel holds %v, want %v", got, want)
	}
	for _, b := range j.Bans() {
		if !k.holds(b.ID, b.End) {
			t.Fatalf("%s gets through: %v", b.ID, k.ids())
		}
	}
	for _, f := range j.Folds() {
		p, _ := prefixOf(f.ID)
		unit, budget := 32, o.Aggregate.Budget.V4
		if !p.Addr().Is4() {
			unit, budget = 64, o.Aggregate.Budget.V6
		}
		offenders := map[netip.Prefix]bool{}
		for _, b := range j.Bans() {
			if m, _ := prefixOf(b.ID); !b.Manual && m.Bits() >= unit && p.Contains(m.Addr()) {
				offenders[netip.PrefixFrom(m.Addr(), unit).Masked()] = true
			}
		}
		if covers(p) {
			t.Fatalf("the fold %s covers somebody protected", f.ID)
		}
		if others := 1<<(unit-p.Bits()) - len(offenders); others > budget*len(offenders) {
			t.Fatalf("the fold %s covers %d others for %d offenders, budget %d", f.ID, others, len(offenders), budget)
		}
	}
}
