package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// knock opens a connection from addr to the attacked port and drops it; refused says that the
// machine answered so, or not at all within a tenth of a second.
func knock(addr netip.Addr) (refused bool, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: addr.As4()}),
	)
	if err != nil {
		return false, err
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: 22, Addr: netip.MustParseAddr(target).As4()})
	switch {
	case err == nil, errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EINTR): // reset by the one who accepts and closes; woken by the runtime
		return false, nil
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EINPROGRESS), errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.EAGAIN):
		return true, nil
	}
	return false, fmt.Errorf("connect from %s: %w", addr, err)
}

// refused knocks until the daemon has addr refused, pause apart, and returns when it was.
func (s *server) refused(addr netip.Addr, pause, atMost time.Duration) (at time.Time, err error) {
	err = s.b.among(func() error {
		at, err = s.untilRefused(addr, pause, atMost)
		return err
	})
	return at, err
}

// untilRefused is refused on a thread that is among the attackers already. A pause of a few
// microseconds is slept by the kernel: the runtime's timers are coarser.
func (s *server) untilRefused(addr netip.Addr, pause, atMost time.Duration) (time.Time, error) {
	for end := time.Now().Add(atMost); ; {
		no, err := knock(addr)
		now := time.Now()
		if err != nil || no {
			return now, err
		}
		if now.After(end) || !s.alive() {
			return now, fmt.Errorf("%s is not refused after %s: %s", addr, atMost, s.said())
		}
		ts := unix.NsecToTimespec(pause.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil)
	}
}

// commits tells when the kernel says that an address came into a set.
type commits struct {
	conn *netlink.Conn
}

func openCommits() (*commits, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	return &commits{conn}, errors.Join(conn.SetReadBuffer(16<<20), conn.JoinGroup(unix.NFNLGRP_NFTABLES))
}

// of waits for the transaction that adds addr.
func (c *commits) of(addr netip.Addr, atMost time.Duration) (time.Time, error) {
	want := addr.AsSlice()
	if err := c.conn.SetReadDeadline(time.Now().Add(atMost)); err != nil {
		return time.Time{}, err
	}
	for {
		messages, err := c.conn.Receive()
		now := time.Now()
		if errors.Is(err, unix.ENOBUFS) {
			continue // bans of the noise; ours is waited for until the deadline
		}
		if err != nil {
			return now, fmt.Errorf("wait for %s in a set: %w", addr, err)
		}
		for _, m := range messages {
			if uint8(m.Header.Type) == unix.NFT_MSG_NEWSETELEM && bytes.Contains(m.Data, want) {
				return now, nil
			}
		}
	}
}
