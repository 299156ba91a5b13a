// Package source hands over the lines of logs: files that rotate, and the systemd journal.
// A source ends only when it is closed. It knows nothing of dates and regexes; it promises
// that each line comes once and in order, and that a mark finds the place again.
package source

import (
	"context"
	"errors"

	"gaol/internal/event"
)

// Source is one perpetual stream of lines.
//
// Next blocks until there is something to hand over, ctx is done (its error is returned) or
// the source is closed (ErrClosed). It is pull-based: nothing is read ahead of the caller, so
// a slow caller costs no memory and loses no line. One goroutine calls Next; Close and
// Watched may be called from others.
//
// A batch has at most MaxBatchLines lines of one source path. Its lines are cut out of one
// string of up to ReadSize bytes: who keeps a line for long clones it (strings.Clone), or
// holds its whole batch in memory. Batch.Mark is where reading goes on behind its lines and
// is to be stored together with what they led to. Batch.End says that the end was reached
// behind them; it comes at least once for each path, with an empty batch if need be. A batch
// with Err holds no lines and no mark: it tells of a trouble that Next goes on behind.
type Source interface {
	Next(ctx context.Context) (event.Batch, error)
	Watched() []string // paths that are being read, sorted; "journal" for the journal
	Close() error
}

// ErrClosed is what Next returns once the source was closed.
var ErrClosed = errors.New("source is closed")

// The bounds of one batch.
const (
	ReadSize      = 256 << 10 // bytes read at once
	MaxBatchLines = 4096
)
