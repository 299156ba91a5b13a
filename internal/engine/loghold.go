package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// heldLog keeps back what a worker logs while it makes a batch of decisions true: a thousand
// bans are one write behind the kernel, not a thousand in front of the next ban. A kill loses
// the lines of that batch at most; their order stays.
type heldLog struct {
	next slog.Handler

	mu      sync.Mutex // a worker's actions and inquiries log through it too
	on      bool
	records []slog.Record
}

// manyHandler is a handler that takes many records at once more cheaply.
type manyHandler interface {
	HandleMany(ctx context.Context, all []slog.Record) error
}

// Enabled implements slog.Handler.
func (h *heldLog) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *heldLog) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.on {
		return h.next.Handle(ctx, r)
	}
	h.records = append(h.records, r.Clone())
	return nil
}

// WithAttrs implements slog.Handler; what is logged so is not kept back.
func (h *heldLog) WithAttrs(attrs []slog.Attr) slog.Handler { return h.next.WithAttrs(attrs) }

// WithGroup implements slog.Handler, as WithAttrs.
func (h *heldLog) WithGroup(name string) slog.Handler { return h.next.WithGroup(name) }

// hold keeps records back until the function that it returns is called; inside of another hold
// that is the outer one's.
func (h *heldLog) hold() (release func()) {
	if h == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on {
		return func() {}
	}
	h.on = true
	return h.release
}

// release lets out what was kept back. Errors have no place to be told.
func (h *heldLog) release() {
	const keep = 1 << 10 // records whose room is kept for the next batch
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = false
	if len(h.records) == 0 {
		return
	}
	_ = handleMany(h.next, h.records)
	clear(h.records)
	if h.records = h.records[:0]; cap(h.records) > keep {
		h.records = nil
	}
}

func handleMany(h slog.Handler, all []slog.Record) error {
	ctx := context.Background()
	if many, ok := h.(manyHandler); ok {
		return many.HandleMany(ctx, all)
	}
	var errs []error
	for _, r := range all {
		errs = append(errs, h.Handle(ctx, r))
	}
	return errors.Join(errs...)
}
