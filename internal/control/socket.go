package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout is how long somebody on the socket may take to accept.
const dialTimeout = 2 * time.Second

// maxPath is the longest name of a unix socket (unix(7): 108 bytes with the end).
const maxPath = 107

// InUse is the error of Listen where a process answers on the socket.
type InUse struct {
	Path string
	PID  int // 0: the kernel does not say
}

func (e *InUse) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("somebody answers on %s already", e.Path)
	}
	return fmt.Sprintf("process %d answers on %s already", e.PID, e.Path)
}

// Hinted says how to mend it.
func (e *InUse) Hinted() string {
	return "stop it with: gaol stop --socket " + e.Path + " (or give this one another --socket)"
}

// socket is a unix socket that listens, and its place in the file system.
type socket struct {
	path     string
	listener *net.UnixListener
	file     os.FileInfo // as made, so that another one's is never removed
}

// openSocket makes the socket under a private name, gives it its mode and group, and moves it
// into place: there is no moment at which others may use it, and a stale one is replaced in
// one step. A lock keeps two that start at once from replacing each other's.
func openSocket(path, group string) (*socket, error) {
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := checkFree(path); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(dir, ".g") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	s, err := bind(filepath.Join(private, "s"), path)
	if err != nil {
		return nil, err
	}
	if err := s.place(filepath.Join(private, "s"), gid); err != nil {
		s.listener.Close()
		return nil, err
	}
	return s, nil
}

func bind(private, path string) (*socket, error) {
	if len(private) > maxPath || len(path) > maxPath {
		return nil, fmt.Errorf("%s: the name is too long for a unix socket (%d bytes, with some to spare)", path, maxPath)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would unlink the private name
	return &socket{path: path, listener: l}, nil
}

func (s *socket) place(private string, gid int) (err error) {
	mode := fs.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
		if err := os.Chown(private, -1, gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(private, mode); err != nil {
		return err
	}
	if s.file, err = os.Lstat(private); err != nil {
		return err
	}
	return os.Rename(private, s.path)
}

// remove takes the socket out of the file system unless it is another one's by now.
func (s *socket) remove() error {
	now, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, s.file) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(s.path)
}

// checkFree returns nil where path may be replaced: nothing is there, or a socket on which
// nobody listens.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is not a socket", path)
	}
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err != nil { // its queue is full, or it is not ours to ask: somebody is there
		return &InUse{Path: path}
	}
	defer c.Close()
	p, err := peerOf(c)
	if err != nil {
		return &InUse{Path: path}
	}
	return &InUse{Path: path, PID: p.PID}
}

// lockFile takes an exclusive lock for the time of a start; the file stays.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { f.Close() }, nil
}

// groupID returns the number of a group; -1 for the empty name.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("look up group of the control socket: %w", err)
	}
	return strconv.Atoi(g.Gid)
}

// Peer is a process at the other end of a unix socket.
type Peer struct{ PID, UID int }

func peerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return Peer{}, err
	}
	return Peer{PID: int(cred.Pid), UID: int(cred.Uid)}, nil
}
