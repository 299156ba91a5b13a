package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/event"
)

func TestTimelineCountsBansAndWhoGotThem(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	ban := func(id string, from, to int64, failures int) event.Ban {
		return event.Ban{ID: id, Start: at(from), End: at(to), Count: failures}
	}
	commit(t, s,
		Change{Jail: "sshd", Time: at(10), Bans: []event.Ban{ban("192.0.2.9", 10, 20, 7)}}, // before
		Change{Jail: "sshd", Time: at(100), Bans: []event.Ban{ban("192.0.2.1", 100, 110, 3)}},
		Change{Jail: "sshd", Time: at(110), Unbans: []string{"192.0.2.1"}},
		Change{Jail: "sshd", Time: at(159), Bans: []event.Ban{ban("192.0.2.1", 159, 9999, 3), ban("192.0.2.3", 159, 170, 4)}},
		Change{Jail: "web", Time: at(160), Bans: []event.Ban{ban("192.0.2.1", 160, 9999, 1), ban("192.0.2.2", 199, 9999, 9)}},
		Change{Jail: "web", Time: at(199), Unbans: []string{"192.0.2.2"}},
	)
	h, err := s.Timeline(t.Context(), at(100), at(200), 20*time.Second, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := event.History{Since: at(100), Step: 20 * time.Second, IDs: 3,
		Jails: map[string][]int{"sshd": {1, 0, 2, 0, 0}, "web": {0, 0, 0, 1, 1}},
		Offenders: []event.Offender{
			{ID: "192.0.2.1", Bans: 3, Failures: 7, Jails: []string{"sshd", "web"}, Last: at(160), Now: true},
			{ID: "192.0.2.2", Bans: 1, Failures: 9, Jails: []string{"web"}, Last: at(199)},
		}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := s.Timeline(t.Context(), at(200), at(100), time.Second, 2); err == nil {
		t.Error("a time to come is counted")
	}
}

// BenchmarkTimeline is what one look at the web page's chart costs with many bans.
func BenchmarkTimeline(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "gaol.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := Change{Jail: "sshd", Time: at(0)}
	for i := range 50_000 {
		c.Bans = append(c.Bans, event.Ban{ID: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), Start: at(int64(i)), Count: 3})
	}
	if err := s.Commit(b.Context(), []Change{c}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Timeline(b.Context(), at(0), at(50_000), time.Hour, 10); err != nil {
			b.Fatal(err)
		}
	}
}
