package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Options is how an engine is found.
type Options struct {
	Sockets   []string      // tried in this order; empty: DefaultSockets
	PollEvery time.Duration // a full look behind the events; 0: one minute
}

// DefaultSockets are where Docker and rootful Podman listen. DOCKER_HOST is not asked: a daemon
// must not follow the variable of the shell that started it.
func DefaultSockets() []string {
	return []string{"/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"}
}

const (
	pollEvery  = time.Minute
	callLimit  = 20 * time.Second      // for one full look; an engine that hangs must not hang us
	settle     = 50 * time.Millisecond // events come in bursts: one restart is four
	retryFirst = 250 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Watcher follows one engine.
type Watcher struct {
	o       Options
	changes chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}

	mu   sync.Mutex
	snap Snapshot
}

// ErrNoEngine is wrapped in Snapshot.Err while no engine answers.
var ErrNoEngine = errors.New("no container engine answers")

// Watch looks at the engine once, which takes the time of an answer, and then follows it until
// ctx ends: by its events, by full looks at each burst of them and after each (re)connect,
// and by a slow poll behind that, since an engine drops events of readers that are slow. An
// engine that is absent, or goes, is asked for again within seconds; Now keeps what was last
// seen of it. The error is for options that can never work.
func Watch(ctx context.Context, o Options) (*Watcher, error) {
	if len(o.Sockets) == 0 {
		o.Sockets = DefaultSockets()
	}
	if o.PollEvery == 0 {
		o.PollEvery = pollEvery
	}
	for _, s := range o.Sockets {
		if !strings.HasPrefix(s, "/") {
			return nil, fmt.Errorf("container engine at %q: expected the path of a unix socket", s)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &Watcher{o: o, changes: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	first, err := w.connect(ctx)
	if err != nil {
		w.fail(err)
	}
	select { // the first look is no change
	case <-w.changes:
	default:
	}
	go func() {
		defer close(w.done)
		w.run(ctx, first)
	}()
	return w, nil
}

// Now is the engine as last seen.
func (w *Watcher) Now() Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snap
}

// Changes has a value when Now differs from what it was when one was last received.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Close ends the watch and waits for its end; so does the end of its context, without waiting.
func (w *Watcher) Close() error {
	w.cancel()
	<-w.done
	return nil
}

// Logs opens a container's log as the engine streams it: its own bytes where the container has
// a terminal (TTY), else frames of 8 bytes of head (stream, three zeros, length as a big endian
// uint32) and text. Each line, and each 16 KiB piece of a longer one, begins with its time in
// RFC 3339 and a blank. Lines of exactly since may come again. The stream ends when the
// container stops; a new start needs a new call. Following needs ctx or Close to end.
func (w *Watcher) Logs(ctx context.Context, id string, since time.Time, follow bool) (io.ReadCloser, error) {
	c, err := open(w.Now().Socket)
	if err != nil {
		return nil, err
	}
	o := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
	if !since.IsZero() {
		o.Since = since.Format(time.RFC3339Nano)
	}
	stream, err := c.ContainerLogs(ctx, id, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the log of container %s: %w", id, err), c.Close())
	}
	return closing{stream, c}, nil
}

// link is a connection that events come from.
type link struct {
	client *conn
	events client.EventsResult
	cancel context.CancelFunc
}

func (l *link) close() {
	l.cancel()
	_ = l.client.Close()
}

// open makes a client for the engine at a socket; it speaks when it is first asked something,
// and then agrees on a version of the API.
func open(socket string) (*conn, error) {
	if socket == "" {
		return nil, ErrNoEngine
	}
	l := newLenient(socket)
	c, err := client.New(client.WithHost("unix://"+socket), client.WithHTTPClient(&http.Client{Transport: l}))
	if err != nil {
		return nil, fmt.Errorf("container engine at %s: %w", socket, err)
	}
	return &conn{c, l}, nil
}

// connect takes the first engine that answers. It subscribes before it looks, so that nothing
// falls between the two.
func (w *Watcher) connect(ctx context.Context) (*link, error) {
	var tried []string
	for _, socket := range w.o.Sockets {
		if _, err := os.Stat(socket); err != nil {
			tried = append(tried, fmt.Sprintf("%s: %v", socket, errors.Unwrap(err)))
			continue
		}
		l, err := w.dial(ctx, socket)
		if err == nil {
			return l, nil
		}
		tried = append(tried, fmt.Sprintf("%s: %v", socket, err))
	}
	return nil, fmt.Errorf("%w: %s", ErrNoEngine, strings.Join(tried, "; "))
}

func (w *Watcher) dial(ctx context.Context, socket string) (*link, error) {
	c, err := open(socket)
	if err != nil {
		return nil, err
	}
	l := &link{client: c}
	var stream context.Context
	stream, l.cancel = context.WithCancel(ctx)
	hang := time.AfterFunc(callLimit, l.cancel) // Events returns when the engine begins to answer
	l.events = c.Events(stream, client.EventsListOptions{Filters: client.Filters{}.Add("type", "container", "network")})
	hang.Stop()
	if err := w.look(ctx, l, socket); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// look reads everything anew and tells of a change.
func (w *Watcher) look(ctx context.Context, l *link, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	s, err := read(ctx, l.client, socket, w.Now().Containers)
	if err != nil {
		return err
	}
	w.set(s)
	return nil
}

func (w *Watcher) set(s Snapshot) {
	w.mu.Lock()
	same := sameSnapshot(w.snap, s)
	w.snap = s
	w.mu.Unlock()
	if same {
		return
	}
	select {
	case w.changes <- struct{}{}:
	default:
	}
}

func sameSnapshot(a, b Snapshot) bool {
	if fmt.Sprint(a.Err) != fmt.Sprint(b.Err) {
		return false
	}
	a.Err, b.Err = nil, nil
	return reflect.DeepEqual(a, b)
}

// fail keeps what was seen and says why it may be old.
func (w *Watcher) fail(err error) {
	s := w.Now()
	s.Err = err
	w.set(s)
}

func (w *Watcher) run(ctx context.Context, l *link) {
	wait := retryFirst
	for {
		if l != nil {
			err := w.follow(ctx, l)
			l.close()
			if ctx.Err() != nil {
				return
			}
			w.fail(err)
			wait = retryFirst
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		var err error
		if l, err = w.connect(ctx); err != nil && ctx.Err() == nil {
			w.fail(err)
		}
		wait = min(2*wait, retryLast)
	}
}

// follow looks at the first event of a burst and again while it lasts and behind it, until the
// connection ends. Between two looks lies at least as long as the last one took, so that a busy
// engine is not kept busy by us.
func (w *Watcher) follow(ctx context.Context, l *link) error {
	socket, took := w.Now().Socket, time.Duration(0)
	poll := time.NewTicker(w.o.PollEvery)
	defer poll.Stop()
	burst := time.NewTimer(0)
	burst.Stop()
	waiting, looked := false, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-l.events.Err:
			if err == nil || errors.Is(err, io.EOF) {
				err = errors.New("the engine ended the connection")
			}
			return fmt.Errorf("%s: events: %w", socket, err)
		case m := <-l.events.Messages:
			if !waiting && matters(m) {
				waiting = true
				burst.Reset(max(settle, took) - time.Since(looked))
			}
			continue
		case <-burst.C:
		case <-poll.C:
		}
		waiting = false
		began := time.Now()
		if err := w.look(ctx, l, socket); err != nil {
			return fmt.Errorf("%s: %w", socket, err)
		}
		looked = time.Now()
		took = looked.Sub(began)
	}
}

// matters leaves out what health checks and shells in containers cause all the time.
func matters(m events.Message) bool {
	noise := []string{"exec_", "health_status", "attach", "detach", "resize", "top", "archive-path", "copy", "export"}
	return !slices.ContainsFunc(noise, func(n string) bool { return strings.HasPrefix(string(m.Action), n) })
}
