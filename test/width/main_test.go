// Package width sends packets from hundreds and thousands of addresses at a host whose engine
// reads of them in a log: folds, their budget, and who must not be hit by them.
package width

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gaol/internal/cli"
	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

// patience is how long what must happen may take, on two busy cores.
const patience = 30 * time.Second

// lab is a host that an engine guards, staff, and one machine with all the other addresses.
type lab struct {
	t       *testing.T
	host    *netlab.Node
	crowd   *netlab.Node
	staff   *netlab.Node
	fw      *firewall.NFT
	client  *control.Client
	socket  string
	log     string
	clock   atomic.Int64 // how far the engine's clock is ahead
	said    chan string
	seen    []string
	mu      sync.Mutex
	heard   map[string]map[netip.Addr]bool // by what a packet said: who got through
	changed chan struct{}
	rounds  int
}

// start runs an engine with one jail. nets lead to the crowd.
func start(t *testing.T, jail string, nets ...string) *lab {
	t.Helper()
	net := netlab.New(t)
	l := &lab{t: t, host: net.Host, said: make(chan string, 100_000), heard: map[string]map[netip.Addr]bool{}, changed: make(chan struct{}, 1)}
	l.crowd = net.NewClient("crowd", "203.0.113.66/24", "2001:db8:1::66/64")
	l.staff = net.NewClient("staff", "203.0.113.7/24", "2001:db8:1::7/64")
	l.crowd.Sysctl("net.ipv6.ip_nonlocal_bind", "1")
	for _, n := range nets {
		family, via := "-4", "203.0.113.66"
		if strings.Contains(n, ":") {
			family, via = "-6", "2001:db8:1::66"
		}
		l.host.Run("ip", family, "route", "add", n, "via", via)
		l.crowd.Run("ip", family, "route", "add", "local", n, "dev", "lo")
	}
	l.listen(22, 443)
	l.run(jail)
	return l
}

func (l *lab) run(jail string) {
	l.t.Helper()
	var err error
	l.fw, err = firewall.NewNFT(firewall.NFTOptions{NetNS: l.host.Path()})
	l.must(err)
	dir := l.t.TempDir()
	l.log, l.socket = filepath.Join(dir, "auth.log"), filepath.Join(dir, "sock")
	l.must(os.WriteFile(l.log, nil, 0o600))
	l.must(os.WriteFile(filepath.Join(dir, "jail.local"), fmt.Appendf(nil, "[sshd]\nenabled = true\nfilter = sshd\nbackend = auto\n"+
		"port = ssh\nprotocol = udp\nbanaction = gaol\nlogpath = %s\n%s", l.log, jail), 0o600))
	ready, ended := make(chan bool), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- engine.Run(ctx, engine.Options{
			Load:     func() (*config.Config, []config.Problem) { return config.Load(config.LoadOptions{Dir: dir}) },
			StateDir: filepath.Join(dir, "state"), Socket: l.socket, Firewall: l.fw, Alone: true,
			Log:   slog.New(engine.NewLogHandler(saying{l.said}, slog.LevelInfo)),
			Now:   func() time.Time { return time.Now().Add(time.Duration(l.clock.Load())) },
			Ready: func() { close(ready) },
		})
	}()
	l.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		l.t.Fatal(err)
	}
	l.client = control.NewClient(l.socket)
}

type saying struct{ to chan string }

// Write takes what a batch of log lines says apart: it comes as one.
func (s saying) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		s.to <- line
	}
	return len(p), nil
}

// listen serves UDP ports of the host, and keeps who says what.
func (l *lab) listen(ports ...int) {
	for _, port := range ports {
		var pc net.PacketConn
		l.must(l.host.Do(func() (err error) {
			pc, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port))
			return err
		}))
		l.t.Cleanup(func() { _ = pc.Close() })
		go func() {
			buf := make([]byte, 64)
			for {
				n, from, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				l.keep(string(buf[:n]), from.(*net.UDPAddr).AddrPort().Addr().Unmap())
			}
		}()
	}
}

func (l *lab) keep(word string, from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard[word] == nil {
		l.heard[word] = map[netip.Addr]bool{}
	}
	l.heard[word][from] = true
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *lab) through(word string, a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard[word][a]
}

// dead ends the test if a packet of any of the crowd's addresses gets to the port. Packets of
// one kernel keep their order: when those of staff are there, the others would be.
func (l *lab) dead(port int, addrs ...netip.Addr) {
	l.t.Helper()
	word := l.word()
	for _, a := range addrs {
		l.knock(l.crowd, a, port, word)
	}
	for _, v6 := range []bool{false, true} {
		l.knockUntilHeard(l.staff, l.staff.Addr(v6), port, word)
	}
	for _, a := range addrs {
		if l.through(word, a) {
			l.t.Errorf("%s gets through to port %d", a, port)
		}
	}
}

// alive ends the test unless packets of each of the crowd's addresses get to the port.
func (l *lab) alive(port int, addrs ...netip.Addr) {
	l.t.Helper()
	word := l.word()
	for _, a := range addrs {
		l.knockUntilHeard(l.crowd, a, port, word)
	}
}

func (l *lab) word() string { l.rounds++; return fmt.Sprintf("round %d", l.rounds) }

func (l *lab) knockUntilHeard(n *netlab.Node, from netip.Addr, port int, word string) {
	l.t.Helper()
	again, deadline := time.NewTicker(100*time.Millisecond), time.After(patience)
	defer again.Stop()
	l.knock(n, from, port, word)
	for !l.through(word, from) {
		select {
		case <-l.changed:
		case <-again.C:
			l.knock(n, from, port, word)
		case <-deadline:
			l.t.Fatalf("%s of %s does not get through to port %d", from, n.Name, port)
		}
	}
}

// knock sends one packet.
func (l *lab) knock(n *netlab.Node, from netip.Addr, port int, word string) {
	l.t.Helper()
	to := netip.AddrPortFrom(l.host.Addr(from.Is6()), uint16(port))
	l.must(n.Do(func() error {
		return send(netip.AddrPortFrom(from, 0), to, word)
	}))
}

func send(from, to netip.AddrPort, word string) error {
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte(word)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

// fail writes a failed login of each address, of the engine's time.
func (l *lab) fail(addrs ...netip.Addr) {
	l.t.Helper()
	var text bytes.Buffer
	at := time.Now().Add(time.Duration(l.clock.Load())).Format("2006-01-02T15:04:05-07:00")
	for _, a := range addrs {
		fmt.Fprintf(&text, "%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n", at, 1000, a)
	}
	f, err := os.OpenFile(l.log, os.O_APPEND|os.O_WRONLY, 0)
	l.must(err)
	_, err = f.Write(text.Bytes())
	l.must(err)
	l.must(f.Close())
}

// elements are what the kernel bans.
func (l *lab) elements() (all []string) {
	l.t.Helper()
	bans, err := l.fw.List("sshd")
	l.must(err)
	for _, e := range bans["sshd"] {
		all = append(all, e.Prefix.String())
	}
	return all
}

func (l *lab) do(c control.Command) control.Reply {
	l.t.Helper()
	reply, err := l.client.Do(l.t.Context(), c)
	l.must(err)
	return reply
}

// gaol is what the command prints.
func (l *lab) gaol(args ...string) string {
	l.t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Main(append([]string{"gaol", "--socket", l.socket}, args...), nil, &out, &errs); code != 0 {
		l.t.Fatalf("gaol %s: exit %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

// wait blocks until the log has said each of the texts, in whatever order.
func (l *lab) wait(texts ...string) {
	l.t.Helper()
	deadline := time.After(patience)
	for len(texts) > 0 {
		select {
		case line := <-l.said:
			l.seen = append(l.seen, line)
			texts = slices.DeleteFunc(texts, func(text string) bool { return strings.Contains(line, text) })
		case <-deadline:
			l.t.Fatalf("the log never said %q; it ended with:\n%s", texts, strings.Join(l.seen[max(0, len(l.seen)-20):], ""))
		}
	}
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}
