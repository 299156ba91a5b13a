package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
)

// open makes the source of a log.
func (l *containerLog) open(c Container) (Source, error) {
	if l.s.o.Path != "" {
		return l.openInside(c)
	}
	api := false
	defer func() { l.setAPI(api) }()
	switch {
	case (c.Driver == "json-file" || c.Driver == "k8s-file") && within(c.LogPath):
		format := CRI
		if c.Driver == "json-file" && c.Engine != "podman" { // there the name means k8s-file
			format = JSONFile
		}
		return newFiles(FileOptions{Patterns: []string{literal(c.LogPath)}, Polling: l.s.o.Polling,
			Format: format, Since: l.s.o.Since, Resume: l.resume(c, false)})
	case c.Driver == "journald":
		return l.openJournal(c)
	}
	api = true
	l.setAPI(api)
	o := streamOptions{id: c.ID, name: l.name(c), tty: c.TTY, open: l.logs(c), since: l.s.o.Since, backoff: l.s.o.Backoff}
	o.resume, _ = l.resume(c, false)("")
	return openStream(o), nil
}

func (l *containerLog) setAPI(api bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.api = api
}

// resume gives the mark behind what was read last, in this process or before it.
func (l *containerLog) resume(c Container, inside bool) func(path string) (event.Mark, bool) {
	return func(path string) (event.Mark, bool) {
		if !inside {
			path = ""
		}
		key := l.key(c, path)
		if m, ok := l.marks[key]; ok {
			return m, true
		}
		return l.s.o.Resume(key)
	}
}

// within says whether a log's directory is there for us: the engine may run elsewhere.
func within(path string) bool {
	_, err := os.Stat(filepath.Dir(path))
	return path != "" && err == nil
}

// literal is a path as a pattern that means itself.
func literal(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

// openJournal reads the entries that the engine's own process wrote for the container. Any
// program may write an entry with the container's id, so the id alone must not be believed:
// journald itself says that root's dockerd (or Podman's conmon) was the sender.
func (l *containerLog) openJournal(c Container) (Source, error) {
	o := l.s.o.Journal
	writer := "dockerd"
	if c.Engine == "podman" {
		writer = "conmon"
	}
	o.Matches = []string{"CONTAINER_ID_FULL=" + c.ID + " _UID=0 _COMM=" + writer}
	o.Bare, o.Since, o.Backoff = true, l.s.o.Since, l.s.o.Backoff
	if m, ok := l.resume(c, false)(""); ok {
		o.Resume = m
	}
	return newJournal(o)
}

// openInside follows a file through the root of the container's first process.
func (l *containerLog) openInside(c Container) (Source, error) {
	root, err := openRoot(l.s.o.Proc, c)
	if err != nil {
		return nil, err
	}
	tail := l.tail
	l.tail = false // what comes after a restart is new
	s, err := newFiles(FileOptions{Patterns: []string{l.s.o.Path}, Tail: tail, Polling: l.s.o.Polling,
		Resume: l.resume(c, true), TooOld: l.s.o.TooOld, Units: l.s.o.Units, tree: root})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("container %s: %w", c.Name, err), unix.Close(root.root))
	}
	return s, nil
}

// openRoot opens the root directory of a container's first process, and makes sure that it was
// that process: ids of processes that ended are given out again, and behind the wrong one lies
// the host's own root or another container's.
func openRoot(proc string, c Container) (inside, error) {
	dir := fmt.Sprintf("%s/%d", proc, c.PID)
	fd, err := unix.Open(dir+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return inside{}, fmt.Errorf("container %s: open %s/root: %w", c.Name, dir, err)
	}
	root := inside{fd}
	group, err := os.ReadFile(dir + "/cgroup")
	if err == nil && !strings.Contains(string(group), c.ID) {
		err = fmt.Errorf("process %d is not the container's: its cgroup is %q; gaol must see the processes as the engine does, "+
			"in the engine's PID namespace", c.PID, cutTo(strings.TrimSpace(string(group)), 200))
	}
	if err == nil {
		if _, serr := root.stat("/", true); errors.Is(serr, unix.ENOSYS) {
			err = errors.New("files inside containers need openat2(2), Linux 5.6 or newer")
		}
	}
	if err != nil {
		unix.Close(fd)
		return inside{}, fmt.Errorf("container %s: %w", c.Name, err)
	}
	return root, nil
}

// logs is the engine's stream with a word to what its driver cannot do.
func (l *containerLog) logs(c Container) LogOpener {
	return func(ctx context.Context, id string, since time.Time, follow bool) (io.ReadCloser, error) {
		in, err := l.s.o.Logs(ctx, id, since, follow)
		if err != nil && strings.Contains(err.Error(), "does not support reading") {
			err = fmt.Errorf("%w; the driver %s keeps no log that can be read: use json-file, local or journald, or set logpath", err, c.Driver)
		}
		return in, err
	}
}
