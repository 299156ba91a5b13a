package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// notify is a sd_notify(3) socket: a daemon says READY=1 there when it has started.
type notify struct {
	path  string
	conn  *net.UnixConn
	ready chan error
}

func listenNotify(path string) (*notify, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen for readiness: %w", err)
	}
	n := &notify{path: path, conn: conn, ready: make(chan error, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			size, err := conn.Read(buf)
			if err != nil || bytes.Contains(buf[:size], []byte("READY=1")) {
				n.ready <- err
				return
			}
		}
	}()
	return n, nil
}

// wait blocks until the daemon is ready; ended closes when the daemon has died.
func (n *notify) wait(ended <-chan struct{}, atMost time.Duration) error {
	select {
	case err := <-n.ready:
		return err
	case <-ended:
		return errors.New("it ended before it was ready")
	case <-time.After(atMost):
		return fmt.Errorf("not ready after %s", atMost)
	}
}

func (n *notify) close() {
	_ = n.conn.Close()
	_ = os.Remove(n.path)
}
