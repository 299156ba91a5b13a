package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/event"
)

// dockyard is an engine with containers whose files lie in a folder of the test.
type dockyard struct {
	t       *testing.T
	dir     string
	changes chan Containers
	list    []Container
	mu      sync.Mutex // marks: readers ask while others hand out
	marks   map[string]event.Mark
	src     Source
	o       ContainerOptions
}

func newDockyard(t *testing.T, o ContainerOptions) *dockyard {
	w := &dockyard{t: t, dir: t.TempDir(), marks: map[string]event.Mark{}, o: o}
	w.o.Proc = filepath.Join(w.dir, "proc")
	w.o.Backoff = func(int) time.Duration { return time.Millisecond }
	w.open()
	t.Cleanup(func() { w.src.Close() })
	return w
}

func (w *dockyard) open() {
	w.t.Helper()
	o := w.o
	w.changes = make(chan Containers)
	o.Changes = w.changes
	o.Resume = func(key string) (event.Mark, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		m, ok := w.marks[key]
		return m, ok
	}
	var err error
	if w.src, err = ContainerLogs(o); err != nil {
		w.t.Fatal(err)
	}
}

// restart is a kill -9: nothing but the marks of what was handed out is left.
func (w *dockyard) restart() {
	w.src.Close()
	w.open()
	w.tell()
}

func (w *dockyard) tell() { w.changes <- Containers{List: slices.Clone(w.list)} }

// id is 64 digits, as engines give them.
func id(n int) string { return fmt.Sprintf("%064x", n) }

// start gives a container a process with a root.
func (w *dockyard) start(n, pid int, root string) {
	w.t.Helper()
	dir := filepath.Join(w.o.Proc, fmt.Sprint(pid))
	for _, err := range []error{
		os.MkdirAll(dir, 0o755), os.MkdirAll(root, 0o755), os.Symlink(root, dir+"/root"),
		os.WriteFile(dir+"/cgroup", []byte("0::/system.slice/docker-"+id(n)+".scope\n"), 0o600),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.list = slices.DeleteFunc(w.list, func(c Container) bool { return c.ID == id(n) })
	w.list = append(w.list, Container{Engine: "docker", ID: id(n), Name: fmt.Sprint("c", n), Running: true, PID: pid,
		Driver: "json-file", LogPath: filepath.Join(w.dir, id(n), "x-json.log"), Started: time.Unix(int64(pid), 0)})
}

// want reads until as many lines have come.
func (w *dockyard) want(lines ...string) (sources []string) {
	w.t.Helper()
	var got []string
	for len(got) < len(lines) {
		b := w.next()
		if b.Err != nil {
			w.t.Fatalf("trouble: %v; got %q", b.Err, got)
		}
		for _, l := range b.Lines {
			got, sources = append(got, l.Text), append(sources, b.Source)
		}
	}
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		w.t.Fatalf("got %q, want %q", got, lines)
	}
	return sources
}

func (w *dockyard) next() event.Batch {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	b, err := w.src.Next(ctx)
	if err != nil {
		w.t.Fatalf("Next: %v", err)
	}
	if b.Mark.Source != "" {
		w.mu.Lock()
		w.marks[b.Mark.Source] = b.Mark
		w.mu.Unlock()
	}
	return b
}

// trouble reads until one is told.
func (w *dockyard) trouble(words ...string) {
	w.t.Helper()
	for {
		b := w.next()
		if len(b.Lines) > 0 {
			w.t.Fatalf("got lines %q of %s, want trouble with %q", b.Lines, b.Source, words)
		}
		if b.Err == nil {
			continue
		}
		for _, word := range words {
			if !strings.Contains(b.Err.Error(), word) {
				w.t.Fatalf("got %v, want words %q", b.Err, words)
			}
		}
		return
	}
}

func TestJSONFilesOfContainers(t *testing.T) {
	w := newDockyard(t, ContainerOptions{})
	now := time.Now()
	log := func(n int, text string) {
		path := filepath.Join(w.dir, id(n), "x-json.log")
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		write(t, path, jsonLine(text+"\n", "stdout", now))
	}
	w.start(1, 11, filepath.Join(w.dir, "root1"))
	log(1, "a")
	w.tell()
	if s := w.want("a"); s[0] != "docker:c1 json-file" {
		t.Errorf("the source is %q", s[0])
	}
	// A second container that the jail means appears; the first is killed with us.
	w.start(2, 12, filepath.Join(w.dir, "root2"))
	log(2, "b")
	log(1, "c")
	w.tell()
	w.want("b", "c")
	log(1, "d")
	w.restart()
	log(2, "e")
	w.want("d", "e")
	// Removed with its log: what was written is read all the same.
	log(1, "last")
	w.list = w.list[1:]
	w.tell()
	w.want("last")
	// Made anew under the same name: another log, from its beginning.
	w.start(3, 13, filepath.Join(w.dir, "root3"))
	w.list[1].Name = "c1"
	log(3, "f")
	w.tell()
	if s := w.want("f"); s[0] != "docker:c1 json-file" {
		t.Errorf("the source is %q", s[0])
	}
	if len(w.marks) != 3 {
		t.Errorf("marks are %v, want one for each container", w.marks)
	}
}

// Without a file that others may read, the engine streams the log; it is asked again when the
// container starts again.
func TestStreamsOfContainers(t *testing.T) {
	log := &engineLog{}
	w := newDockyard(t, ContainerOptions{Logs: log.open})
	w.start(1, 11, filepath.Join(w.dir, "root1"))
	w.list[0].Driver, w.list[0].LogPath = "local", ""
	log.add(said{1, time.Now(), "a\n"})
	w.tell()
	if s := w.want("a"); s[0] != "docker:c1 local (API)" {
		t.Errorf("the source is %q", s[0])
	}
	log.add(said{2, time.Now(), "b\n"})
	w.tell()
	w.want("b")
	log.add(said{2, time.Now(), "c\n"})
	w.restart()
	w.want("c")
}

func TestFilesInsideContainers(t *testing.T) {
	w := newDockyard(t, ContainerOptions{Path: "/var/log/auth.log"})
	root := filepath.Join(w.dir, "root")
	log := filepath.Join(root, "var/log/auth.log")
	w.start(1, 11, root)
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, log, "a\n")
	w.tell()
	if s := w.want("a"); s[0] != "docker:c1:/var/log/auth.log" {
		t.Errorf("the source is %q", s[0])
	}
	rename(t, log, log+".1")
	write(t, log, "b\n")
	w.want("b")
	// It stops, and what it wrote last is read; it starts again under another process, and the
	// file goes on.
	write(t, log, "c\n")
	stopped := w.list[0]
	w.list[0].PID, w.list[0].Running = 0, false
	w.tell()
	w.want("c")
	w.list[0] = stopped
	write(t, log, "d\n")
	w.start(1, 12, root)
	w.tell()
	w.want("d")
	write(t, log, "e\n")
	w.restart()
	w.want("e")
	// A restart so quick that only the new process is seen.
	write(t, log, "f\n")
	w.start(1, 13, root)
	w.tell()
	write(t, log, "g\n")
	w.want("f", "g")
}

// What a container can put in the place of its log.
func TestFilesInsideContainersAreGuarded(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "host.log")
	write(t, secret, "the host's\n")
	for name, c := range map[string]struct {
		put  func(t *testing.T, path string)
		want []string // words of the trouble; nil: the file is just not there
	}{
		"link out": {func(t *testing.T, path string) { symlink(t, secret, path) }, nil},
		"link up":  {func(t *testing.T, path string) { symlink(t, "../../../../../../../../.."+secret, path) }, nil},
		"directory out": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			symlink(t, filepath.Dir(secret), filepath.Dir(path))
		}, nil},
		"FIFO": {func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"container c1", "/var/log/auth.log", "named pipe"}},
		"directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"container c1", "directory"}},
		"device": {func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				if os.Getenv("CI") == "true" {
					t.Fatal("needs root to make a device; run: sudo go test ./internal/source")
				}
				t.Skip("needs root to make a device; run: sudo go test ./internal/source")
			}
			if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err != nil { // /dev/zero
				t.Fatal(err)
			}
		}, []string{"container c1", "device"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDockyard(t, ContainerOptions{Path: "/var/log/auth.log"})
			root := filepath.Join(w.dir, "root")
			log := filepath.Join(root, "var/log/auth.log")
			w.start(1, 11, root)
			if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
				t.Fatal(err)
			}
			c.put(t, log)
			w.tell()
			if c.want != nil {
				w.trouble(c.want...)
			}
			if err := os.RemoveAll(filepath.Join(root, "var")); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, log, "the container's\n")
			w.want("the container's")
		})
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// Inside, links are the container's own.
func TestLinksInsideContainers(t *testing.T) {
	w := newDockyard(t, ContainerOptions{Path: "/var/log/auth.log"})
	root := filepath.Join(w.dir, "root")
	w.start(1, 11, root)
	for _, dir := range []string{"var/log", "data/logs"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	symlink(t, "/data/logs/secure", filepath.Join(root, "var/log/auth.log"))
	write(t, filepath.Join(root, "data/logs/secure"), "a\n")
	w.tell()
	w.want("a")
	write(t, filepath.Join(root, "data/logs/secure"), "b\n")
	w.want("b")
}

// A process id that was given out again is not the container.
func TestProcessOfAnother(t *testing.T) {
	w := newDockyard(t, ContainerOptions{Path: "/var/log/auth.log"})
	root := filepath.Join(w.dir, "root")
	w.start(1, 11, root)
	write(t, filepath.Join(w.o.Proc, "11/cgroup"), "") // exists
	if err := os.WriteFile(filepath.Join(w.o.Proc, "11/cgroup"), []byte("0::/system.slice/ssh.service\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tell()
	w.trouble("c1", "process 11 is not the container's", "ssh.service")
}

// Kernel files and magic links: /proc inside a container is the kernel's.
func TestInsideRefusesTheKernelsFiles(t *testing.T) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, path := range []string{"/proc/version", "/sys/kernel/uevent_seqnum", "/proc/self/root/etc/hostname", "/proc/1/cwd/etc/passwd", "/dev/zero"} {
		if fd, err := (inside{fd}).open(path, unix.O_RDONLY); err == nil {
			unix.Close(fd)
			t.Errorf("%s was opened", path)
		}
	}
	if fd, err := (inside{fd}).open("/etc/passwd", unix.O_RDONLY); err != nil {
		t.Error(err)
	} else {
		unix.Close(fd)
	}
}

func TestEngineTrouble(t *testing.T) {
	w := newDockyard(t, ContainerOptions{Ref: "docker:jumps"})
	go func() { w.changes <- Containers{Err: os.ErrPermission}; w.changes <- Containers{} }()
	w.trouble("permission denied")
	if b := w.next(); b.Err != nil || b.Source != "docker:jumps" || b.Mark.Source != "" {
		t.Errorf("got %+v, want the end of the trouble", b)
	}
	if _, err := ContainerLogs(ContainerOptions{Path: "var/log/x"}); err == nil {
		t.Error("a relative path is accepted")
	}
}

// journald's entries of a container: the program's lines, only if the engine wrote them.
func TestJournalOfContainers(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	at := time.Now().Add(-time.Minute)
	e := func(i int, text string, more ...string) string {
		return export(at.Add(time.Duration(i)*time.Second), append([]string{"_HOSTNAME=host", "_UID=0", "_COMM=dockerd",
			"CONTAINER_ID_FULL=" + id(1), "SYSLOG_IDENTIFIER=0123456789ab", "PRIORITY=6", "MESSAGE=" + text}, more...)...)
	}
	forged := export(at, "_HOSTNAME=host", "_UID=1000", "_COMM=dockerd", "CONTAINER_ID_FULL="+id(1), "PRIORITY=6", "MESSAGE=forged")
	addEntries(t, dir, e(0, "a"), forged, e(1, "long ", "CONTAINER_PARTIAL_MESSAGE=true", "CONTAINER_PARTIAL_ID=x"),
		e(2, "b"), e(3, "line", "CONTAINER_PARTIAL_ID=x"), e(4, "half ", "CONTAINER_PARTIAL_MESSAGE=true", "CONTAINER_PARTIAL_ID=y"), e(5, "c"))
	w := newDockyard(t, ContainerOptions{Journal: JournalOptions{Dir: dir}})
	w.start(1, 11, filepath.Join(w.dir, "root1"))
	w.list[0].Driver = "journald"
	w.tell()
	if s := w.want("a", "b", "long line", "c"); s[0] != "docker:c1 journald" {
		t.Errorf("the source is %q", s[0])
	}
	addEntries(t, dir, e(6, "whole", "CONTAINER_PARTIAL_ID=y"), e(7, "d"))
	w.restart()
	w.want("half whole", "d")
}
