package store

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gaol/internal/event"
)

// model is what a store of one jail must hold, in maps.
type model struct {
	marks   map[string]event.Mark
	tallies map[string]event.Tally
	bans    map[string]event.Ban
	unbans  map[string]bool
	memory  map[string][]byte
}

func newModel() *model {
	return &model{map[string]event.Mark{}, map[string]event.Tally{}, map[string]event.Ban{}, map[string]bool{}, map[string][]byte{}}
}

func (m *model) apply(c Change) {
	for _, mark := range c.Marks {
		m.marks[mark.Source] = mark
	}
	for _, t := range c.Tallies {
		m.tallies[t.ID] = t
	}
	for _, id := range c.GoneTallies {
		delete(m.tallies, id)
	}
	for _, id := range c.Confirmed {
		delete(m.unbans, id)
	}
	for _, id := range c.Unbans {
		delete(m.bans, id)
		m.unbans[id] = true
	}
	for _, b := range c.Bans {
		if b.Bare { // what led to it stays
			was := m.bans[b.ID]
			b.Matches, b.Fields, b.Regex, b.Source, b.Bare = was.Matches, was.Fields, was.Regex, was.Source, false
		}
		b.Jail = c.Jail
		m.bans[b.ID] = b
		delete(m.unbans, b.ID)
	}
	for _, key := range c.Forgotten {
		delete(m.memory, key)
	}
	maps.Copy(m.memory, c.Memory)
}

// remembered are the entries in the order of their keys, as SQLite compares them: by bytes.
func (m *model) remembered() (all [][]byte) {
	for _, key := range slices.Sorted(maps.Keys(m.memory)) {
		all = append(all, m.memory[key])
	}
	return all
}

func (m *model) state() State {
	return State{
		Marks: slices.Collect(maps.Values(m.marks)), Tallies: slices.Collect(maps.Values(m.tallies)),
		Bans: slices.Collect(maps.Values(m.bans)), Unbanned: slices.Collect(maps.Keys(m.unbans)), Memory: m.remembered(),
	}
}

// Ids are any bytes (usedns = raw); lines come decoded from the filter.
func drawID(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1", "192.0.2.0/24", "a'; DROP TABLE ban; --", "nul\x00byte", "\xff\xfe", ""}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3), func(b []byte) string { return string(b) }),
	).Draw(t, "id")
}

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.IntRange(0, 9).Draw(t, label+" unset") == 0 {
		return time.Time{}
	}
	return time.UnixMicro(rapid.Int64Range(-1<<50, 1<<55).Draw(t, label))
}

func drawFields(t *rapid.T) event.Fields {
	return event.FieldsOf(rapid.MapOfN(rapid.StringN(1, 5, -1), rapid.String(), 0, 3).Draw(t, "fields"))
}

func drawMatches(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "matches")
}

func drawTally(t *rapid.T) event.Tally {
	return event.Tally{
		ID: drawID(t), Kind: event.IDKind(rapid.IntRange(0, 3).Draw(t, "kind")), IP: rapid.String().Draw(t, "ip"),
		First: drawTime(t, "first"), Last: drawTime(t, "last"),
		Count: rapid.Int().Draw(t, "count"), Failures: rapid.Int().Draw(t, "failures"),
		Matches: drawMatches(t), Fields: drawFields(t), Regex: rapid.String().Draw(t, "regex"), Source: drawID(t),
	}
}

func drawBan(t *rapid.T) event.Ban {
	b := event.Ban{
		ID: drawID(t), Kind: event.IDKind(rapid.IntRange(0, 3).Draw(t, "kind")), IP: rapid.String().Draw(t, "ip"),
		Start: drawTime(t, "start"), End: drawTime(t, "end"), Renewed: drawTime(t, "renewed"), Count: rapid.Int().Draw(t, "count"),
		Matches: drawMatches(t), Fields: drawFields(t), Regex: rapid.String().Draw(t, "regex"), Source: drawID(t),
		Reason: rapid.String().Draw(t, "reason"), Manual: rapid.Bool().Draw(t, "manual"), Scope: rapid.SampledFrom([]string{"", event.AllPorts}).Draw(t, "scope"),
	}
	if b.Bare = rapid.Bool().Draw(t, "bare"); b.Bare {
		b.Matches, b.Fields, b.Regex, b.Source = nil, nil, "", ""
	}
	return b
}

func drawChange(t *rapid.T) Change {
	ids := rapid.SliceOfN(rapid.Custom(drawID), 0, 3)
	return Change{
		Jail: rapid.SampledFrom([]string{"sshd", "ssh'd"}).Draw(t, "jail"),
		Marks: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Mark {
			return event.Mark{Source: drawID(t), Inode: rapid.Uint64().Draw(t, "inode"), Hash: drawID(t),
				Offset: rapid.Int64().Draw(t, "offset"), Cursor: drawID(t)}
		}), 0, 2).Draw(t, "marks"),
		Tallies:     rapid.SliceOfN(rapid.Custom(drawTally), 0, 3).Draw(t, "tallies"),
		GoneTallies: ids.Draw(t, "gone"), Confirmed: ids.Draw(t, "confirmed"), Unbans: ids.Draw(t, "unbans"),
		Bans:      rapid.SliceOfN(rapid.Custom(drawBan), 0, 3).Draw(t, "bans"),
		Forgotten: ids.Draw(t, "forgotten"),
		Memory:    rapid.MapOfN(rapid.Custom(drawID), rapid.SampledFrom([][]byte{{}, {1, 0, 255}, []byte("memory")}), 0, 3).Draw(t, "memory"),
	}
}

// TestCommitLoadLikeMaps drives the store and maps with the same changes, with reopening in
// between: both must hold the same.
func TestCommitLoadLikeMaps(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, time.Now().Format("150405.000000000"), "gaol.db")
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		models := map[string]*model{"sshd": newModel(), "ssh'd": newModel()}
		for range rapid.IntRange(1, 6).Draw(t, "commits") {
			changes := rapid.SliceOfN(rapid.Custom(drawChange), 0, 3).Draw(t, "changes")
			if err := s.Commit(context.Background(), changes); err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				models[c.Jail].apply(c)
			}
			if rapid.IntRange(0, 4).Draw(t, "reopen") == 0 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(path); err != nil {
					t.Fatal(err)
				}
			}
			for jail, m := range models {
				got, err := whole(s, jail)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(m.state(), got, sameState()); diff != "" {
					t.Fatalf("jail %s (-want +got):\n%s", jail, diff)
				}
			}
		}
	})
}

// sameState ignores order and the difference between nil and empty.
func sameState() cmp.Option {
	return cmp.Options{
		cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b event.Mark) bool { return a.Source < b.Source }),
		cmpopts.SortSlices(func(a, b event.Tally) bool { return a.ID < b.ID }),
		cmpopts.SortSlices(func(a, b event.Ban) bool { return a.ID < b.ID }),
		cmp.Transformer("unbanned", func(s State) State { slices.Sort(s.Unbanned); return s }),
	}
}
