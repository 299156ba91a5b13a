package replay

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"gaol/internal/date"
)

// blockSize is how much text is handed over at once, so that reading and unpacking a log goes on
// beside matching.
const blockSize = 256 << 10

// block is lines one behind the other.
type block struct {
	text []byte
	ends []int
}

// reader is a file being read: its own goroutine fills blocks, the replay empties them.
type reader struct {
	file   File
	tracks []*track
	order  *date.Detector // finds the stamps by which several files are merged
	full   chan *block
	empty  chan *block
	err    error // of the goroutine; to be read when full is closed

	now  *block // being emptied
	line int    // of it
	head time.Time
	done bool
}

func open(ctx context.Context, f File) *reader {
	r := &reader{file: f, full: make(chan *block, 2), empty: make(chan *block, 3)}
	for range cap(r.empty) {
		r.empty <- &block{text: make([]byte, 0, blockSize+blockSize/4)}
	}
	go r.fill(ctx)
	return r
}

// fill reads the file to its end.
func (r *reader) fill(ctx context.Context) {
	defer close(r.full)
	b := <-r.empty
	send := func() bool {
		select {
		case r.full <- b:
		case <-ctx.Done():
			return false
		}
		select {
		case b = <-r.empty:
		case <-ctx.Done():
			return false
		}
		return true
	}
	live := true
	r.err = r.file.Read(func(text string) {
		if !live {
			return
		}
		b.text = append(b.text, text...)
		b.ends = append(b.ends, len(b.text))
		if len(b.text) >= blockSize {
			live = send()
		}
	})
	if live && len(b.ends) > 0 {
		send()
	}
}

// text is the line at hand; valid until the next advance.
func (r *reader) text() string {
	from := 0
	if r.line > 0 {
		from = r.now.ends[r.line-1]
	}
	b := r.now.text[from:r.now.ends[r.line]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// advance goes to the next line; false: there is none, or the file cannot be read (err).
func (r *reader) advance() bool {
	r.line++
	for r.now == nil || r.line >= len(r.now.ends) {
		if r.now != nil {
			r.now.text, r.now.ends = r.now.text[:0], r.now.ends[:0]
			r.empty <- r.now
		}
		r.line = 0
		if r.now = <-r.full; r.now == nil {
			r.done = true
			return false
		}
	}
	return true
}

// merge reads several files as one log, in the order of their stamps. A line without one stays
// behind the line it follows.
type merge struct {
	now     time.Time
	readers []*reader
}

// each calls do for every line.
func (m *merge) each(do func(text string, r *reader)) error {
	for _, r := range m.readers {
		if err := m.step(r); err != nil {
			return err
		}
	}
	for {
		r, limit := m.earliest()
		if r == nil {
			return nil
		}
		for !r.done && (limit == nil || !r.head.After(limit.head)) {
			do(r.text(), r)
			if err := m.step(r); err != nil {
				return err
			}
		}
	}
}

// step goes to a reader's next line and finds its time.
func (m *merge) step(r *reader) error {
	if !r.advance() {
		if r.err != nil {
			return fmt.Errorf("read log %s: %w", r.file.Path, r.err)
		}
		return nil
	}
	if r.order == nil {
		return nil
	}
	if s, found := r.order.Find(r.text(), m.now); found && s.OK {
		r.head = s.Time
	}
	return nil
}

// earliest is the reader whose line is the oldest, and the next one behind it; nil: none is left.
func (m *merge) earliest() (first, second *reader) {
	for _, r := range m.readers {
		switch {
		case r.done:
		case first == nil || r.head.Before(first.head):
			first, second = r, first
		case second == nil || r.head.Before(second.head):
			second = r
		}
	}
	return first, second
}
