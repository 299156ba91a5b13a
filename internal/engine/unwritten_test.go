package engine

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/store"
)

// Bans of a burst wait for each other before they are written down, for a bounded time and up to a
// bounded number, and never behind what comes after them.
func TestBansOfABurstAreWrittenTogether(t *testing.T) {
	now := time.Unix(1e9, 0)
	var handed []store.Change
	w := &worker{plan: &plan{conf: config.Jail{Name: "sshd"}}, log: slog.New(slog.DiscardHandler), behind: true, saved: now}
	w.deps = &deps{now: func() time.Time { return now }, maxMatches: func() int { return 1 }, commit: func(c store.Change) <-chan error {
		handed = append(handed, c)
		done := make(chan error, 1)
		done <- nil
		return done
	}}
	total := 0
	ban := func(n int) {
		bans := make([]event.Ban, n)
		for i := range bans {
			total++
			bans[i] = event.Ban{ID: fmt.Sprint(total), Matches: []string{"old", "new"}}
		}
		w.record(bans, now)
	}
	written := func(what string, want int) {
		t.Helper()
		got := 0
		for _, c := range handed {
			if len(c.Bans) > writeMost {
				t.Errorf("%s: a change of %d bans", what, len(c.Bans))
			}
			for _, b := range c.Bans {
				if got++; b.ID != fmt.Sprint(got) || len(b.Matches) != 1 || b.Matches[0] != "new" {
					t.Fatalf("%s: ban %d is %+v", what, got, b)
				}
			}
		}
		if got != want {
			t.Errorf("%s: %d bans are written, want %d", what, got, want)
		}
	}
	ban(1)
	ban(1)
	if !w.rests() || !w.unsaved.Equal(now.Add(restsFor)) {
		t.Errorf("the worker comes back at %s", w.unsaved)
	}
	written("behind", 0)
	now = now.Add(restsFor)
	w.rests()
	written("after the time", 2)
	ban(restBans)
	written("as many as may wait", total)
	ban(1)
	if w.commit(store.Change{Reason: "next"}); handed[len(handed)-1].Reason != "next" {
		t.Error("a ban is written behind what came after it")
	}
	written("with the next change", total)
	ban(1)
	w.written()
	written("who waits for what is written", total)
	ban(1)
	w.behind, w.pause = false, time.Minute
	w.rests()
	written("at the log's end", total)
	ban(1)
	written("without a burst", total)
}
