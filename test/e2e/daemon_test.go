package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// daemon is a long-running program. The kernel kills it when this process dies.
type daemon struct {
	cmd   *exec.Cmd
	out   *feed         // what it printed, both streams
	ended chan struct{} // closed when it has ended; err is then set
	err   error
}

// startDaemon starts cmd. It does not wait for anything but the start.
func startDaemon(name string, cmd *exec.Cmd) (*daemon, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, out: newFeed(name), ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = write, write
	started := make(chan error)
	go func() {
		// Pdeathsig is about the thread that started the child, so this one has to outlive it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := cmd.Start()
		_ = write.Close()
		started <- err
		if err == nil {
			d.err = cmd.Wait()
			close(d.ended)
		}
	}()
	if err := <-started; err != nil {
		_ = read.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { d.out.read(read); _ = read.Close() }()
	return d, nil
}

// signal sends a signal and waits until the daemon has ended.
func (d *daemon) signal(s syscall.Signal, atMost time.Duration) error {
	if err := d.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return d.wait(atMost)
}

// wait blocks until the daemon has ended.
func (d *daemon) wait(atMost time.Duration) error {
	select {
	case <-d.ended:
		return nil
	case <-time.After(atMost):
		return fmt.Errorf("%s has not ended after %s:\n%s", d.out.name, atMost, strings.Join(d.out.lines(), "\n"))
	}
}

// startReady starts cmd and waits until it says READY=1 on a sd_notify(3) socket in dir.
func startReady(name, dir string, cmd *exec.Cmd, atMost time.Duration) (*daemon, error) {
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen for the readiness of %s: %w", name, err)
	}
	defer func() { _, _ = conn.Close(), os.Remove(path) }()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	d, err := startDaemon(name, cmd)
	if err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("READY=1")) {
				close(ready)
				return
			}
		}
	}()
	select {
	case <-ready:
		return d, nil
	case <-d.ended:
		return d, fmt.Errorf("%s ended before it was ready: %w:\n%s", name, d.err, strings.Join(d.out.lines(), "\n"))
	case <-time.After(atMost):
		return d, fmt.Errorf("%s is not ready after %s:\n%s", name, atMost, strings.Join(d.out.lines(), "\n"))
	}
}
