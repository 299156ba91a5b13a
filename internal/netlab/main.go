package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// insideMark tells the test binary that it already runs in the namespace Main made for it.
const insideMark = "GAOL_NETLAB_INSIDE"

// Main is the TestMain of packages that use labs: os.Exit(netlab.Main(m)). It runs the test
// binary once more in a fresh network namespace (and, without root, in a user namespace where
// it is root), so that no test can reach the machine's own firewall even by mistake, and then
// compares the machine's `table inet gaol` with what it was before.
//
// Where namespaces cannot be made the tests fail under CI=true, and are skipped elsewhere
// with the command that would run them.
func Main(m *testing.M) int {
	if os.Getenv(insideMark) != "" {
		return m.Run()
	}
	args := []string{"--net"}
	if os.Geteuid() != 0 {
		args = []string{"--net", "--map-root-user"}
	}
	if out, err := exec.CommandContext(context.Background(), "unshare", append(args, "true")...).CombinedOutput(); err != nil {
		return refuse(fmt.Sprintf("make a network namespace: %v: %s", err, bytes.TrimSpace(out)))
	}
	before := ownTable()
	code := rerun(args)
	if after := ownTable(); !bytes.Equal(before, after) {
		fmt.Fprintf(os.Stderr, "netlab: the machine's own table inet gaol changed during the tests\nbefore: %s\nafter: %s\n", before, after)
		return 1
	}
	return code
}

// rerun runs this test binary under unshare(1), which brings up the loopback device first.
func rerun(args []string) int {
	self, err := os.Executable()
	if err != nil {
		return refuse(fmt.Sprintf("find the test binary: %v", err))
	}
	script := `ip link set lo up && exec "$0" "$@"`
	cmd := exec.CommandContext(context.Background(), "unshare", append(append(args, "sh", "-c", script, self), os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), insideMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		return refuse(fmt.Sprintf("run the tests in a namespace: %v", err))
	}
	return 0
}

// ownTable lists table inet gaol of the machine itself; nil when there is none, or when we
// may not ask (then the tests may not write there either). Counters and timers that run on
// their own are left out.
func ownTable() []byte {
	out, err := exec.CommandContext(context.Background(), "nft", "--stateless", "list", "table", "inet", "gaol").Output()
	if err != nil {
		return nil
	}
	return out
}

func refuse(why string) int {
	fmt.Fprintf(os.Stderr, "netlab: %s\nnetlab: these tests need root or user namespaces; run: sudo env PATH=\"$PATH\" go test ./...\n", why)
	if os.Getenv("CI") == "true" {
		return 1
	}
	fmt.Fprintln(os.Stderr, "netlab: SKIP, since CI is not \"true\"")
	return 0
}

// requireMain fails a test whose package forgot TestMain: its process still sits in the
// machine's own network.
func requireMain(t testing.TB) {
	t.Helper()
	if os.Getenv(insideMark) == "" {
		t.Fatal("netlab: this package needs `func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }`")
	}
}
