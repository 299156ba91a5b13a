package store

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gaol/internal/event"
)

func past(t *testing.T, s *Store, jail, id string) (int, int64) {
	t.Helper()
	n, last, err := s.Past(context.Background(), jail, id)
	if err != nil {
		t.Fatal(err)
	}
	if last.IsZero() {
		return n, 0
	}
	return n, last.Unix() - at(0).Unix()
}

// The newest ban of each jail tells how often; what was forgiven counts no more.
func TestPast(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	ban := func(jail, id string, start int64, times int) {
		commit(t, s, Change{Jail: jail, Time: at(start), Bans: []event.Ban{{ID: id, Start: at(start), End: at(start + 60), Times: times}}},
			Change{Jail: jail, Time: at(start + 60), Unbans: []string{id}})
	}
	want := func(jail, id string, times int, last int64) {
		t.Helper()
		if n, at := past(t, s, jail, id); n != times || at != last {
			t.Errorf("past of %s in %q: %d times, last %d; want %d, %d", id, jail, n, at, times, last)
		}
	}
	want("j", "a", 0, 0)
	ban("j", "a", 100, 1)
	ban("j", "a", 300, 2)
	ban("k", "a", 200, 5)
	ban("k", "b", 400, 1)
	want("j", "a", 2, 300)
	want("k", "a", 5, 200)
	want("", "a", 7, 300)
	commit(t, s, Change{Jail: "j", Forgiven: []string{"a"}})
	want("j", "a", 0, 0)
	want("", "a", 5, 200)
	ban("j", "a", 500, 1)
	want("j", "a", 1, 500)
	commit(t, s, Change{Jail: "k", ForgiveAll: true})
	want("", "a", 1, 500)
	want("", "b", 0, 0)
}

// An id's newest ban outlives its age by three times its length, its text does not (§4.7).
func TestPurgeKeepsThePast(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	for i, start := range []int64{0, 1000} {
		commit(t, s, Change{Jail: "j", Time: at(start), Bans: []event.Ban{{ID: "a", Start: at(start), End: at(start + 600),
			Times: i + 1, Matches: []string{"line"}, Fields: event.Fields{{Name: "user", Value: "u"}}}}},
			Change{Jail: "j", Time: at(start + 600), Unbans: []string{"a"}})
	}
	for _, c := range []struct {
		now         int64
		rows, times int
	}{{3600 + 601, 1, 2}, {3600 + 2800, 1, 2}, {3600 + 2801, 0, 0}} {
		if err := s.Purge(context.Background(), at(c.now), time.Hour, []string{"j"}); err != nil {
			t.Fatal(err)
		}
		all, err := s.History(context.Background(), "j", "a", 10)
		if err != nil || len(all) != c.rows {
			t.Errorf("at %d: %v, history %+v; want %d", c.now, err, all, c.rows)
		}
		if n, _ := past(t, s, "j", "a"); n != c.times {
			t.Errorf("at %d: past %d, want %d", c.now, n, c.times)
		}
		if c.now > 3600+1600 && len(all) > 0 && len(all[0].Ban.Matches)+len(all[0].Ban.Fields) > 0 {
			t.Errorf("at %d: text of the log is kept: %+v", c.now, all[0].Ban)
		}
	}
}

// A prefix is written down before the kernel gets it, and forgotten when the kernel let it go.
func TestFoldsAreKnownUntilTheKernelLetThemGo(t *testing.T) {
	s, err := Open(t.TempDir() + "/gaol.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		change Change
		want   []string
	}{
		{Change{Jail: "sshd", Folds: []string{"192.0.2.0/24", "192.0.2.0/25"}}, []string{"192.0.2.0/24", "192.0.2.0/25"}},
		{Change{Jail: "web", Unfolds: []string{"192.0.2.0/24"}}, []string{"192.0.2.0/24", "192.0.2.0/25"}},
		{Change{Jail: "sshd", Folds: []string{"192.0.2.0/24"}, Unfolds: []string{"192.0.2.0/25"}}, []string{"192.0.2.0/24"}},
	} {
		if err := s.Commit(t.Context(), []Change{c.change}); err != nil {
			t.Fatal(err)
		}
		state, err := s.Load(t.Context(), "sshd")
		if err != nil || !slices.Equal(state.Folds, c.want) {
			t.Errorf("after %+v: %v, %v", c.change, state.Folds, err)
		}
	}
}

// dbmaxmatches was lowered: the oldest lines of all bans go.
func TestTrim(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	commit(t, s, Change{Jail: "sshd", Bans: []event.Ban{{ID: "a", Matches: []string{"1", "2", "3"}}, {ID: "b", Matches: []string{"1"}}, {ID: "c"}}})
	for _, want := range [][]string{{"1", "2", "3"}, {"2", "3"}, {}} {
		if err := s.Trim(t.Context(), len(want)); err != nil {
			t.Fatal(err)
		}
		bans := load(t, s, "sshd").Bans
		if !slices.Equal(bans[0].Matches, want) || len(bans[1].Matches) != min(len(want), 1) || bans[2].Matches != nil {
			t.Errorf("at most %d: %+v", len(want), bans)
		}
	}
}
