package jail

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gaol/internal/event"
)

// offender is the nth address of 198.18.0.0/15.
func offender(n int) string {
	return netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)}).String()
}

func offenders(count int) []string {
	all := make([]string, count)
	for n := range all {
		all[n] = offender(n)
	}
	return all
}

func benchFailure(id string, now time.Time) event.Failure {
	return event.Failure{Jail: "j", ID: id, IP: id, Time: now, Fields: event.Fields{{Name: "user", Value: "admin"}}, Source: "/var/log/auth.log",
		Matches: []string{"Nov 24 13:00:00 host sshd[1]: Failed password for root from " + id + " port 4711 ssh2"}}
}

// A failure that only counts: of an address that is known, and of one that pushes out another.
func BenchmarkFail(b *testing.B) {
	for _, c := range []struct {
		name string
		ids  []string
	}{{"known", offenders(1000)}, {"many", offenders(100_000)}} {
		b.Run(c.name, func(b *testing.B) {
			j, now := New(options(1<<30)), at(0)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				now = now.Add(time.Millisecond)
				if ds := j.Fail(benchFailure(c.ids[n%len(c.ids)], now), now); len(ds) != 0 {
					b.Fatal("banned")
				}
			}
		})
	}
}

// A ban and the end of another, with a thousand in force.
func BenchmarkBanAndLift(b *testing.B) {
	o := options(1)
	o.BanTime = time.Second
	j, now, ids := New(o), at(0), offenders(100_000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		now = now.Add(time.Millisecond)
		if ds := j.Fail(benchFailure(ids[n%len(ids)], now), now); len(ds) == 0 {
			b.Fatal("not banned")
		}
		j.Tick(now)
	}
}

// What a jail with so many bans costs when it comes back, and when nothing is due.
func BenchmarkRestore(b *testing.B) {
	bans := make([]event.Ban, 100_000)
	for n, id := range offenders(len(bans)) {
		bans[n] = event.Ban{Jail: "j", ID: id, IP: id, Start: at(0), End: at(3600), Count: 5, Times: 1}
	}
	var j *Jail
	b.Run(fmt.Sprint(len(bans)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j = New(options(5))
			j.Restore(bans, nil, at(1))
		}
	})
	b.Run("tick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Tick(at(2))
		}
	})
}
