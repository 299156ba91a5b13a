package filter

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Deltas joined in any number keep rows that are what Snapshot would have written, and name no
// row for removal that was never written.
func TestJoinedDeltasKeepTheMemoryUpToDate(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		f, rows := New(conversation(t)), map[string]string{}
		f.Track()
		var waiting []Delta
		for i := range 300 {
			text := []string{"try al from 192.0.2.1", "fail al from 192.0.2.1", "noip bob", "close 192.0.2.1"}[r.IntN(4)]
			feed(f, fmt.Sprintf("%d %s", r.IntN(9), text))
			if r.IntN(3) > 0 && i < 299 {
				continue
			}
			d, err := f.Delta()
			if err != nil {
				t.Fatal(err)
			}
			if waiting = append(waiting, d); r.IntN(3) > 0 && i < 299 {
				continue
			}
			sum := Join(waiting)
			waiting = nil
			for _, key := range sum.Gone {
				if _, known := rows[key]; !known {
					t.Fatalf("seed %d line %d: row %s is removed, and was never written", seed, i, key)
				}
				delete(rows, key)
			}
			for key, data := range sum.Changed {
				if _, known := rows[key]; known {
					if _, born := sum.Born[key]; born {
						t.Fatalf("seed %d line %d: %s is new, and was there", seed, i, key)
					}
				}
				rows[key] = string(data)
			}
			snapshot, err := f.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			var want []json.RawMessage
			if err := json.Unmarshal(snapshot, &want); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, row := range rows {
				got[row] = true
			}
			for _, w := range want {
				if !got[string(w)] {
					t.Fatalf("seed %d line %d: no row is %s", seed, i, w)
				}
			}
			if len(rows) != len(want) {
				t.Fatalf("seed %d line %d: %d rows, %d connections", seed, i, len(rows), len(want))
			}
		}
	}
}
