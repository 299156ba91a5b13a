package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gaol/internal/event"
)

// BenchmarkCommitMany writes 10,000 new bans, in transactions of so many.
func BenchmarkCommitMany(b *testing.B) {
	for _, each := range []int{1000, 4000, 10000} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			bans := make([]event.Ban, 10000)
			at := time.Unix(1.7e9, 0)
			for i := range bans {
				id := fmt.Sprintf("198.18.%d.%d", i>>8, i&255)
				bans[i] = event.Ban{ID: id, IP: id, Start: at, End: at.Add(time.Hour), Count: 1, Regex: "filter.d/sshd.conf:42", Source: "/var/log/auth.log",
					Matches: []string{"2026-11-24T12:00:00.000000+00:00 host sshd[1000]: Failed password for invalid user admin from " + id + " port 22 ssh2"},
					Fields:  event.FieldsOf(map[string]string{"user": "admin", "ip4": id, "mlfid": " host sshd[1000]: "})}
			}
			var cpu time.Duration
			for range b.N {
				b.StopTimer()
				s, err := Open(filepath.Join(b.TempDir(), "state"))
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				began := spent()
				for n := 0; n < len(bans); n += each {
					if err := s.Commit(b.Context(), []Change{{Jail: "sshd", Time: at, Bans: bans[n:min(n+each, len(bans))]}}); err != nil {
						b.Fatal(err)
					}
				}
				cpu += spent() - began
				b.StopTimer()
				_ = s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/float64(len(bans)), "cpu-us/ban")
		})
	}
}
