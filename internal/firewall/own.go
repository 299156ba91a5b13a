package firewall

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ownPorts are the netlink addresses that our changes come from: of the socket in use and of
// some before it, whose changes may still wait to be read.
type ownPorts struct {
	mu      sync.Mutex
	ports   []uint32
	watches []*netlink.Conn
}

func (o *ownPorts) add(port uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 16
	o.ports = append(o.ports, port)
	o.ports = o.ports[max(0, len(o.ports)-most):]
	for _, c := range o.watches {
		_ = o.filter(c) // without, it is told and left out by who reads it
	}
}

func (o *ownPorts) has(port uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.ports, port)
}

// spare makes a watching socket pass over what we do ourselves, until stop is called. Ten
// thousand bans of our own would otherwise wake who watches, and could fill its buffer.
func (o *ownPorts) spare(c *netlink.Conn) (stop func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watches = append(o.watches, c)
	stop = func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.watches = slices.DeleteFunc(o.watches, func(w *netlink.Conn) bool { return w == c })
	}
	return stop, o.filter(c)
}

// filter has the kernel drop what comes from our ports before the socket hears of it. A datagram
// is of one transaction, so that its first message tells whose it is.
func (o *ownPorts) filter(c *netlink.Conn) error {
	const portAt = 12 // nlmsg_pid in nlmsghdr (netlink(7)), in the machine's own byte order
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: portAt}}
	for i, port := range o.ports {
		jump := uint8(len(o.ports) - i) // over the other ports and the acceptance
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: jump, K: loaded(port)})
	}
	program = append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0})
	sock, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = sock.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	return errors.Join(err, failed)
}

// loaded is what BPF loads where a port stands: it reads the network's byte order.
func loaded(port uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], port)
	return binary.BigEndian.Uint32(b[:])
}
