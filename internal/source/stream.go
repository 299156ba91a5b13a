package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"gaol/internal/event"
)

// streamOptions says which log to read through the engine's API and where to begin.
type streamOptions struct {
	id, name string
	tty      bool
	open     LogOpener
	resume   event.Mark // Source empty: from since
	since    time.Time
	backoff  func(failures int) time.Duration
}

// overlap is how far behind the newest piece a mark lies: a program's two streams are written
// down by two threads, so times go back a little.
const overlap = 100 * time.Millisecond

// streamSource reads a container's log through the engine's API, for drivers whose files are
// not to be read by others (local, and those with a cache beside them).
//
// The stream can only be asked for from a time on, and lines of one time are many. The engine
// tells a log in the order it was written, so from one time on it is the same sequence each
// time it is asked. A mark is therefore a time, how many pieces from it on were taken in, and
// the newest time among them: these pieces are taken in once more in silence. If the engine
// threw some of them away since (max-size), a piece newer than the newest ends that.
//
// A log is first read up to the present, whose end is the batch's End, and then followed. The
// stream ends when the container stops; poke tells that it may have started again.
type streamSource struct {
	o     streamOptions
	out   chan event.Batch
	wake  chan struct{}
	life  context.Context
	end   context.CancelFunc
	done  chan struct{}
	once  sync.Once
	mark  event.Mark
	join  joiner
	seen  []int64 // times of the pieces from mark's time on that were taken in
	first int64   // mark's time
	last  int64   // the newest of them
	skip  int64   // newest time among those to be taken in in silence
}

func openStream(o streamOptions) *streamSource {
	if o.backoff == nil {
		o.backoff = backoff
	}
	s := &streamSource{o: o, mark: o.resume, out: make(chan event.Batch), wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	go s.run()
	return s
}

// poke has an ended stream opened again at once.
func (s *streamSource) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *streamSource) run() {
	defer close(s.done)
	follow, failures, told := false, 0, ""
	for s.life.Err() == nil {
		got, err := s.read(follow)
		if s.life.Err() != nil {
			return
		}
		if err != nil && err.Error() != told {
			told = err.Error()
			s.send(event.Batch{Source: s.o.name, Err: err})
		} else if err == nil && !follow {
			follow = true
			s.send(event.Batch{Source: s.o.name, Mark: s.mark, End: true, Known: s.known()})
			continue
		}
		failures++
		if got {
			failures, told = 1, ""
		}
		timer := time.NewTimer(s.o.backoff(failures))
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.life.Done():
		}
		timer.Stop()
	}
}

// read opens the stream once and reads it to its end.
func (s *streamSource) read(follow bool) (got bool, err error) {
	since := s.begin()
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	in, err := s.o.open(ctx, s.o.id, since, follow)
	if err != nil {
		return false, err
	}
	defer in.Close()
	stop := context.AfterFunc(ctx, func() { in.Close() })
	defer stop()
	r := newLogReader(in, s.o.tty)
	for {
		b, err := s.batch(r, follow)
		if len(b.Lines) > 0 {
			got = true
			s.send(b)
		}
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, fmt.Errorf("%s: %w", s.o.name, err)
		}
	}
}

// begin goes back to the mark.
func (s *streamSource) begin() (since time.Time) {
	m, n := replayOf(s.mark)
	newest, err := strconv.ParseInt(m.Cursor, 10, 64)
	s.join, s.seen = joiner{}, nil
	if m.Source == "" || err != nil {
		s.first, s.last, s.skip = 0, 0, 0
		if !s.o.since.IsZero() {
			s.first = s.o.since.UnixNano()
		}
		return s.o.since
	}
	s.join.replay, s.first, s.last, s.skip = n, m.Offset, newest, newest
	return time.Unix(0, m.Offset)
}

// batch waits for one piece and takes what came with it.
func (s *streamSource) batch(r *logReader, follow bool) (event.Batch, error) {
	b := event.Batch{Source: s.o.name, Known: s.known()}
	now := time.Time{}
	for {
		p, err := r.next()
		if err != nil {
			s.advance(&b)
			return b, err
		}
		if now.IsZero() {
			now = time.Now()
		}
		at := p.time.UnixNano()
		if at < s.first {
			continue // an engine that knows whole seconds only
		}
		if at > s.skip {
			s.join.replay = 0
		}
		s.seen = append(s.seen, at)
		s.last = max(s.last, at)
		s.join.take(p, event.Mark{}, now, func(l event.Line, over bool) {
			b.Lines = append(b.Lines, l)
			if over {
				b.Cut++
			}
		})
		if !r.whole() || len(b.Lines) >= MaxBatchLines {
			b.End = follow && len(b.Lines) < MaxBatchLines
			s.advance(&b)
			return b, nil
		}
	}
}

// advance sets the mark behind what was taken in. While pieces are taken in in silence, nothing
// was handed out that the mark does not count.
func (s *streamSource) advance(b *event.Batch) {
	if s.join.replay == 0 && len(s.seen) > 0 {
		first := s.last - int64(overlap)
		for _, o := range s.join.open {
			first = min(first, o.time.UnixNano())
		}
		s.first = max(s.first, first)
		keep := s.seen[:0]
		for _, at := range s.seen {
			if at >= s.first {
				keep = append(keep, at)
			}
		}
		s.seen = keep
		s.mark = withReplay(event.Mark{Source: s.o.name, Offset: s.first, Cursor: strconv.FormatInt(s.last, 10)}, len(keep))
	}
	b.Mark = s.mark
}

func (s *streamSource) known() bool { return s.o.resume.Source != "" }

func (s *streamSource) send(b event.Batch) {
	select {
	case s.out <- b:
	case <-s.life.Done():
	}
}

// Next is as Source says.
func (s *streamSource) Next(ctx context.Context) (event.Batch, error) {
	select {
	case b := <-s.out:
		return b, nil
	case <-ctx.Done():
		return event.Batch{}, ctx.Err()
	case <-s.life.Done():
		return event.Batch{}, ErrClosed
	}
}

// Watched is the log's name.
func (s *streamSource) Watched() []string { return []string{s.o.name} }

// Close ends Next and the stream.
func (s *streamSource) Close() error {
	s.once.Do(func() { s.end(); <-s.done })
	return nil
}
