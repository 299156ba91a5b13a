package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"gaol/internal/event"
)

// A database of the version before keeps its bans and what led to them.
func TestDatabaseOfTheVersionBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gaol.db")
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	before := migrations()[:6]
	statements := append(before, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, len(before)), fmt.Sprintf(
		`INSERT INTO ban (jail, id, kind, ip, start, "end", renewed, failures, regex, source, reason, manual, matches, fields, times, scope) VALUES
			('sshd', '192.0.2.1', 0, '192.0.2.1', %[1]d, NULL, %[2]d, 3, 'f:1', '/log', '', 0, '["a","b"]', '{"user":"u"}', 2, ''),
			('sshd', '192.0.2.0/24', 1, '', %[2]d, %[1]d, NULL, 1, '', '', 'an "admin", said so', 1, NULL, NULL, 1, 'host'),
			('other', 'some,text', 3, '2001:db8::1', %[1]d, NULL, NULL, 1, 'f:2', '/log', '', 0, NULL, NULL, 1, '');
		UPDATE ban SET lifted = 1 WHERE jail = 'other';
		INSERT INTO ban (jail, id, kind, ip, start, failures, regex, source, reason, manual)
			SELECT jail, id, kind, ip, start, failures, regex, source, reason, manual FROM ban WHERE jail = 'other'`,
		at(0).UnixMicro(), at(9).UnixMicro()))
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string][]event.Ban{"sshd": {
		{Jail: "sshd", ID: "192.0.2.1", IP: "192.0.2.1", Start: at(0), Renewed: at(9), Count: 3, Times: 2, Regex: "f:1", Source: "/log",
			Matches: []string{"a", "b"}, Fields: event.Fields{{Name: "user", Value: "u"}}},
		{Jail: "sshd", ID: "192.0.2.0/24", Kind: event.Network, Start: at(9), End: at(0), Count: 1, Times: 1, Manual: true,
			Reason: `an "admin", said so`, Scope: event.AllPorts},
	}, "other": {{Jail: "other", ID: "some,text", Kind: event.Raw, IP: "2001:db8::1", Start: at(0), Count: 1, Times: 1, Regex: "f:2", Source: "/log"}}}
	s := open(t, path)
	for jail, bans := range want {
		if got := load(t, s, jail).Bans; !reflect.DeepEqual(got, bans) {
			t.Errorf("%s: %+v, want %+v", jail, got, bans)
		}
	}
}

// More bans than are read at once, in their order, each with its evidence; writing one again that
// is Bare, as a restored one is, keeps it.
func TestManyBans(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	const n = 2*briefs + 7
	change := Change{Jail: "sshd"}
	for i := range n {
		id := fmt.Sprint("id ", i)
		change.Bans = append(change.Bans, event.Ban{Jail: "sshd", ID: id, Kind: event.Raw, Start: at(int64(i / 2)), Times: 1, Matches: []string{id}})
	}
	commit(t, s, change)
	state, err := s.Load(t.Context(), "sshd")
	if err != nil || len(state.Bans) != n {
		t.Fatalf("%d bans, want %d: %v", len(state.Bans), n, err)
	}
	for i := range state.Bans {
		state.Bans[i].Times = 2
	}
	commit(t, s, Change{Jail: "sshd", Bans: state.Bans}, Change{Jail: "sshd", Unbans: []string{"id 5"}})
	five := state.Bans[4:7]
	if err := s.Evidence(t.Context(), "sshd", five); err != nil {
		t.Fatal(err)
	}
	for _, b := range five { // of one that is lifted too
		if b.Bare || len(b.Matches) != 1 || b.Matches[0] != b.ID {
			t.Errorf("alone: %+v", b)
		}
	}
	last := event.Ban{}
	for _, b := range load(t, s, "sshd").Bans {
		if b.Bare || b.Times != 2 || len(b.Matches) != 1 || b.Matches[0] != b.ID || b.Start.Before(last.Start) {
			t.Fatalf("%+v behind %+v", b, last)
		}
		last = b
	}
}

// BenchmarkLoad reads what a start needs of 100,000 bans.
func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "gaol.db")
	s, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	change := Change{Jail: "sshd"}
	for n := range 100_000 {
		id := fmt.Sprintf("198.18.%d.%d", n>>8, n&255)
		change.Bans = append(change.Bans, event.Ban{ID: id, IP: id, Start: at(int64(n)), End: at(int64(n) + 600), Times: 1, Count: 5,
			Matches: []string{"Nov 24 13:00:00 host sshd[1]: Failed password for root from " + id + " port 4711 ssh2"}})
	}
	if err := s.Commit(b.Context(), []Change{change}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if state, err := s.Load(b.Context(), "sshd"); err != nil || len(state.Bans) != len(change.Bans) {
			b.Fatal(err)
		}
	}
}
