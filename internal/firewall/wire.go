package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// batch is one transaction as the kernel reads it (linux/netfilter/nfnetlink.h and
// nf_tables.h). It is for what comes in great numbers: addresses of a hash set. The library
// makes a dozen small objects of each element and sends all of them copied twice, which costs
// several times of what the kernel needs.
type batch struct {
	buf  []byte
	seq  uint32
	last int // where the last message begins
}

// begin starts a transaction in the room of the one before; seq is that of the last message
// sent on this socket.
func (b *batch) begin(seq uint32) {
	b.buf, b.seq = b.buf[:0], seq
	b.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.close(0)
}

// end finishes it. The last message in front of the end asks for an answer: that one comes when
// the whole transaction has succeeded, and the first error where it has not.
func (b *batch) end() (wait uint32) {
	flags := b.buf[b.last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
	wait = b.seq
	at := b.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.close(at)
	return wait
}

// message begins one: nlmsghdr and nfgenmsg. It is ended by close with what it returns.
func (b *batch) message(kind, flags uint16, family uint8, resource uint16) (at int) {
	at = len(b.buf)
	b.last, b.seq = at, b.seq+1
	b.buf = binary.NativeEndian.AppendUint32(b.buf, 0)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, unix.NLM_F_REQUEST|flags)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, b.seq)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, 0) // the kernel knows whose socket it is
	b.buf = append(b.buf, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
	return at
}

// close ends a message: its length is known now.
func (b *batch) close(at int) { binary.NativeEndian.PutUint32(b.buf[at:], uint32(len(b.buf)-at)) }

// nest begins an attribute that holds others; it is ended by unnest.
func (b *batch) nest(kind uint16) (at int) {
	at = len(b.buf)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, 0)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind|unix.NLA_F_NESTED)
	return at
}

func (b *batch) unnest(at int) { binary.NativeEndian.PutUint16(b.buf[at:], uint16(len(b.buf)-at)) }

// attribute adds one; its end is filled up to a multiple of four bytes.
func (b *batch) attribute(kind uint16, value []byte) {
	const header = 4
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(header+len(value)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, value...)
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
}

func (b *batch) text(kind uint16, s string) { b.attribute(kind, append([]byte(s), 0)) }

// elements is a message that adds or deletes addresses; at most maxElems, since an attribute's
// length has 16 bits.
func (b *batch) elements(kind, flags uint16, table, set string, all []timed, bare bool) {
	at := b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0)
	b.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
	b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	list := b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	for _, e := range all {
		b.element(e, bare)
	}
	b.unnest(list)
	b.close(at)
}

func (b *batch) element(e timed, bare bool) {
	el := b.nest(unix.NFTA_LIST_ELEM)
	key := b.nest(unix.NFTA_SET_ELEM_KEY)
	if e.addr.Is4() {
		a := e.addr.As4()
		b.attribute(unix.NFTA_DATA_VALUE, a[:])
	} else {
		a := e.addr.As16()
		b.attribute(unix.NFTA_DATA_VALUE, a[:])
	}
	b.unnest(key)
	if !bare && e.timeout > 0 {
		var ms [8]byte
		binary.BigEndian.PutUint64(ms[:], uint64(e.timeout.Milliseconds()))
		b.attribute(unix.NFTA_SET_ELEM_TIMEOUT, ms[:])
	}
	b.unnest(el)
}

// timed is a single address and how long it is banned; 0: for ever.
type timed struct {
	addr    netip.Addr
	timeout time.Duration
}

// most is how much room a link keeps between transactions, in bytes.
const most = 1 << 20

// transact sends what fill writes as one transaction and waits for the kernel's word on it.
func (l *link) transact(fill func(*batch)) error {
	b := &l.batch
	b.begin(l.seq)
	fill(b)
	wait := b.end()
	l.seq = b.seq
	sock, err := l.raw.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = sock.Control(func(fd uintptr) {
		if _, failed = unix.Write(int(fd), b.buf); failed != nil {
			failed = fmt.Errorf("send: %w", failed)
			return
		}
		failed = l.answered(int(fd), wait)
	})
	if cap(b.buf) > most {
		b.buf = nil
	}
	return errors.Join(err, failed)
}

// answered reads the kernel's answers up to that to the message wait. They are there: the kernel
// has done the work when the request is sent.
func (l *link) answered(fd int, wait uint32) error {
	for {
		// An error comes with the whole message behind it, which is cut off.
		n, err := unix.Read(fd, l.answer[:])
		if errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("receive: no answer: %w", unix.ENOBUFS)
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		const header, errno = unix.NLMSG_HDRLEN, 4
		if n < 2*header+errno || binary.NativeEndian.Uint16(l.answer[4:]) != unix.NLMSG_ERROR {
			continue // none of ours
		}
		code := -int32(binary.NativeEndian.Uint32(l.answer[header:]))
		if code != 0 {
			about := binary.NativeEndian.Uint16(l.answer[header+errno+4:])
			return fmt.Errorf("receive: %s: %w", messageText(about), unix.Errno(code))
		}
		if binary.NativeEndian.Uint32(l.answer[header+errno+8:]) == wait {
			return nil
		}
	}
}

// messageText is what a message of ours wanted.
func messageText(kind uint16) string {
	switch kind {
	case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM:
		return "add elements"
	case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSETELEM:
		return "delete elements"
	}
	return "commit"
}
