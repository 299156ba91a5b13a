package engine

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"gaol/internal/container"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/source"
	"gaol/internal/store"
)

// insideContainer begins a logpath that is a path inside the jail's containers.
const insideContainer = "container:"

// docks tells the sources of containers' logs which containers there are.
type docks struct {
	watch *container.Watcher // nil: none is watched

	mu    sync.Mutex
	feeds []*dockFeed
}

// dockFeed is what one source hears: the newest word only.
type dockFeed struct {
	ref container.Ref
	out chan source.Containers
}

// changed tells all sources what is there now.
func (d *docks) changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.feeds {
		d.tell(f)
	}
}

func (d *docks) tell(f *dockFeed) {
	select {
	case <-f.out: // what it has not taken yet is old
	default:
	}
	f.out <- d.of(f.ref) // has room: only tell sends, under the lock
}

// of is what a source needs to know of the containers that a jail means.
func (d *docks) of(ref container.Ref) source.Containers {
	now := d.watch.Now()
	c := source.Containers{Err: now.Err}
	if now.Err != nil {
		c.Err = fmt.Errorf("the log of container %s: %w; is the engine up, and is its socket where container_socket of gaol.conf says?", ref, now.Err)
	}
	for _, one := range now.Find(ref) {
		c.List = append(c.List, source.Container{Engine: now.Engine, ID: one.ID, Name: one.Name, Running: one.Running,
			PID: one.PID, TTY: one.TTY, Driver: one.LogDriver, LogPath: one.LogPath, Started: one.Started})
	}
	return c
}

// subscribe adds a source; stop ends it.
func (d *docks) subscribe(ref container.Ref) (changes <-chan source.Containers, stop func()) {
	f := &dockFeed{ref: ref, out: make(chan source.Containers, 1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.feeds = append(d.feeds, f)
	d.tell(f)
	return f.out, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for i, one := range d.feeds {
			if one == f {
				d.feeds = append(d.feeds[:i:i], d.feeds[i+1:]...)
				return
			}
		}
	}
}

// docked is a source that unsubscribes when it is closed.
type docked struct {
	source.Source
	stop func()
}

func (d docked) Close() error { d.stop(); return d.Source.Close() }

// splitInside tells the paths inside containers from the machine's own.
func splitInside(files []pattern) (own, inside []pattern) {
	for _, f := range files {
		if path, ok := strings.CutPrefix(f.glob, insideContainer); ok {
			inside = append(inside, pattern{path, f.tail})
		} else {
			own = append(own, f)
		}
	}
	return own, inside
}

// ownLog says whether the jail reads its containers' own logs: it names a container and no log.
func (p *plan) ownLog() bool {
	return p.conf.Container != "" && len(p.conf.LogPath) == 0 && !p.journal()
}

// openContainers makes the sources of the containers that a jail names: of their own logs
// (inside is nil), or of files inside them.
func (p *plan) openContainers(d *docks, inside []pattern, state store.State, now time.Time, carryOn bool) (all []source.Source, missing []string, err error) {
	if p.conf.Container == "" {
		return nil, nil, fmt.Errorf("%s: %s%s is a path inside a container: write container = NAME too", p.conf.Where("logpath"), insideContainer, inside[0].glob)
	}
	ref, err := container.ParseRef(p.conf.Container)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.conf.Where("container"), err)
	}
	if d.watch == nil {
		return nil, nil, fmt.Errorf("%s: containers are not watched", p.conf.Where("container"))
	}
	if inside == nil {
		inside = []pattern{{}}
	}
	for _, f := range inside {
		o := source.ContainerOptions{Ref: "container " + p.conf.Container, Path: f.glob, Tail: f.tail, Polling: p.conf.Backend == "polling",
			Logs: d.watch.Logs, Resume: resumeFrom(state), Since: now.Add(-p.conf.FindTime), TooOld: p.tooOld(now), Units: date.Units(p.conf.LogEncoding)}
		if f.tail && !carryOn {
			o.Resume = func(string) (event.Mark, bool) { return event.Mark{}, false }
		}
		changes, stop := d.subscribe(ref)
		o.Changes = changes
		s, err := source.ContainerLogs(o)
		if err != nil {
			stop()
			for _, open := range all {
				open.Close()
			}
			return nil, nil, fmt.Errorf("%s: %w", p.conf.Where("logpath"), err)
		}
		all = append(all, docked{s, stop})
	}
	if len(d.watch.Now().Find(ref)) == 0 {
		missing = append(missing, "container "+p.conf.Container)
	}
	return all, missing, nil
}
