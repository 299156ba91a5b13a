package host

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// A real chain of processes, as sudo leaves it: the one who asks has an empty environment, the
// shell above has sshd's variable.
func TestShellPeers(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", `exec 3<&0; env -i /bin/sh -c 'echo $$; read line; exit 0' <&3 & wait`)
	cmd.Env = []string{"SSH_CONNECTION=203.0.113.5 40022 198.51.100.1 22", "PATH=" + os.Getenv("PATH")}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if got, want := ShellPeers("/proc", pid), netip.MustParseAddr("203.0.113.5"); !slices.Contains(got, want) {
		t.Errorf("ShellPeers = %v, want %s among them", got, want)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestShellPeersOfNobody(t *testing.T) {
	if got := ShellPeers(t.TempDir(), 4711); got != nil {
		t.Errorf("peers %v without a process", got)
	}
}
