package engine

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// statusRequest is fail2ban's wire form of the command `status`: the list ["status"] as a
// protocol 2 pickle and the end mark (§5.1). It is fixed, so no pickle library is needed.
const statusRequest = "\x80\x02]X\x06\x00\x00\x00statusa.<F2B_END_COMMAND>"

// otherFail2ban says which of the jails a running fail2ban has too. Two daemons on one jail
// would count, ban and lift each other's addresses.
//
// socket is fail2ban's socket path. No error and no names: nobody answers there.
func otherFail2ban(ctx context.Context, socket string, jails []string) (pid int, common []string, err error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return 0, nil, nil // no file, or a stale one: nobody is there
	}
	defer conn.Close()
	pid = peerPID(conn)
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return pid, nil, fmt.Errorf("ask fail2ban at %s: %w", socket, err)
	}
	if _, err := conn.Write([]byte(statusRequest)); err != nil {
		return pid, nil, fmt.Errorf("ask fail2ban at %s: %w", socket, err)
	}
	var reply []byte
	buf := make([]byte, 64<<10)
	for !bytes.Contains(reply, []byte("<F2B_END_COMMAND>")) && len(reply) < 1<<20 {
		n, err := conn.Read(buf)
		if n == 0 && err != nil {
			return pid, nil, fmt.Errorf("read the jail list of fail2ban at %s: %w", socket, err)
		}
		reply = append(reply, buf[:n]...)
	}
	running := jailList(reply)
	for _, j := range jails {
		if slices.Contains(running, j) {
			common = append(common, j)
		}
	}
	return pid, common, nil
}

// jailList takes the names out of a pickled reply to `status`: the text that follows the
// text "Jail list". Both are length-prefixed (SHORT_BINUNICODE 0x8c or BINUNICODE 'X').
func jailList(reply []byte) []string {
	_, rest, ok := bytes.Cut(reply, []byte("Jail list"))
	if !ok {
		return nil
	}
	for i := 0; i+5 < len(rest) && i < 8; i++ {
		n, start := 0, 0
		switch rest[i] {
		case 0x8c:
			n, start = int(rest[i+1]), i+2
		case 'X':
			n, start = int(rest[i+1])|int(rest[i+2])<<8|int(rest[i+3])<<16|int(rest[i+4])<<24, i+5
		default:
			continue
		}
		if n < 0 || start+n > len(rest) {
			return nil
		}
		return strings.Split(string(rest[start:start+n]), ", ")
	}
	return nil
}

func peerPID(conn net.Conn) int {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	err = raw.Control(func(fd uintptr) {
		if cred, e := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); e == nil {
			pid = int(cred.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return pid
}
