// Package hook tells others what happens: web hooks, mail, and chat or push services. It is never
// in the way of a ban: it listens to the bus like everybody, and who is slow or down loses what it
// cannot take, counted. The first happening goes out at once; what follows within the grouping time
// goes out together.
package hook

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// Options are what Open needs.
type Options struct {
	Senders []Sender
	What    []event.What  // what is told; nothing else
	Every   time.Duration // what happens within it goes out together
	Host    string        // whose happenings these are
	Text    func(event.Happening) string
	Clean   func(string) string // makes attackers' text printable
	Told    func(msg string, err error)
	Retry   []time.Duration // waits before further tries; nil: 2 s, 10 s
}

// Sender takes a bundle to one place.
type Sender interface {
	Name() string // for the log; without secrets
	Send(ctx context.Context, b Bundle) error
}

// Bundle is what goes out at once.
type Bundle struct {
	Host   string
	Items  []event.Happening
	More   int    // happenings that are not among Items: there were too many
	Title  string // in a few words, printable
	Lines  []string
	Proofs []Proof // the log lines that led to bans
}

// Proof is what led to one ban.
type Proof struct {
	Jail, ID string
	Lines    []string // printable
}

const (
	listed    = 200              // happenings in one bundle
	proven    = 20               // bans whose log lines are in a bundle
	waiting   = 4                // bundles that may wait for one sender
	sendLimit = 30 * time.Second // for one try
	queue     = 4096             // happenings that may wait: a burst of bans
)

// Hooks are at work until Close.
type Hooks struct {
	o    Options
	stop context.CancelFunc
	work sync.WaitGroup
	out  []*outbox
}

// outbox is what waits for a sender.
type outbox struct {
	Sender
	mu     sync.Mutex
	queue  []Bundle
	wake   chan struct{}
	missed int // happenings that could not be told
}

// Open listens from now on.
func Open(door control.Teller, o Options) *Hooks {
	if o.Retry == nil {
		o.Retry = []time.Duration{2 * time.Second, 10 * time.Second}
	}
	h := &Hooks{o: o}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	told := door.Subscribe(ctx, queue)
	for _, s := range o.Senders {
		box := &outbox{Sender: s, wake: make(chan struct{}, 1)}
		h.out = append(h.out, box)
		h.work.Go(func() { h.deliver(ctx, box) })
	}
	h.work.Go(func() { h.gather(ctx, told) })
	return h
}

// Close ends it; what waits is not sent any more.
func (h *Hooks) Close() error {
	h.stop()
	h.work.Wait()
	return nil
}

// gather makes bundles.
func (h *Hooks) gather(ctx context.Context, told <-chan event.Happening) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var b Bundle
	resting := false
	for {
		select {
		case one, open := <-told:
			if !open {
				return
			}
			if !h.wants(one) {
				continue
			}
			h.add(&b, one)
			if resting {
				continue
			}
		case <-timer.C:
			if resting = len(b.Items) > 0; !resting {
				continue
			}
		case <-ctx.Done():
			return
		}
		h.post(b)
		b, resting = Bundle{}, true
		timer.Reset(h.o.Every)
	}
}

func (h *Hooks) wants(one event.Happening) bool {
	return one.What == event.Missed || !one.Restored && !one.DryRun && slices.Contains(h.o.What, one.What)
}

func (h *Hooks) add(b *Bundle, one event.Happening) {
	switch {
	case one.What == event.Missed:
		b.More += int(min(one.Count, 1<<30))
	case len(b.Items) < listed:
		b.Items = append(b.Items, one)
	default:
		b.More++
	}
}

// post hands a bundle to every sender.
func (h *Hooks) post(b Bundle) {
	if len(b.Items) == 0 {
		return
	}
	b.Host = h.o.Host
	b.Title = h.title(b)
	for _, one := range b.Items {
		b.Lines = append(b.Lines, one.Time.Local().Format(time.DateTime)+" "+h.o.Clean(h.o.Text(one)))
		if one.What == event.Banned && one.Ban != nil && len(one.Ban.Matches) > 0 && len(b.Proofs) < proven {
			p := Proof{Jail: one.Jail, ID: h.o.Clean(one.Ban.ID)}
			for _, l := range one.Ban.Matches {
				p.Lines = append(p.Lines, h.o.Clean(strings.TrimRight(l, "\r\n")))
			}
			b.Proofs = append(b.Proofs, p)
		}
	}
	if b.More > 0 {
		b.Lines = append(b.Lines, "and "+strconv.Itoa(b.More)+" more")
	}
	for _, box := range h.out {
		box.put(b)
	}
}

// title says what a bundle is about: its happening, or how many of each kind.
func (h *Hooks) title(b Bundle) string {
	if len(b.Items) == 1 && b.More == 0 {
		one := b.Items[0]
		text := string(one.What)
		if one.Ban != nil {
			text += " " + one.Ban.ID
		}
		if one.Jail != "" {
			text += " [" + one.Jail + "]"
		}
		return h.o.Clean(text)
	}
	var parts []string
	counts := map[event.What]int{}
	for _, one := range b.Items {
		counts[one.What]++
	}
	for _, w := range h.o.What {
		if n := counts[w]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+string(w))
		}
	}
	if b.More > 0 {
		parts = append(parts, strconv.Itoa(b.More)+" more")
	}
	return strings.Join(parts, ", ")
}

// put queues a bundle; the oldest gives way, and its happenings are counted into the next.
func (box *outbox) put(b Bundle) {
	box.mu.Lock()
	if len(box.queue) == waiting {
		box.missed += len(box.queue[0].Items) + box.queue[0].More
		box.queue = box.queue[1:]
	}
	box.queue = append(box.queue, b)
	box.mu.Unlock()
	select {
	case box.wake <- struct{}{}:
	default:
	}
}

// take is the next bundle.
func (box *outbox) take() (Bundle, bool) {
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.queue) == 0 {
		return Bundle{}, false
	}
	b := box.queue[0]
	box.queue = box.queue[1:]
	if box.missed > 0 {
		b.More += box.missed
		b.Lines = append(slices.Clone(b.Lines), "before that, "+strconv.Itoa(box.missed)+" could not be told")
		box.missed = 0
	}
	return b, true
}

func (h *Hooks) deliver(ctx context.Context, box *outbox) {
	for {
		b, some := box.take()
		if !some {
			select {
			case <-box.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := h.try(ctx, box, b); err != nil && ctx.Err() == nil {
			h.o.Told(box.Name()+" was not told of "+b.Title, err)
			box.mu.Lock()
			box.missed += len(b.Items) + b.More
			box.mu.Unlock()
		}
	}
}

// try sends a bundle, and tries again.
func (h *Hooks) try(ctx context.Context, s Sender, b Bundle) error {
	for n := 0; ; n++ {
		within, cancel := context.WithTimeout(ctx, sendLimit)
		err := s.Send(within, b)
		cancel()
		var never *finalError
		if err == nil || n == len(h.o.Retry) || errors.As(err, &never) {
			return err
		}
		select {
		case <-time.After(h.o.Retry[n]):
		case <-ctx.Done():
			return err
		}
	}
}

// finalError is one that another try does not mend.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }
