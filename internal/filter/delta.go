package filter

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Delta is how the memory for connections changed between two moments. It is not changed once
// it is made, so many may hold it: jails with the same filter on the same log share a memory,
// and each writes it down when it writes down its position.
type Delta struct {
	Changed map[string][]byte   // connections that are new or different, as elements of what Restore takes
	Born    map[string]struct{} // those of Changed that are new
	Gone    []string            // forgotten ones that were there before, sorted
}

// Empty says that nothing changed.
func (d Delta) Empty() bool { return len(d.Changed)+len(d.Gone) == 0 }

// Delta returns what happened to the memory since the last call of it or Changes, or since Track.
// A connection that came and went in between is not in it.
func (f *Filter) Delta() (d Delta, err error) {
	touched := f.memory.touched
	if len(touched) == 0 {
		return Delta{}, nil
	}
	for key, born := range touched {
		c := f.memory.byKey[key]
		if c == nil {
			if !born {
				d.Gone = append(d.Gone, key)
			}
			continue
		}
		if d.Changed == nil {
			d.Changed, d.Born = map[string][]byte{}, map[string]struct{}{}
		}
		if d.Changed[key], err = json.Marshal(c); err != nil {
			return Delta{}, fmt.Errorf("write filter memory: %w", err)
		}
		if born {
			d.Born[key] = struct{}{}
		}
	}
	clear(touched)
	slices.Sort(d.Gone)
	return d, nil
}

// Join is one delta for several that follow each other, oldest first.
func Join(ds []Delta) Delta {
	if len(ds) == 0 {
		return Delta{}
	}
	if len(ds) == 1 {
		return ds[0]
	}
	sum := Delta{Changed: map[string][]byte{}, Born: map[string]struct{}{}}
	gone := map[string]struct{}{}
	for _, d := range ds {
		for _, key := range d.Gone {
			delete(sum.Changed, key)
			if _, born := sum.Born[key]; !born {
				gone[key] = struct{}{}
			}
			delete(sum.Born, key)
		}
		for key, data := range d.Changed {
			if _, born := d.Born[key]; born {
				if _, before := gone[key]; before {
					delete(gone, key) // the store has its row still
				} else {
					sum.Born[key] = struct{}{}
				}
			}
			sum.Changed[key] = data
		}
	}
	for key := range gone {
		sum.Gone = append(sum.Gone, key)
	}
	slices.Sort(sum.Gone)
	return sum
}
