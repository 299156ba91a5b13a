package install

import (
	"context"
	"errors"
	"fmt"
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

// furnish boots a machine: an overlay over the root in $1, kept in $2 (a file system in memory,
// which ends with the namespace), with its own processes. It lives until its standard input ends.
const furnish = `set -e
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/up" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" overlay "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
ln -s /proc/self/fd dev/fd
mkdir -p run/systemd/system root/dist
mount -t tmpfs tmpfs root/dist
cp "$3" usr/bin/systemctl
echo 'APT::Get::Assume-Yes "true"; APT::Install-Recommends "false";' >etc/apt/apt.conf.d/90assume
: >var/log/auth.log
ip link set lo up 2>/dev/null || :
echo furnished
exec chroot . /bin/bash -c 'cat; :' # a first process has to reap`

// world is a machine with a Debian of its own, an attacker, and somebody else.
type world struct {
	*testing.T
	host, attacker, staff *netlab.Node
	dir                   string // where the file system is seen from this test's processes: root
	pid                   int
	debs                  []string // in /root/dist
	lines                 int      // written to its auth.log
}

const (
	attackerIP = "203.0.113.66"
	ssh        = "203.0.113.1:22"
	staffSSH   = "198.51.100.1:22"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	lab := netlab.New(t)
	w := &world{T: t, host: lab.Host, attacker: lab.NewClient("attacker", attackerIP+"/24"), staff: lab.NewClient("staff", "198.51.100.77/24")}
	w.host.Serve("tcp", ":22")
	dir, err := os.MkdirTemp("", "gaol-world-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	w.dir = filepath.Join(dir, "root")
	standIn, err := filepath.Abs("testdata/systemctl")
	if err != nil {
		t.Fatal(err)
	}
	cmd := w.host.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-c", furnish, "furnish", os.Getenv(envRoot), dir, standIn)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stderr = &said
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts it
	t.Cleanup(runtime.UnlockOSThread)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	buf := make([]byte, len("furnished\n"))
	if n, err := out.Read(buf); err != nil || string(buf[:n]) != "furnished\n" {
		t.Fatalf("boot a Debian: %v\n%s", err, said.String())
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if _, serr := fmt.Sscan(string(children), &w.pid); err != nil || serr != nil {
		t.Fatal("find the first process of the machine:", err, serr)
	}
	w.copyPackages()
	return w
}

// copyPackages puts the packages where the documents' commands are given.
func (w *world) copyPackages() {
	w.Helper()
	debs, err := filepath.Glob(os.Getenv(envDist) + "/*.deb")
	if err != nil || len(debs) != 2 {
		w.Fatalf("packages: %q, %v; want two", debs, err)
	}
	for _, d := range debs {
		text, err := os.ReadFile(d)
		if err != nil {
			w.Fatal(err)
		}
		w.write("/root/dist/"+filepath.Base(d), string(text))
		w.debs = append(w.debs, filepath.Base(d))
	}
}

// enter is a command that runs in the machine; chroot says whether it sees the Debian or the
// programs of this one.
func (w *world) enter(ctx context.Context, chroot bool, args ...string) *exec.Cmd {
	enter := []string{"--target", fmt.Sprint(w.pid), "--mount", "--pid", "--net"}
	if chroot {
		enter = append(enter, "--root", "--wd")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(append(enter, "--"), args...)...)
	cmd.WaitDelay = 10 * time.Second // a service that holds our pipe is an error, and not a test without an end
	return cmd
}

// sh runs a line as root in the Debian, in /root/dist, and returns what it said and its status.
func (w *world) sh(line string) (said string, status int) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Minute)
	defer cancel()
	for _, d := range w.debs { // the shell of the root failed to, once in some dozens of runs, for a reason not found
		kind, _, _ := strings.Cut(d, "_")
		line = strings.ReplaceAll(line, "./"+kind+"_*.deb", "./"+d)
	}
	cmd := w.enter(ctx, true, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive",
		"LC_ALL=C", "bash", "-c", "cd /root/dist && "+line)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
		w.Fatalf("run %q: %v %v\n%s", line, err, ctx.Err(), out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// do is sh for what has to succeed.
func (w *world) do(line string) string {
	w.Helper()
	said, status := w.sh(line)
	if status != 0 {
		w.Fatalf("%s: exit status %d\n%s\nservices said:\n%s", line, status, said, w.journal())
	}
	return said
}

// journal is what the services said, for a test that has failed.
func (w *world) journal() string {
	said, _ := w.sh("tail -n 30 /var/log/journal.* /var/log/systemctl")
	return said
}

// wants fails the test unless the line's output holds the word.
func (w *world) wants(line, word string) {
	w.Helper()
	if said, _ := w.sh(line); !strings.Contains(said, word) {
		w.Errorf("%s: no %q in:\n%s\nservices said:\n%s", line, word, said, w.journal())
	}
}

// lacks fails the test if a line succeeds.
func (w *world) lacks(line string) {
	w.Helper()
	if said, status := w.sh(line); status == 0 {
		w.Errorf("%s: succeeds, and should not:\n%s", line, said)
	}
}

// write makes a file in the Debian.
func (w *world) write(name, text string) {
	w.Helper()
	cmd := w.enter(w.Context(), true, "/bin/sh", "-c", `mkdir -p "${0%/*}" && cat >"$0"`, name)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("write %s: %v\n%s", name, err, out)
	}
}

// fails has the machine's sshd log failed logins of an address.
func (w *world) fails(addr string, times int) {
	w.Helper()
	var text strings.Builder
	for range times {
		w.lines++
		fmt.Fprintf(&text, "%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n", time.Now().Format("2006-01-02T15:04:05-07:00"), w.lines, addr)
	}
	cmd := w.enter(w.Context(), true, "/bin/sh", "-c", "cat >>/var/log/auth.log")
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("write the log: %v\n%s", err, out)
	}
}

// until waits for a line to succeed.
func (w *world) until(line string) {
	w.Helper()
	said, status := w.sh("n=0; until " + line + " >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 300 ] || exit 1; sleep 0.1; done")
	if status != 0 {
		w.Fatalf("waited 30 s in vain for: %s\n%s\nservices said:\n%s", line, said, w.journal())
	}
}

// commands are those of the console blocks of a document that are marked with a word:
// ```console MARK. Each test asks for its own.
func commands(t *testing.T, doc, mark string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, doc))
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console "+mark
		case inside && strings.HasPrefix(line, "$ "):
			all = append(all, strings.TrimPrefix(line, "$ "))
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block ```console %s", doc, mark)
	}
	return all
}
