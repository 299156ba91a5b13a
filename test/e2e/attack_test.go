package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// sshOptions keep a client from asking, remembering and reading anything of this machine.
var sshOptions = []string{"-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
	"-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"}

var errDenied = errors.New("permission denied")

// guess tries one wrong password as user with the real ssh client. errDenied is what a server
// that can be reached answers.
func guess(n *netlab.Node, user string, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return guessUntil(ctx, n, user, to)
}

func guessUntil(ctx context.Context, n *netlab.Node, user string, to netip.AddrPort) error {
	args := append([]string{"-p", "wrong", "ssh"}, sshOptions...)
	args = append(args, "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=2")
	return ssh(ctx, n, "sshpass", append(args, "-p", fmt.Sprint(to.Port()), user+"@"+to.Addr().String(), "true"))
}

// login logs in as `staff` with key, a file, and runs a command there.
func login(n *netlab.Node, key string, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	args := append(append([]string{}, sshOptions...), "-i", key, "-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=5")
	return ssh(ctx, n, "ssh", append(args, "-p", fmt.Sprint(to.Port()), "staff@"+to.Addr().String(), "true"))
}

func ssh(ctx context.Context, n *netlab.Node, program string, args []string) error {
	runtime.LockOSThread() // as in startDaemon
	defer runtime.UnlockOSThread()
	out, err := command(ctx, n, program, args...).CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("Permission denied")) {
		return errDenied
	}
	if err != nil {
		return fmt.Errorf("%s in %s: %w: %s", program, n.Name, err, bytes.TrimSpace(out))
	}
	return nil
}

// command is a command inside n that ctx ends; it dies with this process too.
func command(ctx context.Context, n *netlab.Node, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.Path(), "--", program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second // ssh below sshpass may hold the output open
	return cmd
}

// attack makes so many wrong guesses, each of which the server must answer.
func attack(t *testing.T, n *netlab.Node, user string, to netip.AddrPort, times int) {
	t.Helper()
	for range times {
		if err := guess(n, user, to); !errors.Is(err, errDenied) {
			t.Fatalf("attack on %s: got %v, want %v", to, err, errDenied)
		}
	}
}

// session is a connection to an sshd on which the server's greeting has come and ours not.
type session struct {
	conn net.Conn
	from *bufio.Reader
}

// open opens a session; it ends with the test.
func open(t *testing.T, n *netlab.Node, to netip.AddrPort) *session {
	t.Helper()
	conn, err := n.Dial("tcp", to.String(), 5*time.Second)
	if err != nil {
		t.Fatalf("open a connection: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &session{conn, bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if line, err := s.from.ReadString('\n'); err != nil || !strings.HasPrefix(line, "SSH-2.0-") {
		t.Fatalf("read sshd's greeting: got %q, %v", line, err)
	}
	return s
}

// alive says whether the server still answers: to our greeting it owes its list of algorithms.
func (s *session) alive(within time.Duration) bool {
	if s.conn.SetDeadline(time.Now().Add(within)) != nil {
		return false
	}
	if _, err := s.conn.Write([]byte("SSH-2.0-gaoltest\r\n")); err != nil {
		return false
	}
	_, err := s.from.ReadByte()
	return err == nil
}

// saveKey writes a private key into a file that ssh accepts.
func saveKey(dir string, k key) (string, error) {
	file := filepath.Join(dir, "staff.key")
	return file, os.WriteFile(file, k.private, 0o600)
}
