package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxReply bounds what a client reads: 100,000 bans with their log lines fit.
const maxReply = 1 << 30

// Client is a Daemon at the other end of a socket.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client of the gaol that listens on path. It connects when it is used.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		Timeout:   commandTimeout + readTimeout,
	}}
}

// Do sends a command and returns the reply. Its errors are *Error: Absent and Denied where
// nobody was reached, the daemon's own otherwise, which may come with a reply.
func (c *Client) Do(ctx context.Context, cmd Command) (Reply, error) {
	body, err := json.Marshal(cmd)
	if err != nil {
		return Reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gaol/v1/"+cmd.name(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, c.unreached(err)
	}
	defer resp.Body.Close()
	answer := json.NewDecoder(io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := answer.Decode(&f); err != nil || f.Msg == "" {
			return Reply{}, &Error{Fault: Failed, Msg: fmt.Sprintf("what answers on %s is not gaol (%s)", c.path, resp.Status)}
		}
		return f.Reply, &f.Error
	}
	var r Reply
	if err := answer.Decode(&r); err != nil {
		return Reply{}, &Error{Fault: Failed, Msg: fmt.Sprintf("read reply from %s: %v", c.path, err)}
	}
	return r, nil
}

// StopAndWait stops the daemon and returns when its process has ended, so that what comes
// next finds it gone. within bounds the wait.
func (c *Client) StopAndWait(ctx context.Context, s Stop, within time.Duration) error {
	pid, err := c.pid(ctx)
	if err != nil {
		return err
	}
	// Opened before it is told to stop: afterwards the number may be another process's.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	process := os.NewFile(uintptr(fd), "pidfd")
	defer process.Close()
	if _, err := c.Do(ctx, s); err != nil {
		return err
	}
	return await(fd, pid, within)
}

// await returns when the process behind a pidfd has ended (pidfd_open(2): it is readable then).
func await(fd, pid int, within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case n == 0:
			return &Error{Fault: Failed, Msg: fmt.Sprintf("process %d is still stopping after %s", pid, within)}
		}
		return nil
	}
}

// pid is the process that listens on the socket.
func (c *Client) pid(ctx context.Context) (int, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", c.path)
	if err != nil {
		return 0, c.unreached(err)
	}
	defer conn.Close()
	p, err := peerOf(conn)
	return p.PID, err
}

// unreached explains why nobody was reached.
func (c *Client) unreached(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Fault: Absent, Msg: "no gaol answers on " + c.path, Hint: "start it with: gaol run"}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Fault: Denied, Msg: "no permission to use " + c.path, Hint: "try it as root: sudo gaol ..."}
	case os.IsTimeout(err):
		return &Error{Fault: Absent, Msg: "gaol does not answer on " + c.path + " in time"}
	}
	return &Error{Fault: Failed, Msg: fmt.Sprintf("talk to gaol on %s: %v", c.path, err)}
}
