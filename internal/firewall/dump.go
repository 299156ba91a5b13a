package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// dumpPiece is what is read at once; the kernel fills half of it at most.
const dumpPiece = 64 << 10

// dump lists the addresses of a hash set, as the kernel shows them: see readHash. The library
// makes a dozen small objects of each, which of 100,000 bans are 60 MB. What is about to expire
// has a timeout below zero: with nothing left of it, it would be taken for a ban for ever.
func (l *link) dump(table, set string) (all []Element, err error) {
	b := &l.batch
	b.buf, b.seq = b.buf[:0], l.seq
	at := b.message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP, unix.NFPROTO_INET, 0)
	b.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
	b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	b.close(at)
	l.seq = b.seq
	sock, err := l.raw.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = sock.Control(func(fd uintptr) {
		if _, failed = unix.Write(int(fd), b.buf); failed == nil {
			all, failed = readDump(int(fd), b.seq)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("list set %s: %w", set, err)
	}
	return all, nil
}

// readDump reads the answer to the dump numbered seq.
func readDump(fd int, seq uint32) (all []Element, err error) {
	buf := make([]byte, dumpPiece)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN): // a piece is made while the one before is read
			return nil, fmt.Errorf("no answer: %w", unix.ENOBUFS)
		case err != nil:
			return nil, err
		}
		for rest := buf[:n]; len(rest) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(rest))
			if size < unix.NLMSG_HDRLEN || size > len(rest) {
				return nil, fmt.Errorf("a message of %d bytes in %d", size, len(rest))
			}
			kind, body := binary.NativeEndian.Uint16(rest[4:]), rest[unix.NLMSG_HDRLEN:size]
			mine := binary.NativeEndian.Uint32(rest[8:]) == seq
			rest = rest[min(len(rest), (size+3)&^3):]
			switch {
			case !mine:
			case kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR:
				if len(body) >= 4 && binary.NativeEndian.Uint32(body) != 0 {
					return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
				}
				return all, nil
			case kind == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM && len(body) > 4:
				all = appendElements(all, body[4:]) // behind nfgenmsg
			}
		}
	}
}

// appendElements reads the elements of one message.
func appendElements(all []Element, body []byte) []Element {
	eachAttribute(body, func(kind uint16, list []byte) {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return
		}
		eachAttribute(list, func(_ uint16, elem []byte) {
			if e, ok := elementFrom(elem); ok {
				all = append(all, e)
			}
		})
	})
	return all
}

// elementFrom reads one element; false: it is no address.
func elementFrom(text []byte) (e Element, ok bool) {
	var timeout, left uint64 // milliseconds
	eachAttribute(text, func(kind uint16, value []byte) {
		switch {
		case kind == unix.NFTA_SET_ELEM_KEY:
			eachAttribute(value, func(kind uint16, key []byte) {
				if a, is := netip.AddrFromSlice(key); is && kind == unix.NFTA_DATA_VALUE {
					e.Prefix, ok = netip.PrefixFrom(a, a.BitLen()), true
				}
			})
		case kind == unix.NFTA_SET_ELEM_TIMEOUT && len(value) == 8:
			timeout = binary.BigEndian.Uint64(value)
		case kind == unix.NFTA_SET_ELEM_EXPIRATION && len(value) == 8:
			left = binary.BigEndian.Uint64(value)
		}
	})
	if e.Timeout = time.Duration(left) * time.Millisecond; timeout > 0 && left == 0 {
		e.Timeout = remove
	}
	return e, ok
}

// eachAttribute goes through netlink attributes; what is cut off at the end is left out.
func eachAttribute(text []byte, do func(kind uint16, value []byte)) {
	for len(text) >= 4 {
		size := int(binary.NativeEndian.Uint16(text))
		if size < 4 || size > len(text) {
			return
		}
		do(binary.NativeEndian.Uint16(text[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), text[4:size])
		text = text[min(len(text), (size+3)&^3):]
	}
}
