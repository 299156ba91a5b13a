package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// probe sends one SYN after the other to an address and port and notes which are answered by
// SYN-ACK. The SYNs are raw packets: the sender's kernel answers each SYN-ACK with RST, so that
// the server behind never accepts a connection, logs nothing and counts nothing.
type probe struct {
	src, dst netip.AddrPort
	conn     *net.IPConn
	stop     chan struct{}
	mu       sync.Mutex
	sent     []syn
	more     chan struct{} // closed and replaced when a SYN goes out or is answered
}

type syn struct {
	at       time.Time
	answered bool
}

const (
	probeEvery = 2 * time.Millisecond
	// settled is after how long a SYN counts as dropped. The paths here take microseconds;
	// the rest is for a busy machine.
	settled     = 500 * time.Millisecond
	probePort   = 10000 // below the ports that the kernel hands out to clients
	probePorts  = 20000
	flagSYN     = 0x02
	flagSYNACK  = 0x12
	tcpHeader   = 20
	tcpProtocol = 6
)

// startProbe probes dst from n until the test ends.
func startProbe(t *testing.T, n *netlab.Node, dst netip.AddrPort) *probe {
	t.Helper()
	src := n.Addr(dst.Addr().Is6())
	network := "ip4:tcp"
	if src.Is6() {
		network = "ip6:tcp"
	}
	p := &probe{src: netip.AddrPortFrom(src, 0), dst: dst, stop: make(chan struct{}), more: make(chan struct{})}
	err := n.Do(func() (err error) {
		p.conn, err = net.ListenIP(network, &net.IPAddr{IP: src.AsSlice()})
		return err
	})
	if err != nil {
		t.Fatalf("open raw socket: %v", err)
	}
	var running sync.WaitGroup
	running.Go(p.receive)
	running.Go(p.send)
	t.Cleanup(func() {
		close(p.stop)
		_ = p.conn.Close()
		running.Wait()
	})
	return p
}

func (p *probe) send() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	to := &net.IPAddr{IP: p.dst.Addr().AsSlice()}
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		i := len(p.sent)
		p.sent = append(p.sent, syn{at: time.Now()})
		p.wake()
		p.mu.Unlock()
		// A SYN that cannot be sent (no route yet) is one that is not answered.
		_, _ = p.conn.WriteToIP(p.packet(i), to)
	}
}

// wake tells waiters that something changed; the lock is held.
func (p *probe) wake() {
	close(p.more)
	p.more = make(chan struct{})
}

// packet is the i-th SYN (RFC 9293 section 3.1).
func (p *probe) packet(i int) []byte {
	b := make([]byte, tcpHeader)
	binary.BigEndian.PutUint16(b[0:], uint16(probePort+i%probePorts))
	binary.BigEndian.PutUint16(b[2:], p.dst.Port())
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	b[12] = tcpHeader / 4 << 4
	b[13] = flagSYN
	binary.BigEndian.PutUint16(b[14:], 65535)
	binary.BigEndian.PutUint16(b[16:], checksum(p.src.Addr(), p.dst.Addr(), b))
	return b
}

// checksum is TCP's checksum over pseudo header and segment.
func checksum(src, dst netip.Addr, segment []byte) uint16 {
	all := append(src.AsSlice(), dst.AsSlice()...)
	all = append(all, 0, tcpProtocol, 0, byte(len(segment)))
	all = append(all, segment...)
	var sum uint32
	for i := 0; i+1 < len(all); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func (p *probe) receive() {
	buf := make([]byte, 2048)
	for {
		n, from, err := p.conn.ReadFromIP(buf)
		if err != nil {
			return
		}
		addr, _ := netip.AddrFromSlice(from.IP)
		if n < tcpHeader || addr.Unmap() != p.dst.Addr() || binary.BigEndian.Uint16(buf) != p.dst.Port() || buf[13] != flagSYNACK {
			continue
		}
		i := int(binary.BigEndian.Uint32(buf[8:])) - 1
		p.mu.Lock()
		if i >= 0 && i < len(p.sent) && int(binary.BigEndian.Uint16(buf[2:])) == probePort+i%probePorts {
			p.sent[i].answered = true
			p.wake()
		}
		p.mu.Unlock()
	}
}

// waitOpen blocks until a SYN sent from now on is answered and returns when it was sent.
func (p *probe) waitOpen(t *testing.T, atMost time.Duration) time.Time {
	t.Helper()
	start := time.Now()
	return p.waitFor(t, "answers", atMost, func() (time.Time, bool) {
		for i := len(p.sent) - 1; i >= 0 && p.sent[i].at.After(start); i-- {
			if p.sent[i].answered {
				return p.sent[i].at, true
			}
		}
		return time.Time{}, false
	})
}

// waitShut blocks until SYNs are no longer answered and returns when the first of those that
// were dropped was sent.
func (p *probe) waitShut(t *testing.T, atMost time.Duration) time.Time {
	t.Helper()
	return p.waitFor(t, "is silent", atMost, func() (time.Time, bool) {
		first := len(p.sent)
		for first > 0 && !p.sent[first-1].answered {
			first--
		}
		if first == len(p.sent) || time.Since(p.sent[first].at) < settled {
			return time.Time{}, false
		}
		return p.sent[first].at, true
	})
}

func (p *probe) waitFor(t *testing.T, what string, atMost time.Duration, done func() (time.Time, bool)) time.Time {
	t.Helper()
	deadline := time.After(atMost)
	for {
		p.mu.Lock()
		at, ok := done()
		more := p.more
		p.mu.Unlock()
		if ok {
			return at
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s after %s: waited for it to be so that it %s", p, atMost, what)
		}
	}
}

// between returns when the SYNs were sent, from one time to the other, that were answered and
// that were dropped. It waits until the last of them had its time to be answered.
func (p *probe) between(t *testing.T, from, to time.Time) (answered, dropped []time.Time) {
	t.Helper()
	p.waitFor(t, "settles", time.Until(to)+10*time.Second, func() (time.Time, bool) {
		answered, dropped = nil, nil
		for _, s := range p.sent {
			switch {
			case s.at.Before(from) || s.at.After(to):
			case s.answered:
				answered = append(answered, s.at)
			default:
				dropped = append(dropped, s.at)
			}
		}
		return to, time.Since(to) > settled || len(dropped) == 0 && time.Now().After(to)
	})
	return answered, dropped
}

// mustStayOpen fails the test if a SYN that was sent since then was dropped.
func (p *probe) mustStayOpen(t *testing.T, since time.Time) {
	t.Helper()
	if _, dropped := p.between(t, since, time.Now()); len(dropped) > 0 {
		t.Errorf("%s: %d SYNs dropped, the first at %s", p, len(dropped), dropped[0])
	}
}

// mustStayShut waits for the end of a time and fails the test if a SYN of it was answered.
func (p *probe) mustStayShut(t *testing.T, from, to time.Time) {
	t.Helper()
	if answered, dropped := p.between(t, from, to); len(answered) > 0 {
		t.Errorf("%s: %d of %d SYNs got through although banned, the first at %s",
			p, len(answered), len(answered)+len(dropped), answered[0])
	}
}

func (p *probe) String() string { return fmt.Sprintf("probe %s -> %s", p.src.Addr(), p.dst) }
