package engine

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/jail"
)

func TestLackingBans(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const gone = -1
	for _, c := range []struct {
		what   string
		id     string
		left   time.Duration // of the ban; 0: for ever
		kernel time.Duration // 0: for ever
		lost   bool
	}{
		{"as it should be", "192.0.2.1", time.Hour, time.Hour, false},
		{"gone", "192.0.2.1", time.Hour, gone, true},
		{"gone, a network", "192.0.2.0/24", time.Hour, gone, true},
		{"gone, and about to end", "192.0.2.1", time.Second, gone, false},
		{"gone, and over", "192.0.2.1", -time.Second, gone, false},
		{"for ever and gone", "2001:db8::1", 0, gone, true},
		{"for ever in both", "2001:db8::1", 0, 0, false},
		{"ends in the kernel only", "2001:db8::1", 0, time.Hour, true},
		{"ends too soon", "192.0.2.1", time.Hour, time.Hour - 3*time.Second, true},
		{"ends a little sooner", "192.0.2.1", time.Hour, time.Hour - time.Second, false},
		{"ends later", "192.0.2.1", time.Hour, 2 * time.Hour, false},
		{"never ends in the kernel", "192.0.2.1", time.Hour, 0, false},
		{"no address", "root", time.Hour, gone, false},
	} {
		b := event.Ban{ID: c.id}
		if c.left != 0 {
			b.End = now.Add(c.left)
		}
		kernel := []firewall.Element{{Prefix: netip.MustParsePrefix("198.51.100.7/32")}} // a foreign one
		if prefix, ok := prefixOf(b); ok && c.kernel != gone {
			kernel = append(kernel, firewall.Element{Prefix: prefix, Timeout: c.kernel})
		}
		if lost := lacking(slices.Values([]event.Ban{b}), listOf(kernel), now); (len(lost) == 1) != c.lost {
			t.Errorf("%s: lost %v, want %v", c.what, lost, c.lost)
		}
	}
}

// A repair waits for the end of what happens, and not for ever.
func TestRepairsWaitForTheEnd(t *testing.T) {
	for _, c := range []struct {
		kicks int // one each millisecond
		took  time.Duration
		want  time.Duration
	}{
		{1, 0, quiet + time.Millisecond},
		{9, 0, quiet + 9*time.Millisecond},
		{100, 0, 4 * quiet},
		{1, 300 * time.Millisecond, 301 * time.Millisecond}, // looking takes long: it is done more seldom
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &repairs{wake: make(chan struct{}, 1), took: c.took}
			kicked := make(chan bool)
			go func() {
				defer close(kicked)
				for range c.kicks {
					<-time.After(time.Millisecond)
					r.kick("test")
				}
			}()
			begin := time.Now()
			r.settle(t.Context())
			if got := time.Since(begin); (got - c.want).Abs() > time.Millisecond {
				t.Errorf("%d kicks after a look of %s: waits %s, want %s", c.kicks, c.took, got, c.want)
			}
			<-kicked
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	(&repairs{wake: make(chan struct{}), took: time.Hour}).settle(ended)
}

// Listing a huge set holds up its bans: the regular look comes seldom there, a real one at once.
func TestTheRegularLookIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		w := &worker{plan: &plan{target: &firewall.Target{}}, jail: jail.New(jail.Options{}), deps: &deps{now: time.Now,
			list: func(...string) (map[string][]firewall.Element, error) {
				looks++
				<-time.After(time.Second)
				return nil, nil
			}}}
		for _, c := range []struct {
			after   time.Duration
			regular bool
			looks   int
		}{{0, true, 1}, {45 * time.Second, true, 1}, {0, false, 2}, {45 * time.Second, true, 2}, {time.Minute, true, 3}} {
			<-time.After(c.after)
			if w.mend(c.regular); looks != c.looks {
				t.Errorf("after %s, regular %v: looked %d times, want %d", c.after, c.regular, looks, c.looks)
			}
		}
	})
}

func TestPaceAndReminder(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var p pace
	for i := range repairBurst {
		if wait := p.wait(now); wait > 0 {
			t.Fatalf("repair %d of the burst waits %s", i, wait)
		}
		p.spend(now)
	}
	p.spend(now)
	if wait := p.wait(now); wait != time.Second || p.calm(now) {
		t.Errorf("after the burst a repair waits %s, calm %v", wait, p.calm(now))
	}
	if later := now.Add(time.Minute); p.wait(later) > 0 || !p.calm(later) {
		t.Errorf("a minute later a repair waits %s, calm %v", p.wait(later), p.calm(later))
	}
	var m reminder
	first, soon, later := m.due(now), m.due(now.Add(time.Second)), m.due(now.Add(remindEvery))
	if !first || soon || !later || !m.stop() || m.stop() || !m.due(now) {
		t.Errorf("a reminder is due %v, %v, %v", first, soon, later)
	}
}
