package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// tree is where paths are looked up: the machine, or the inside of a container. A path is
// absolute.
type tree interface {
	stat(path string, follow bool) (os.FileInfo, error) // follow: a link at the end
	open(path string, flags int) (fd int, err error)    // never waits, also not on a FIFO
	list(dir string) (names []string, err error)        // sorted
	readlink(path string) (string, error)
}

// machine is the machine's own files.
type machine struct{}

func (machine) stat(path string, follow bool) (os.FileInfo, error) {
	if follow {
		return os.Stat(path)
	}
	return os.Lstat(path)
}

func (machine) open(path string, flags int) (int, error) {
	return unix.Open(path, flags|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

func (machine) list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (machine) readlink(path string) (string, error) { return os.Readlink(path) }

// inside is the file system of a container, as its processes see it, mounts included. What
// lies there was put there by who may be the attacker: links lead nowhere out of it, /proc's
// magic links lead nowhere at all (openat2(2), Linux 5.6), and nothing but regular files is
// opened for reading, so that no device is touched and no FIFO waits for a writer.
type inside struct{ root int }

const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// maxEntries is how many names of a directory inside a container are looked at.
const maxEntries = 10_000

func (c inside) path(path string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: inRoot}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(c.root, path, &how)
		switch {
		case err == nil:
			return fd, nil
		case err == unix.EINTR || err == unix.EAGAIN && try < 100: // a rename somewhere raced with "..": openat2(2)
			continue
		}
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
}

func (c inside) stat(path string, follow bool) (os.FileInfo, error) {
	flags := uint64(unix.O_NOFOLLOW)
	if follow {
		flags = 0
	}
	fd, err := c.path(path, flags)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return f.Stat()
}

// open pins the file before it looks what it is, and opens what it has looked at: between the
// two, the container can put no device in its place.
func (c inside) open(path string, flags int) (int, error) {
	pin, err := c.path(path, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pin)
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(pin, &st), unix.Fstatfs(pin, &fs)); err != nil {
		return -1, err
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return -1, fmt.Errorf("not opened: %w", errKind)
	}
	if kind == unix.S_IFREG && slices.Contains(kernelFiles(), uint32(fs.Type)) {
		return -1, fmt.Errorf("is one of the kernel's files, %w on a disk", errKind)
	}
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", pin), flags|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// kernelFiles are the file systems whose regular files are none: reading /proc/kmsg takes
// kernel messages away from others, and reading in tracefs may wait. The numbers are those of
// statfs(2).
func kernelFiles() []uint32 {
	return []uint32{unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
		unix.SECURITYFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC}
}

func (c inside) list(dir string) ([]string, error) {
	fd, err := c.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	names, err := f.Readdirnames(maxEntries)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.Sort(names)
	return names, err
}

func (c inside) readlink(path string) (string, error) {
	fd, err := c.path(path, unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), err
}

// watchable is a name of dir for inotify; done lets go of what it needs.
func watchable(t tree, dir string) (name string, done func(), err error) {
	c, ok := t.(inside)
	if !ok {
		return dir, func() {}, nil
	}
	fd, err := c.path(dir, unix.O_DIRECTORY)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), func() { unix.Close(fd) }, nil
}

// realPath is a path without links; false: it does not exist.
func realPath(t tree, path string) (string, bool) {
	var rest []component
	for _, c := range split(filepath.Clean(path)) {
		rest = append(rest, component{text: c, link: true}) // no pattern
	}
	f := finder{tree: t, look: func(string, string) {}}
	f.walk("/", "/", rest, 0)
	if len(f.real) == 0 {
		return "", false
	}
	return f.real[0], true
}
