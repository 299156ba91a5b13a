package store

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"gaol/internal/event"
)

// BenchmarkCommit is one transaction: with one ban, and with many, none of them there before.
func BenchmarkCommit(b *testing.B) {
	for _, count := range []int{1, 1000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "gaol.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			b.ReportAllocs()
			for n := 0; b.Loop(); {
				change := Change{Jail: "sshd", Time: at(int64(n)), Marks: []event.Mark{{Source: "/var/log/auth.log", Inode: 1, Offset: int64(n)}}}
				for range count {
					n++
					id := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
					change.Bans = append(change.Bans, event.Ban{ID: id, IP: id, Start: at(int64(n)), End: at(int64(n) + 600), Times: 1, Count: 5,
						Matches: []string{"Nov 24 13:00:00 host sshd[1]: Failed password for root from " + id + " port 4711 ssh2"}})
				}
				if err := s.Commit(b.Context(), []Change{change}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
