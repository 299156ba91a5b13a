// Package e2e tests gaol on real parts: a Docker engine of its own, the machine's sshd and
// ssh, real packets. Everything runs in network namespaces that end with the test process;
// the machine's own firewall is compared before and after.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/netlab"
)

// bring is the command that installs everything these tests need.
const bring = "scripts/packages test"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// sshd, dockerd and nft live where a plain user's PATH does not lead.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	sweep()
	before, err := machineFirewall()
	if err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\ne2e: these tests need root and some packages; run: %s\n", err, bring)
		if os.Getenv("CI") != "" {
			return 1
		}
		fmt.Fprintln(os.Stderr, "e2e: SKIP, since CI is not set")
		return 0
	}
	if os.Getenv(builtBy) == "" { // netlab.Main runs this binary once more, inside
		dir, err := buildGaol()
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	status := netlab.Main(m)
	after, err := machineFirewall()
	if err != nil || after != before {
		fmt.Fprintf(os.Stderr, "FAIL: the tests changed this machine's own firewall (%v)\nbefore:\n%s\nafter:\n%s\n", err, before, after)
		return 1
	}
	return status
}

// builtBy names the environment variable that holds the path of the gaol under test.
const builtBy = "GAOL_E2E_BINARY"

// buildGaol builds the program under test into a folder of its own.
func buildGaol() (dir string, err error) {
	if dir, err = tempDir("bin"); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "gaol")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "gaol/cmd/gaol").CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("build gaol: %w: %s", err, out)
	}
	return dir, os.Setenv(builtBy, binary)
}

// tempPrefix names what these tests leave on the disk; the process id behind it tells a
// crashed run from one that is under way.
const tempPrefix = "gaol-e2e-"

// sweep removes what a killed run left: its folder and its cgroups. Its namespaces, mounts
// and processes ended with it.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + tempPrefix + "*")
	unified, _ := filepath.Glob("/sys/fs/cgroup/" + tempPrefix + "*")
	for _, path := range append(append(left, groups...), unified...) {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), tempPrefix), "-")
		if exe, err := os.Readlink("/proc/" + pid + "/exe"); err == nil && strings.Contains(exe, ".test") {
			continue // under way
		}
		if strings.HasPrefix(path, "/sys/fs/cgroup/") {
			removeCgroup(path)
			continue
		}
		_ = os.RemoveAll(path)
	}
}

// removeCgroups removes control groups whose last processes are just ending: the kernel takes
// them out of the group a little after they can be waited for, and gives no event in version 1.
func removeCgroups(paths []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); len(paths) > 0 && time.Now().Before(end); <-tick.C {
		paths = slices.DeleteFunc(paths, func(p string) bool {
			removeCgroup(p)
			_, err := os.Stat(p)
			return err != nil
		})
	}
}

// removeCgroup removes an empty control group and those below it; it cannot hurt one in use.
func removeCgroup(path string) {
	below, _ := os.ReadDir(path)
	for _, b := range below {
		if b.IsDir() {
			removeCgroup(filepath.Join(path, b.Name()))
		}
	}
	_ = syscall.Rmdir(path)
}

// machineFirewall is the rule set of the namespace the tests were started in, without counters.
func machineFirewall() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all strings.Builder
	for _, args := range [][]string{{"nft", "-s", "-t", "list", "ruleset"}, {"iptables-save"}, {"ip6tables-save"}} {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		if err != nil {
			return "", fmt.Errorf("run %s: %w", strings.Join(args, " "), err)
		}
		all.Write(out)
	}
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(all.String(), "")
	return regexp.MustCompile(`\[\d+:\d+\]`).ReplaceAllString(text, ""), nil
}

// need ends the test unless it runs as root with the named programs: under CI it fails,
// elsewhere it is skipped, both with the command that mends it.
func need(t *testing.T, programs ...string) {
	t.Helper()
	refuse := t.Skipf
	if os.Getenv("CI") != "" {
		refuse = t.Fatalf
	}
	if !isRoot() {
		refuse("needs root; run: sudo env PATH=\"$PATH\" go test ./test/e2e -run '^%s$'", t.Name())
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			refuse("needs %s; run: %s", p, bring)
		}
	}
}

// isRoot says whether we are the machine's root and not only a user namespace's.
func isRoot() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && os.Geteuid() == 0 && slices.Equal(strings.Fields(string(ids)), []string{"0", "0", "4294967295"})
}

// tempDir makes a folder that a later run removes if this one is killed.
func tempDir(name string) (string, error) {
	return os.MkdirTemp("", fmt.Sprintf("%s%d-%s-", tempPrefix, os.Getpid(), name))
}

// testDir is tempDir for one test.
func testDir(t *testing.T) string {
	t.Helper()
	dir, err := tempDir("test")
	if err != nil {
		t.Fatalf("make a folder for the test: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
