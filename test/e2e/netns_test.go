package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// netns is a network namespace without a name: one OS thread lives in it, and what is started
// or opened through that thread is inside. It ends with the thread, so a test that panics or
// is killed leaves nothing behind.
type netns struct {
	name string
	path string // for setns, ip(8) and nsenter(1) while this process lives
	work chan func()
}

func newNetns(name string) (*netns, error) {
	n := &netns{name: name, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not serve other goroutines
		err := unix.Unshare(unix.CLONE_NEWNET)
		n.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	if _, err := n.run("ip link set lo up"); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// close ends the namespace and kills what was started in it.
func (n *netns) close() { close(n.work) }

// do runs f on the namespace's thread and waits for it.
func (n *netns) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// start starts cmd inside. The kernel kills it when the namespace's thread ends, thus at the
// latest with this process.
func (n *netns) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	var err error
	n.do(func() { err = cmd.Start() })
	if err != nil {
		return fmt.Errorf("start %s in %s: %w", cmd.Path, n.name, err)
	}
	return nil
}

// run runs a shell script inside, for at most half a minute, and returns what it printed.
func (n *netns) run(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return n.output(exec.CommandContext(ctx, "/bin/sh", "-euc", script))
}

// output runs cmd inside and returns what it printed on both streams.
func (n *netns) output(cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("in %s: %s: %w: %s", n.name, strings.Join(cmd.Args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// dial opens a TCP connection from inside.
func (n *netns) dial(to netip.AddrPort, wait time.Duration) (net.Conn, error) {
	var conn net.Conn
	var err error
	n.do(func() { conn, err = (&net.Dialer{Timeout: wait}).Dial("tcp", to.String()) })
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", n.name, err)
	}
	return conn, nil
}

// link lays a cable between two namespaces, with an address on each end.
func link(a, b *netns, dev string, addrs ...[2]netip.Prefix) error {
	script := fmt.Sprintf("ip link add %s type veth peer name eth0 netns %s; ip link set %s up", dev, b.path, dev)
	other := "ip link set eth0 up"
	for _, pair := range addrs {
		// nodad: a tentative IPv6 address would refuse to be bound for a second.
		script += fmt.Sprintf("; ip addr add %s dev %s%s", pair[0], dev, nodad(pair[0]))
		other += fmt.Sprintf("; ip addr add %s dev eth0%s; ip route add default via %s", pair[1], nodad(pair[1]), pair[0].Addr())
	}
	if _, err := a.run(script); err != nil {
		return err
	}
	_, err := b.run(other)
	return err
}

func nodad(p netip.Prefix) string {
	if p.Addr().Is6() {
		return " nodad"
	}
	return ""
}
