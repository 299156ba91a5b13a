package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/store"
)

// BenchmarkStart is a start with 100,000 bans in the store; the firewall's twin in memory takes
// no time, so that what is left is ours.
func BenchmarkStart(b *testing.B) {
	const bans = 100_000
	dir := b.TempDir()
	r := &running{t: &testing.T{}, dir: dir}
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, filepath.Join(dir, "auth.log")))
	r.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n")
	r.write("auth.log", "")
	seed(b, filepath.Join(dir, "state", "gaol.db"), bans)
	load := func() (*config.Config, []config.Problem) {
		return config.Load(config.LoadOptions{Dir: filepath.Join(dir, "conf")})
	}
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		e, closeAll, err := start(ctx, Options{Load: load, StateDir: filepath.Join(dir, "state"), Alone: true,
			Firewall: firewall.NewMemory(), Log: slog.New(NewLogHandler(io.Discard, Notice))})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if n := len(e.workers["sshd"].jail.Bans()); n != bans {
			b.Errorf("%d bans came back, want %d", n, bans)
		}
		cancel()
		if err := closeAll(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// seed writes so many bans of the jail sshd into a store.
func seed(b *testing.B, path string, bans int) {
	b.Helper()
	s, err := store.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	change := store.Change{Jail: "sshd", Time: now}
	for n := range bans {
		id := netip.AddrFrom4([4]byte{198, 18 + byte(n>>16), byte(n >> 8), byte(n)}).String()
		change.Bans = append(change.Bans, event.Ban{
			ID: id, Kind: event.Address, IP: id, Start: now, End: now.Add(time.Hour), Count: 3, Times: 1,
			Matches: []string{"host sshd[1000]: Failed password for invalid user admin from " + id + " port 4711 ssh2"},
			Fields:  event.Fields{{Name: "user", Value: "admin"}}, Regex: "/etc/fail2ban/filter.d/sshd.conf:48", Source: "/var/log/auth.log",
		})
	}
	if err := s.Commit(b.Context(), []store.Change{change}); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
