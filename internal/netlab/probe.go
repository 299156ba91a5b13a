package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long a live peer may take: two busy cores, not the network, need it.
	patience = 10 * time.Second
	// silence is how long a dead peer must say nothing. An answer inside one kernel takes
	// microseconds; Dead's callers should also look at the rule's counter.
	silence = 250 * time.Millisecond
)

// Listen opens a TCP listener in the node, closed when the test ends.
func (n *Node) Listen(addr string) net.Listener {
	n.t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // what is tested is what plain servers do
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = lc.Listen(context.Background(), "tcp", addr)
		return err
	})
	if err != nil {
		n.t.Fatalf("netlab: listen on %s in %s: %v", addr, n.Name, err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	return l
}

// Serve starts an echo server in the node; network is "tcp" or "udp", addr is ":22" for all
// addresses of both families.
func (n *Node) Serve(network, addr string) {
	n.t.Helper()
	if network == "udp" {
		n.serveUDP(addr)
		return
	}
	l := n.Listen(addr)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.t.Cleanup(func() { _ = c.Close() })
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
}

func (n *Node) serveUDP(addr string) {
	n.t.Helper()
	var pc net.PacketConn
	err := n.Do(func() (err error) {
		pc, err = net.ListenPacket("udp", addr)
		return err
	})
	if err != nil {
		n.t.Fatalf("netlab: listen on udp %s in %s: %v", addr, n.Name, err)
	}
	n.t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			k, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(buf[:k], from) // the client asks again
		}
	}()
}

// Dial connects from the node within the time limit.
func (n *Node) Dial(network, addr string, limit time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: limit}
	d.SetMultipathTCP(false)
	var c net.Conn
	err := n.Do(func() (err error) {
		c, err = d.Dial(network, addr)
		return err
	})
	return c, err
}

// Session is one open connection to an echo server.
type Session struct {
	net.Conn
	n    *Node
	sent int
}

// Open connects to an echo server and hears its first echo, or ends the test.
func (n *Node) Open(network, addr string) *Session {
	n.t.Helper()
	c, err := n.Dial(network, addr, patience)
	if err != nil {
		n.t.Fatalf("netlab: %s cannot reach %s %s: %v", n.Name, network, addr, err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	s := &Session{Conn: c, n: n}
	if err := s.echo(patience); err != nil {
		n.t.Fatalf("netlab: %s gets no answer from %s %s: %v", n.Name, network, addr, err)
	}
	return s
}

// Alive ends the test unless the session still answers.
func (s *Session) Alive() {
	s.n.t.Helper()
	if err := s.echo(patience); err != nil {
		s.n.t.Fatalf("netlab: the session of %s with %s stopped: %v", s.n.Name, s.RemoteAddr(), err)
	}
}

// Dead ends the test if the session still answers.
func (s *Session) Dead() {
	s.n.t.Helper()
	if err := s.echo(silence); err == nil {
		s.n.t.Fatalf("netlab: the session of %s with %s still answers", s.n.Name, s.RemoteAddr())
	}
}

// echo sends a word that was not sent before and waits for it to come back.
func (s *Session) echo(limit time.Duration) error {
	s.sent++
	word := fmt.Sprintf("word %d;", s.sent)
	if err := s.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := io.WriteString(s, word); err != nil {
		return err
	}
	var heard strings.Builder
	buf := make([]byte, 256)
	for !strings.HasSuffix(heard.String(), word) {
		k, err := s.Read(buf)
		if err != nil {
			return err
		}
		heard.Write(buf[:k])
	}
	return nil
}

// Alive ends the test unless an echo server answers at addr.
func (n *Node) Alive(network, addr string) {
	n.t.Helper()
	_ = n.Open(network, addr).Close()
}

// Dead ends the test unless addr stays silent: no answer and no refusal either. Errors of
// other kinds (no route, say) end the test too, since they would hide a ban that is missing.
func (n *Node) Dead(network, addr string) {
	n.t.Helper()
	if err := n.probe(network, addr, silence); err == nil {
		n.t.Fatalf("netlab: %s reaches %s %s, which should be dead", n.Name, network, addr)
	} else if !isTimeout(err) {
		n.t.Fatalf("netlab: %s at %s %s: want silence, got: %v", n.Name, network, addr, err)
	}
}

// Refused ends the test unless addr refuses at once: a reset for tcp, ICMP port unreachable
// for udp; both are ECONNREFUSED to the client.
func (n *Node) Refused(network, addr string) {
	n.t.Helper()
	if err := n.persist(network, addr); !errors.Is(err, unix.ECONNREFUSED) {
		n.t.Fatalf("netlab: %s at %s %s: want connection refused, got: %v", n.Name, network, addr, err)
	}
}

// Returns ends the test unless an echo server that was dead answers before patience runs out.
func (n *Node) Returns(network, addr string) {
	n.t.Helper()
	if err := n.persist(network, addr); err != nil {
		n.t.Fatalf("netlab: %s still cannot reach %s %s: %v", n.Name, network, addr, err)
	}
}

// persist knocks again and again, as clients do, until there is an answer or a refusal; each
// knock blocks on the network.
func (n *Node) persist(network, addr string) (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = n.probe(network, addr, silence); err == nil || !isTimeout(err) {
			return err
		}
	}
	return err
}

func (n *Node) probe(network, addr string, limit time.Duration) error {
	c, err := n.Dial(network, addr, limit)
	if err != nil {
		return err
	}
	defer c.Close()
	return (&Session{Conn: c, n: n}).echo(limit)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
