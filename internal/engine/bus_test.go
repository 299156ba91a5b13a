package engine

import (
	"context"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// hear waits for what to happen, and returns it.
func hear(t *testing.T, from <-chan event.Happening, what event.What) event.Happening {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case h, open := <-from:
			if !open {
				t.Fatalf("%q was never told", what)
			}
			if h.What == what {
				return h
			}
		case <-deadline:
			t.Fatalf("%q was not told in time", what)
		}
	}
}

// What is decided, commanded and read is told, in order, to whoever listens.
func TestWhatHappensIsTold(t *testing.T) {
	r := newRunning(t)
	r.start()
	told := r.e.Subscribe(t.Context(), 100)
	r.fail("203.0.113.7", 3)
	if h := hear(t, told, event.Banned); h.Jail != "sshd" || h.Ban == nil || h.Ban.ID != "203.0.113.7" || h.Ban.Count != 3 || h.Time.IsZero() {
		t.Errorf("told of the ban: %+v", h)
	} else if h.Took <= 0 || h.Took > time.Minute {
		t.Errorf("the ban took %v from reading its last line to the kernel", h.Took)
	}
	r.do(control.Unban{ID: "203.0.113.7"})
	if h := hear(t, told, event.Unbanned); h.Ban.ID != "203.0.113.7" || h.Reason != "by command" {
		t.Errorf("told of the unban: %+v", h)
	}
	r.do(control.Allow{ID: "203.0.113.7", Reason: "ours"})
	if h := hear(t, told, event.Allowed); h.Ban.ID != "203.0.113.7" || h.Reason != "ours" {
		t.Errorf("told of the allowance: %+v", h)
	}
	r.fail("203.0.113.7", 3)
	hear(t, told, event.Spared)
	r.do(control.Disallow{ID: "203.0.113.7"})
	hear(t, told, event.Disallowed)
	r.do(control.Reload{Restart: true})
	hear(t, told, event.JailStarted)
	hear(t, told, event.Reloaded)
	r.write("conf/jail.local", "[sshd]\nenabled = false\n")
	r.do(control.Reload{})
	if h := hear(t, told, event.JailStopped); h.Jail != "sshd" {
		t.Errorf("told of the end of the jail: %+v", h)
	}
	r.end()
	if _, open := <-drained(told); open {
		t.Error("the channel is open after the end")
	}
}

// drained reads a channel to its end.
func drained(from <-chan event.Happening) <-chan event.Happening {
	for range from { //nolint:revive // to its end
	}
	return from
}

// Who does not listen holds nobody up, and hears later how much was missed and what came last.
func TestASlowSubscriberIsToldWhatItMissed(t *testing.T) {
	b := newBus(time.Now)
	ctx, leave := context.WithCancel(t.Context())
	slow, quick := b.Subscribe(ctx, 2), b.Subscribe(t.Context(), 100)
	const all = 50
	for n := range uint64(all) {
		b.publish(event.Happening{What: event.Banned, Count: n})
	}
	for n := range uint64(all) {
		if h := <-quick; h.Count != n {
			t.Fatalf("heard %d, want %d", h.Count, n)
		}
	}
	var heard, missed uint64
	for last := false; !last; {
		if h := <-slow; h.What == event.Missed {
			missed += h.Count
		} else {
			heard++
			last = h.Count == all-1
		}
	}
	// One may have left the queue before it was full.
	if heard < 2 || heard > 3 || heard+missed != all {
		t.Errorf("heard %d and missed %d of %d", heard, missed, all)
	}
	leave()
	drained(slow)
	b.publish(event.Happening{What: event.Banned, Count: all})
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if h := <-quick; h.Count != all {
		t.Errorf("what was told before the end was lost: %+v", h)
	}
	drained(quick)
	drained(b.Subscribe(t.Context(), 1)) // after the end
}
