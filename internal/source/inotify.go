package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirEvents = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	fileEvents = unix.IN_MODIFY
)

// notify is one inotify instance (inotify(7)). Directories are watched for names that come and
// go, and each open file for growth, by its descriptor: so a file still tells of its growth
// when it was moved to another directory (logrotate's olddir) or stands behind a link, and
// what happens to other files of the directory wakes nobody. This is why it is not fsnotify,
// which watches paths and cannot choose the events.
type notify struct {
	file *os.File
	conn rawConn
	dirs map[int]*watchedDir
	buf  []byte
}

type rawConn interface {
	Control(func(fd uintptr)) error
	Read(func(fd uintptr) bool) error
}

type watchedDir struct {
	names []string // names and patterns that matter in it
	stale bool     // not asked for since the last sweep
}

// change is what one event means for the files followed.
type change struct {
	file int  // watch of an open file that has grown or shrunk
	scan bool // names have changed
	lost bool // the kernel's queue ran over: anything may have happened
}

func newNotify() (*notify, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("set up inotify (fs.inotify.max_user_instances too low?): %w", err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("set up inotify: %w", err)
	}
	return &notify{file: file, conn: conn, dirs: map[int]*watchedDir{}, buf: make([]byte, 16<<10)}, nil
}

func (n *notify) add(path string, mask uint32) (wd int, err error) {
	cerr := n.conn.Control(func(fd uintptr) { wd, err = unix.InotifyAddWatch(int(fd), path, mask) })
	if err = errors.Join(cerr, err); err != nil {
		return -1, fmt.Errorf("watch %s: %w", path, err)
	}
	return wd, nil
}

// watchFile watches an open file, whatever its name is by now.
func (n *notify) watchFile(fd int) (int, error) {
	return n.add(fmt.Sprintf("/proc/self/fd/%d", fd), fileEvents)
}

func (n *notify) unwatch(wd int) {
	// An error means that the kernel has dropped it already.
	_ = n.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
}

// watchDir asks for name in dir. The same directory keeps its watch; another one that took its
// place gets a new one. It is called again for each place on each scan, between startSweep and
// sweep.
func (n *notify) watchDir(dir, name string) error {
	wd, err := n.add(dir, dirEvents)
	if err != nil {
		return err
	}
	d := n.dirs[wd]
	if d == nil {
		d = &watchedDir{}
		n.dirs[wd] = d
	}
	if d.stale {
		d.names, d.stale = d.names[:0], false
	}
	if !slices.Contains(d.names, name) {
		d.names = append(d.names, name)
	}
	return nil
}

func (n *notify) startSweep() {
	for _, d := range n.dirs {
		d.stale = true
	}
}

func (n *notify) sweep() {
	for wd, d := range n.dirs {
		if d.stale {
			n.unwatch(wd)
			delete(n.dirs, wd)
		}
	}
}

// wait blocks until there are events, until has come or ctx is done; the last two give no
// change.
func (n *notify) wait(ctx context.Context, until time.Time) ([]change, error) {
	if err := n.file.SetReadDeadline(until); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = n.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	k, err := n.file.Read(n.buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read inotify: %w", err)
	}
	return n.parse(n.buf[:k]), nil
}

// poll takes the events that are there already.
func (n *notify) poll() ([]change, error) {
	k := 0
	var err error
	if rerr := n.file.SetReadDeadline(time.Time{}); rerr != nil {
		return nil, rerr
	}
	rerr := n.conn.Read(func(fd uintptr) bool {
		k, err = unix.Read(int(fd), n.buf)
		return true
	})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(rerr, os.ErrDeadlineExceeded) {
		return nil, nil // the deadline: a cancelled wait has set it a moment ago
	}
	if err = errors.Join(rerr, err); err != nil {
		return nil, fmt.Errorf("read inotify: %w", err)
	}
	return n.parse(n.buf[:k]), nil
}

func (n *notify) parse(data []byte) []change {
	var list []change
	for len(data) >= unix.SizeofInotifyEvent {
		wd := int(int32(binary.NativeEndian.Uint32(data)))
		mask := binary.NativeEndian.Uint32(data[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(data[12:]))
		name := strings.TrimRight(string(data[unix.SizeofInotifyEvent:end]), "\x00")
		data = data[end:]
		d := n.dirs[wd]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			list = append(list, change{lost: true})
		case d == nil:
			list = append(list, change{file: wd})
		case name == "" || slices.ContainsFunc(d.names, func(p string) bool { return p == name || matches(p, name) }):
			list = append(list, change{scan: true})
		}
		if d != nil && mask&unix.IN_IGNORED != 0 {
			delete(n.dirs, wd)
		}
	}
	return list
}

func (n *notify) close() error { return n.file.Close() }
