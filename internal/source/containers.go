package source

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/event"
	"gaol/internal/wide"
)

// Container is what a source needs to know of a container.
type Container struct {
	Engine   string // "docker", "podman": the first word of its logs' names
	ID, Name string
	Running  bool
	PID      int // of its first process; 0: not running
	TTY      bool
	Driver   string // "json-file", "local", "journald", "k8s-file", ...
	LogPath  string // of json-file and k8s-file
	Started  time.Time
}

// Containers is the engine at one time: all containers that a jail means.
type Containers struct {
	List []Container
	Err  error // why the list may be out of date
}

// LogOpener opens the stream of a container's log from a time on, that time's lines included,
// with frames unless the container has a terminal, and each line's time in front of it.
type LogOpener func(ctx context.Context, id string, since time.Time, follow bool) (io.ReadCloser, error)

// ContainerOptions says which logs of containers to read and where to begin.
type ContainerOptions struct {
	Ref string // the jail's container option, for messages
	// Path is a file inside, or a glob; empty: the container's own log.
	Path string
	// Tail begins behind what stands in the files inside of the containers that are there first.
	Tail    bool
	Polling bool
	// Changes gives the containers anew whenever they differ. The first value should be there.
	Changes <-chan Containers
	// Logs opens a container's log through the engine, as container.Watcher does.
	Logs LogOpener
	// Resume gives the mark that was stored last for a log; nil: there are none.
	Resume func(source string) (event.Mark, bool)
	// Since: what is older need not be read, by the log driver's times.
	Since time.Time
	// TooOld is the same for files inside; see FileOptions.
	TooOld func(text string) (old, known bool)
	Units  wide.Units // of files inside; see FileOptions
	// Journal is where the journald driver's entries lie; its matches are not used.
	Journal JournalOptions
	Proc    string // "/proc" if empty
	Backoff func(failures int) time.Duration
}

// ContainerSource reads logs of containers as they come and go. Batch.Source is the log in
// words ("docker:jumps json-file"); the mark's Source has the container's id in place of its
// name: a container that was made anew under an old name has a log of its own, which is read
// from its beginning.
//
// A container's own log is read the same whatever its driver: the lines that its program wrote,
// with the driver's times. A json-file or k8s-file is followed as a file, journald's entries
// are read from the journal, and every other log through the engine's API.
//
// A file inside a container is followed through the root of its first process. When the
// container stops, the file is read to its end and closed; when it starts again, reading goes
// on in the file of the new root.
type ContainerSource struct {
	o    ContainerOptions
	out  chan event.Batch
	life context.Context
	end  context.CancelFunc
	wait sync.WaitGroup
	once sync.Once

	mu   sync.Mutex
	logs map[string]*containerLog // by container id
}

// ContainerLogs begins to read.
func ContainerLogs(o ContainerOptions) (Source, error) {
	if o.Path != "" && !strings.HasPrefix(o.Path, "/") {
		return nil, fmt.Errorf("read container:%s: expected an absolute path inside the container, such as container:/var/log/auth.log", o.Path)
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Resume == nil {
		o.Resume = func(string) (event.Mark, bool) { return event.Mark{}, false }
	}
	if tooOld := o.TooOld; tooOld != nil { // each container's reader asks
		var mu sync.Mutex
		o.TooOld = func(text string) (old, known bool) {
			mu.Lock()
			defer mu.Unlock()
			return tooOld(text)
		}
	}
	s := &ContainerSource{o: o, out: make(chan event.Batch), logs: map[string]*containerLog{}}
	s.life, s.end = context.WithCancel(context.Background())
	s.wait.Go(s.run)
	return s, nil
}

// run starts and ends the readers of logs as containers come and go.
func (s *ContainerSource) run() {
	first, told := true, ""
	for {
		select {
		case now := <-s.o.Changes:
			switch {
			case now.Err != nil && now.Err.Error() != told:
				told = now.Err.Error()
				s.send(s.life, event.Batch{Source: s.o.Ref, Err: now.Err})
			case now.Err == nil && told != "":
				told = ""
				s.send(s.life, event.Batch{Source: s.o.Ref}) // the trouble is over
			}
			s.apply(now, first)
			first = false
		case <-s.life.Done():
			return
		}
	}
}

func (s *ContainerSource) apply(now Containers, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range now.List {
		if l := s.logs[c.ID]; l != nil {
			l.set(c, false)
			continue
		}
		l := &containerLog{s: s, tail: s.o.Tail && first, changed: make(chan struct{}, 1), now: c, marks: map[string]event.Mark{}}
		s.logs[c.ID] = l
		s.wait.Go(l.run)
	}
	if now.Err != nil {
		return // what is not listed may be there all the same
	}
	for id, l := range s.logs {
		if !slices.ContainsFunc(now.List, func(c Container) bool { return c.ID == id }) {
			l.set(l.latest(), true)
			delete(s.logs, id)
		}
	}
}

func (s *ContainerSource) send(ctx context.Context, b event.Batch) bool {
	select {
	case s.out <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// Next is as Source says.
func (s *ContainerSource) Next(ctx context.Context) (event.Batch, error) {
	select {
	case b := <-s.out:
		return b, nil
	case <-ctx.Done():
		return event.Batch{}, ctx.Err()
	case <-s.life.Done():
		return event.Batch{}, ErrClosed
	}
}

// Watched lists the logs by name.
func (s *ContainerSource) Watched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, l := range s.logs {
		list = append(list, l.name(l.latest()))
	}
	slices.Sort(list)
	return list
}

// Close ends Next and all readers.
func (s *ContainerSource) Close() error {
	s.once.Do(func() { s.end(); s.wait.Wait() })
	return nil
}

// containerLog is one log of one container; its goroutine reads it.
type containerLog struct {
	s       *ContainerSource
	tail    bool
	changed chan struct{}

	mu    sync.Mutex
	now   Container
	gone  bool
	api   bool                  // it is read through the engine's API
	marks map[string]event.Mark // behind what was handed out, by key; of run's goroutine
}

func (l *containerLog) set(c Container, gone bool) {
	l.mu.Lock()
	l.now, l.gone = c, gone
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *containerLog) latest() Container {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *containerLog) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// name is the log in words, for status and bans.
func (l *containerLog) name(c Container) string {
	if l.s.o.Path != "" {
		return c.Engine + ":" + c.Name + ":" + l.s.o.Path
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.api {
		return c.Engine + ":" + c.Name + " " + c.Driver + " (API)"
	}
	return c.Engine + ":" + c.Name + " " + c.Driver
}

// key is the log's name in marks.
func (l *containerLog) key(c Container, path string) string {
	if path != "" {
		return "container:" + c.ID + ":" + path
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.api { // its marks are of another kind
		return "container:" + c.ID + " api"
	}
	return "container:" + c.ID + " " + c.Driver
}

// run opens the log, hands its batches on until the container changes so that it has to be
// opened anew, and ends when the container is gone.
func (l *containerLog) run() {
	failures := 0
	for l.s.life.Err() == nil {
		c := l.latest()
		if l.s.o.Path != "" && c.PID == 0 { // nothing to look into
			if l.isGone() || !l.pause(nil) {
				return
			}
			continue
		}
		src, err := l.open(c)
		if err == nil {
			failures = 0
			l.pump(c, src)
			if err := src.Close(); err != nil {
				l.s.send(l.s.life, event.Batch{Source: l.name(c), Err: err})
			}
			if l.isGone() {
				return
			}
			continue
		}
		if l.isGone() {
			return
		}
		if failures++; failures == 3 { // the process may just have ended
			l.s.send(l.s.life, event.Batch{Source: l.name(c), Err: err})
		}
		timer := time.NewTimer(l.s.o.Backoff(failures))
		ok := l.pause(timer.C)
		timer.Stop()
		if !ok {
			return
		}
	}
}

// pause waits for a change or the time; false: the source is closed.
func (l *containerLog) pause(after <-chan time.Time) bool {
	select {
	case <-l.changed:
	case <-after:
	case <-l.s.life.Done():
		return false
	}
	return true
}

// pump hands on what src gives until the log has to be opened anew or is gone. A file is then
// read to its end; the others are given a while to tell what they still have.
func (l *containerLog) pump(c Container, src Source) {
	ctx, cancel := context.WithCancel(l.s.life)
	defer cancel()
	watch := make(chan struct{})
	go func() {
		defer close(watch)
		for l.unchanged(ctx, c, src) {
		}
		cancel()
	}()
	defer func() { cancel(); <-watch }()
	for {
		b, err := src.Next(ctx)
		if err != nil {
			break
		}
		if !l.hand(c, b) {
			return
		}
	}
	if f, ok := src.(*FileSource); ok && l.s.life.Err() == nil {
		for {
			b, ok := f.try()
			if !ok || !l.hand(c, b) {
				return
			}
		}
	}
}

// unchanged waits for the next change; false: src is to be closed.
func (l *containerLog) unchanged(ctx context.Context, c Container, src Source) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.changed:
	}
	now := l.latest()
	_, file := src.(*FileSource)
	switch {
	case l.isGone():
		if file {
			return false
		}
		timer := time.NewTimer(lateFor)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		return false
	case l.s.o.Path != "":
		return now.PID == c.PID && now.Started.Equal(c.Started)
	}
	if s, ok := src.(*streamSource); ok && now.Running {
		s.poke()
	}
	return true
}

// hand passes a batch on under the log's own names.
func (l *containerLog) hand(c Container, b event.Batch) bool {
	path := ""
	if l.s.o.Path != "" {
		path = b.Source // a pattern may be several files
	}
	b.Source = l.name(c)
	if path != "" {
		b.Source = c.Engine + ":" + c.Name + ":" + path
	}
	if b.Err == nil && b.Mark.Source != "" {
		b.Mark.Source = l.key(c, path)
		l.marks[b.Mark.Source] = b.Mark
	}
	return l.s.send(l.s.life, b)
}
