package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// LockedError says that another process holds the state.
type LockedError struct {
	Path string
	PID  string // of the holder; empty where it did not say
}

func (e *LockedError) Error() string {
	holder := "another gaol"
	if e.PID != "" {
		holder += " (pid " + e.PID + ")"
	}
	return fmt.Sprintf("state %s is in use by %s", e.Path, holder)
}

// prepareDir makes the directory. An existing one keeps its mode (it may be one that others
// need), but one in which others can swap our file is refused.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at state directory: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("use state directory %s: others may write to it (mode %#o): chmod go-w %s",
			dir, info.Mode().Perm(), dir)
	}
	return checkOwner(dir)
}

// checkOwner refuses what belongs to another user: its owner could lift bans, or lay out
// commands for us to run in the undo journal.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("use state %s: it belongs to uid %d, gaol runs as uid %d: chown %d %s",
		path, sys.Uid, os.Geteuid(), os.Geteuid(), path)
}

// acquire takes the lock beside the state file. It is a file of its own, so that the lock
// holds while a damaged state file is exchanged. The kernel drops it when we die (flock(2)).
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		return nil, &LockedError{Path: path, PID: strings.TrimSpace(string(pid))}
	}
	if err == nil {
		err = errors.Join(f.Truncate(0), writePID(f))
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock state %s: %w", path, err)
	}
	return f, nil
}

func writePID(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}
