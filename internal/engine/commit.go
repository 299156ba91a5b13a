package engine

import (
	"context"

	"gaol/internal/store"
)

// committer writes the changes of all jails to the store, as many as wait in one
// transaction: with fifty jails under attack, one write to disk serves them all.
type committer struct {
	store *store.Store
	queue chan commitRequest
}

type commitRequest struct {
	change store.Change
	done   chan error
}

func newCommitter(s *store.Store) *committer {
	return &committer{store: s, queue: make(chan commitRequest, 256)}
}

// run serves until the queue is closed.
func (c *committer) run() {
	for first := range c.queue {
		batch := []commitRequest{first}
	drain:
		for len(batch) < cap(c.queue) {
			select {
			case more, open := <-c.queue:
				if !open {
					break drain
				}
				batch = append(batch, more)
			default:
				break drain
			}
		}
		changes := make([]store.Change, len(batch))
		for i, r := range batch {
			changes[i] = r.change
		}
		// Not the daemon's context: what was taken in must be written, also while stopping.
		err := c.store.Commit(context.Background(), changes)
		for _, r := range batch {
			r.done <- err
		}
	}
}

// commit queues a change; the channel yields the outcome once it is on disk.
func (c *committer) commit(ch store.Change) <-chan error {
	done := make(chan error, 1)
	c.queue <- commitRequest{ch, done}
	return done
}
