package action

import (
	"context"
	"sync"
)

// NotifyLimit is how many jobs that may be dropped wait in one queue. Ten minutes of mail at
// one a second are more than anybody reads.
const NotifyLimit = 600

// Queues holds one Queue for each action file: commands of one file run one after another
// across all jails, as they share chains, sets and files; those of different files run side
// by side, so that a slow mail server does not hold up the firewall.
type Queues struct {
	mu     sync.Mutex
	ctx    context.Context
	byFile map[string]*Queue
	closed bool
}

// NewQueues makes the set. When ctx ends, running commands are ended and waiting jobs are run
// with the ended ctx, so that each can say what it did not do.
func NewQueues(ctx context.Context) *Queues {
	return &Queues{ctx: ctx, byFile: map[string]*Queue{}}
}

// For returns the queue of an action file.
func (qs *Queues) For(file string) *Queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.byFile[file]
	if q == nil {
		q = &Queue{wake: make(chan struct{}, 1), done: make(chan struct{}), closed: qs.closed}
		qs.byFile[file] = q
		go q.work(qs.ctx)
	}
	return q
}

// Close lets the queues run empty and returns when all have, or with ctx's error before that.
// Jobs added later are not run.
func (qs *Queues) Close(ctx context.Context) error {
	qs.mu.Lock()
	qs.closed = true
	var all []*Queue
	for _, q := range qs.byFile {
		all = append(all, q)
	}
	qs.mu.Unlock()
	for _, q := range all {
		q.close()
	}
	for _, q := range all {
		select {
		case <-q.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Queue runs jobs one after another in the order they were added.
type Queue struct {
	mu      sync.Mutex
	jobs    []job
	notify  int // waiting jobs that may be dropped
	dropped uint64
	closed  bool
	wake    chan struct{}
	done    chan struct{}
}

type job struct {
	notify bool
	run    func(ctx context.Context)
}

// Add appends a job. notify marks one that leaves nothing behind (Action.NotifyOnly): when
// more than NotifyLimit of those wait, the oldest is dropped and counted. Other jobs are never
// dropped. It reports whether the job was taken: a closed queue takes none.
func (q *Queue) Add(notify bool, run func(ctx context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if notify {
		if q.notify == NotifyLimit {
			q.dropOldest()
		}
		q.notify++
	}
	q.jobs = append(q.jobs, job{notify, run})
	q.signal()
	return true
}

// Do adds a job and waits until it has run, or ctx ends.
func (q *Queue) Do(ctx context.Context, run func(ctx context.Context) error) error {
	result := make(chan error, 1)
	if !q.Add(false, func(work context.Context) { result <- run(work) }) {
		return context.Canceled
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting is how many jobs wait, and how many were dropped since the start.
func (q *Queue) Waiting() (jobs int, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs), q.dropped
}

func (q *Queue) dropOldest() {
	for i, j := range q.jobs {
		if j.notify {
			q.jobs = append(q.jobs[:i], q.jobs[i+1:]...)
			q.notify--
			q.dropped++
			return
		}
	}
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *Queue) next() (j job, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return job{}, false, q.closed
	}
	j = q.jobs[0]
	q.jobs[0] = job{}
	q.jobs = q.jobs[1:]
	if j.notify {
		q.notify--
	}
	return j, true, false
}

func (q *Queue) work(ctx context.Context) {
	defer close(q.done)
	for {
		j, ok, closed := q.next()
		switch {
		case ok:
			j.run(ctx)
		case closed:
			return
		default:
			<-q.wake
		}
	}
}
