package docs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// furnish makes a machine of its own out of fresh namespaces: its /etc is a copy, its /run,
// /var/log, /var/lib/gaol, /var/lib/fail2ban and /srv/jumps begin empty, its network has nothing but loopback.
// $1 is the tree, whose bin is private too. It lives until its standard input ends.
const furnish = `set -e
empty() { # DIR NAME: DIR as it is, but for NAME, which is not there
	mkdir -p "/run/keep$1"
	mount --rbind "$1" "/run/keep$1"
	mount -t tmpfs tmpfs "$1"
	for one in "/run/keep$1"/*; do
		if [ -d "$one" ] && [ "${one##*/}" != "$2" ]; then
			mkdir "$1/${one##*/}"
			mount --rbind "$one" "$1/${one##*/}"
		fi
	done
}
mount -t tmpfs tmpfs /run
mkdir /run/etc
cp -a /etc/. /run/etc/ || [ "$2" = user ]
mount --bind /run/etc /etc
rm -rf /etc/gaol
empty /var/lib gaol
[ ! -d /var/lib/fail2ban ] || mount -t tmpfs tmpfs /var/lib/fail2ban
empty /srv jumps
mount -t tmpfs tmpfs /var/log
: >/var/log/auth.log
mkdir -p "$1/bin"
mount -t tmpfs tmpfs "$1/bin"
ip link set lo up
echo furnished
exec cat`

// world is a machine of its own, for the examples of one document.
type world struct {
	t    *testing.T
	dir  string // where its commands run; the same directory outside
	tree string // the absolute path of the tree, inside and outside
	pid  int    // of its first process, seen from outside
	user bool   // it is in a user namespace, since the test is not root
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, user: os.Geteuid() != 0}
	var err error
	if w.tree, err = filepath.Abs(root); err != nil {
		t.Fatal(err)
	}
	if w.dir, err = os.MkdirTemp("", "gaol-docs-"); err != nil { // t.TempDir is too long for a socket
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(w.dir) })
	args := []string{"--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"}
	kind := "root"
	if w.user {
		args, kind = append(args, "--map-root-user"), "user"
	}
	cmd := exec.CommandContext(context.Background(), "unshare", append(args, "bash", "-c", furnish, "furnish", w.tree, kind)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := cmd.Start(); err != nil {
		missing(t, "make namespaces", err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if said, _ := bufio.NewReader(stdout).ReadString('\n'); said != "furnished\n" {
		missing(t, "make a machine of its own", fmt.Errorf("%s", stderr.String()))
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if _, serr := fmt.Sscan(string(children), &w.pid); err != nil || serr != nil {
		t.Fatal("find the first process of the machine:", err, serr)
	}
	return w
}

// command runs a shell line in the world, in a session of its own whose number (in the world)
// is written to the file "session".
func (w *world) command(ctx context.Context, dir, line string) *exec.Cmd {
	args := []string{"--target", fmt.Sprint(w.pid), "--net", "--mount", "--pid"}
	if w.user {
		args = append(args, "--user", "--preserve-credentials")
	}
	script := `echo $$ >"$0/session.new" && cd "$1" && ` + line
	return exec.CommandContext(ctx, "nsenter", append(args, "--", "setsid", "bash", "-c", script, w.dir, dir)...)
}

// sh runs one command of an example and returns what it said and its exit status.
func (w *world) sh(line string) (said string, status int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := w.command(ctx, w.dir, line)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		w.t.Fatalf("run %q: %v %v\n%s", line, err, ctx.Err(), out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// do is sh for what the test itself needs.
func (w *world) do(line string) string {
	w.t.Helper()
	said, status := w.sh(line)
	if status != 0 {
		w.t.Fatalf("%s: exit status %d\n%s", line, status, said)
	}
	return said
}

// write makes a file in the world.
func (w *world) write(name, text string) {
	w.t.Helper()
	cmd := w.command(w.t.Context(), w.dir, `mkdir -p "${2%/*}" && cat >"$2"`)
	cmd.Args = append(cmd.Args, name)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("write %s: %v\n%s", name, err, out)
	}
}

// daemon is a `gaol run` in the world.
type daemon struct {
	w       *world
	line    string
	session string
	said    *transcript
	told    chan string // what it told its service manager: READY=1, STOPPING=1
	ended   chan error
}

// start runs a line that does not end by itself and returns once gaol says that it watches
// (sd_notify).
func (w *world) start(dir, line string) *daemon {
	w.t.Helper()
	d := &daemon{w: w, line: line, said: &transcript{more: make(chan struct{}, 1)}, told: make(chan string, 10), ended: make(chan error, 1)}
	socket := filepath.Join(w.dir, "notify")
	_ = os.Remove(socket)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	go d.hear(conn)
	cmd := w.command(w.t.Context(), dir, `mv "$0/session.new" "$0/session" && NOTIFY_SOCKET="$0/notify" exec `+line)
	cmd.Stdout, cmd.Stderr = d.said, d.said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { d.ended <- cmd.Wait() }()
	d.expect("READY=1")
	session, err := os.ReadFile(filepath.Join(w.dir, "session"))
	if err != nil {
		w.t.Fatal(err)
	}
	d.session = strings.TrimSpace(string(session))
	return d
}

func (d *daemon) hear(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		d.told <- string(buf[:n])
	}
}

// expect waits until gaol has told its service manager so.
func (d *daemon) expect(what string) {
	d.w.t.Helper()
	late := time.After(3 * time.Minute) // `make run` builds first
	for {
		select {
		case got := <-d.told:
			if got == what {
				return
			}
		case err := <-d.ended:
			d.w.t.Fatalf("%s ended before %s: %v\n%s", d.line, what, err, d.said.text())
		case <-late:
			d.w.t.Fatalf("%s: no %s in three minutes\n%s", d.line, what, d.said.text())
		}
	}
}

// signal sends a signal to all that the line started, as a terminal does, and returns the
// error of the line when it has ended.
func (d *daemon) signal(name string) error {
	d.w.t.Helper()
	d.w.do("kill -" + name + " -- -" + d.session)
	return d.wait()
}

func (d *daemon) wait() error {
	d.w.t.Helper()
	select {
	case err := <-d.ended:
		return err
	case <-time.After(time.Minute):
		d.w.t.Fatalf("%s does not end\n%s", d.line, d.said.text())
		return nil
	}
}

// transcript is what a daemon said; a test can wait for a word.
type transcript struct {
	mu   sync.Mutex
	all  strings.Builder
	more chan struct{}
}

var _ io.Writer = (*transcript)(nil)

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.all.Write(p)
}

func (s *transcript) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// until waits for a word in what is said.
func (s *transcript) until(t *testing.T, word string) {
	t.Helper()
	late := time.After(time.Minute)
	for !strings.Contains(s.text(), word) {
		select {
		case <-s.more:
		case <-late:
			t.Fatalf("waited in vain for %q in:\n%s", word, s.text())
		}
	}
}
