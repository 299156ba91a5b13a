package firewall

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// link is the lasting netlink socket. It is not for concurrent use.
type link struct {
	ns      *os.File // nil: our own namespace
	timeout time.Duration
	own     ownPorts

	conn *nftables.Conn
	raw  *netlink.Conn // conn's socket

	batch  batch // of transact
	seq    uint32
	answer [256]byte
}

// do runs one exchange with the kernel. After any error the socket is given up: answers that
// were not read would be taken for those of the next call. What failed only because the
// socket's buffer was full is tried once more on a new one; all our transactions may be
// repeated.
func (l *link) do(f func(*nftables.Conn) error) error {
	err := l.try(f)
	if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EINTR) {
		err = l.try(f)
	}
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w (%w)", ErrPermission, err)
	}
	return err
}

func (l *link) try(f func(*nftables.Conn) error) error {
	if l.conn == nil {
		if err := l.open(); err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
	}
	// A deadline on the socket is no way to bound a call: the library asks again after an
	// error while something is left to read, and would spin for ever on a deadline that is
	// over. A closed socket ends it.
	raw := l.raw
	watchdog := time.AfterFunc(l.timeout, func() { _ = raw.Close() })
	err := f(l.conn)
	if !watchdog.Stop() {
		l.conn, l.raw = nil, nil
		if err != nil {
			return fmt.Errorf("%w (%v)", ErrTimeout, l.timeout)
		}
		return nil
	}
	if err != nil {
		_ = l.close() // the error that counts is err
	}
	return err
}

func (l *link) open() error {
	options := []nftables.ConnOption{nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		l.raw = c
		l.own.add(c.PID())
		return errors.Join(selectable(c), c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
	})}
	if l.ns != nil {
		options = append(options, nftables.WithNetNSFd(int(l.ns.Fd())))
	}
	conn, err := nftables.New(options...)
	if err != nil {
		return err
	}
	l.conn = conn
	return widen(l.raw)
}

// widen makes the kernel list in pieces of 32 KiB instead of 4: for each piece it walks the
// set from its begin, so that 100,000 bans take it seconds otherwise. The size of a piece is
// that of the largest buffer the socket was ever read with (netlink_recvmsg, "Record the max
// length of recvmsg() calls"), and the library reads with 4 KiB. So an answer is asked for,
// that of an empty request (netlink(7), NLMSG_NOOP), and read with more.
func widen(c *netlink.Conn) error {
	const piece = 32 << 10 // the most that the kernel takes notice of
	sock, err := c.SyscallConn()
	if err != nil {
		return err
	}
	request, err := netlink.Message{Header: netlink.Header{
		Length: unix.NLMSG_HDRLEN, Type: unix.NLMSG_NOOP, Flags: netlink.Request | netlink.Acknowledge,
	}}.MarshalBinary()
	if err != nil {
		return err
	}
	var failed error
	err = sock.Control(func(fd uintptr) {
		if failed = unix.Sendto(int(fd), request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); failed != nil {
			return
		}
		// The kernel has answered when the request is sent.
		_, _, failed = unix.Recvfrom(int(fd), make([]byte, piece), unix.MSG_DONTWAIT)
	})
	return errors.Join(err, failed)
}

func (l *link) close() error {
	if l.conn == nil {
		return nil
	}
	err := l.conn.CloseLasting()
	l.conn, l.raw = nil, nil
	return err
}

// selectable refuses a socket that the library, which waits with select(2), would panic on. A
// daemon opens this socket before its thousands of logs, so it is not met in practice.
func selectable(c *netlink.Conn) error {
	sock, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var high error
	err = sock.Control(func(fd uintptr) {
		if fd >= unix.FD_SETSIZE {
			high = fmt.Errorf("file descriptor %d is too high for select(2)", fd)
		}
	})
	return errors.Join(err, high)
}
