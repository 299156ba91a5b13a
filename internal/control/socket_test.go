package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSocketMode(t *testing.T) {
	root := os.Getuid() == 0
	for _, c := range []struct {
		group string
		mode  fs.FileMode
		gid   uint32
	}{{"", 0o600, uint32(os.Getgid())}, {"daemon", 0o660, 1}} {
		if c.group != "" && !root {
			if os.Getenv("CI") == "true" {
				t.Fatal("giving the socket to a group needs root; run: sudo go test ./internal/control/")
			}
			continue
		}
		path := filepath.Join(t.TempDir(), "s")
		s, err := Listen(ServerOptions{Path: path, Group: c.group, Daemon: &daemon{}})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if gid := info.Sys().(*syscall.Stat_t).Gid; info.Mode().Perm() != c.mode || gid != c.gid {
			t.Errorf("group %q: mode %o gid %d, want %o and %d", c.group, info.Mode().Perm(), gid, c.mode, c.gid)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
			t.Errorf("Close left %v, want the lock alone", left)
		}
	}
}

func TestListenWhereSomebodyAnswers(t *testing.T) {
	path := serve(t, &daemon{})
	_, err := Listen(ServerOptions{Path: path, Daemon: &daemon{}})
	var in *InUse
	if !errors.As(err, &in) || in.PID != os.Getpid() || in.Path != path {
		t.Fatalf("%v, want in use by process %d", err, os.Getpid())
	}
	if _, err := NewClient(path).Do(t.Context(), Version{}); err != nil {
		t.Errorf("the one that was there first is gone: %v", err)
	}
}

func TestListenReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	leaveStale(t, path)
	s, err := Listen(ServerOptions{Path: path, Daemon: &daemon{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := NewClient(path).Do(t.Context(), Version{}); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, group, says string }{
		{file, "", "is not a socket"},
		{filepath.Join(dir, strings.Repeat("x", 100)), "", "too long"},
		{filepath.Join(dir, "s"), "no such group", "no such group"},
		{filepath.Join(file, "s"), "", "not a directory"},
	} {
		_, err := Listen(ServerOptions{Path: c.path, Group: c.group, Daemon: &daemon{}})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want: %s", err, c.says)
		}
	}
}

// A socket that another daemon has put in our place is not ours to remove.
func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(ServerOptions{Path: path, Daemon: &daemon{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	leaveStale(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestPermissionDenied(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		// root may connect anywhere: ask what the error of others becomes.
		err := NewClient("/s").unreached(&fs.PathError{Err: syscall.EACCES})
		var e *Error
		if !errors.As(err, &e) || e.Fault != Denied || !strings.Contains(e.Hint, "sudo") {
			t.Errorf("%v, want denied with a hint of sudo", err)
		}
		return
	}
	path := filepath.Join(dir, "s")
	leaveStale(t, path)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := NewClient(path).Do(t.Context(), Status{}); !errors.As(err, &e) || e.Fault != Denied {
		t.Errorf("%v, want denied", err)
	}
}

// stopper is a daemon in a process of its own that ends some time behind its reply.
const stopperEnv = "GAOL_TEST_STOPPER"

type stopper struct{ stop chan struct{} }

func (d stopper) Do(_ context.Context, c Command) (Reply, error) {
	if _, ok := c.(Stop); ok {
		close(d.stop)
	}
	return Reply{}, nil
}

func TestMain(m *testing.M) {
	if path := os.Getenv(stopperEnv); path != "" {
		runStopper(path)
		return
	}
	os.Exit(m.Run())
}

func runStopper(path string) {
	d := stopper{make(chan struct{})}
	s, err := Listen(ServerOptions{Path: path, Daemon: d})
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	<-d.stop
	if err := s.Close(); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path+".last", nil, 0o600); err != nil { // the last thing it does
		panic(err)
	}
}

func TestStopWaitsForTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), stopperEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := NewClient(path).StopAndWait(t.Context(), Stop{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".last"); err != nil {
		t.Errorf("StopAndWait returned before the daemon's end: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStopWaitsNotForEver(t *testing.T) {
	path := serve(t, &daemon{}) // its process is this one, which does not end
	err := NewClient(path).StopAndWait(t.Context(), Stop{}, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "still stopping") {
		t.Errorf("%v, want: still stopping", err)
	}
}
