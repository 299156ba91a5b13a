package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/store"
)

// A disk that does not answer holds the jail up only when underWay changes wait for it.
func TestChangesUnderWayAreBounded(t *testing.T) {
	asked, answers := make(chan store.Change, underWay+1), make([]chan error, 0, underWay+1)
	w := &worker{plan: &plan{conf: config.Jail{Name: "sshd"}}, log: slog.New(slog.DiscardHandler)}
	w.deps = &deps{commit: func(c store.Change) <-chan error {
		done := make(chan error, 1)
		answers = append(answers, done)
		asked <- c
		return done
	}}
	for range underWay {
		w.commit(store.Change{}) // hangs the test where it waits
	}
	over := make(chan struct{})
	go func() { defer close(over); w.commit(store.Change{Reason: "last"}) }()
	for range underWay {
		<-asked
	}
	select {
	case <-over:
		t.Fatal("one more change did not wait")
	case c := <-asked:
		t.Fatalf("one more change was handed on: %+v", c)
	case <-time.After(20 * time.Millisecond):
	}
	answers[0] <- nil
	<-over
	if c := <-asked; c.Reason != "last" {
		t.Errorf("handed on %+v", c)
	}
	for _, done := range answers[1:] {
		done <- nil
	}
	if w.written(); len(w.pending) != 0 {
		t.Errorf("%d changes are still under way", len(w.pending))
	}
}

// countedWrites is a writer that knows how often it was written to.
type countedWrites struct {
	bytes.Buffer
	writes int
}

func (c *countedWrites) Write(b []byte) (int, error) { c.writes++; return c.Buffer.Write(b) }

// What is logged in a batch comes in one write behind it, in its order.
func TestHeldLogIsOneWrite(t *testing.T) {
	out := &countedWrites{}
	held := &heldLog{next: NewLogHandler(out, slog.LevelInfo)}
	log := slog.New(held)
	log.Info("before")
	release := held.hold()
	held.hold()() // of a batch within the batch
	for _, what := range []string{"one", "two", "three"} {
		log.Info(what)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("%d lines came while they were held", n)
	}
	release()
	log.Info("behind")
	var words []string
	for line := range strings.Lines(out.String()) {
		words = append(words, line[strings.LastIndexByte(line, ' ')+1:len(line)-1])
	}
	if got := strings.Join(words, " "); got != "before one two three behind" || out.writes != 3 {
		t.Errorf("%d writes of %q", out.writes, got)
	}
}

// Positions and counts are written at once where few change. Where many do, and where reading is
// behind, they rest for a bounded time and are not forgotten.
func TestSavesRestInABurst(t *testing.T) {
	now := time.Unix(1e9, 0)
	w := &worker{saved: now, deps: &deps{now: func() time.Time { return now }}}
	if w.rests() {
		t.Error("a quiet log waits")
	}
	w.behind = true
	if !w.rests() || !w.unsaved.Equal(now.Add(saveEvery)) {
		t.Errorf("behind: it is written at %s", w.unsaved)
	}
	w.behind, w.pause = false, 50*time.Millisecond
	if !w.rests() || !w.unsaved.Equal(now.Add(w.pause)) {
		t.Errorf("after many rows: it is written at %s", w.unsaved)
	}
	if now = now.Add(w.pause); w.rests() {
		t.Error("it waits for more than the pause")
	}
	if now = now.Add(-time.Hour); w.rests() {
		t.Error("it waits for a clock that was set back")
	}
}
