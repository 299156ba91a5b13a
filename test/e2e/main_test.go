// Package e2e tests gaol on real parts: a Docker engine of its own, the machine's sshd and
// ssh, real packets. Everything runs in network namespaces that die with the test process;
// the machine's own firewall is compared before and after.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bring is the command that installs everything these tests need.
const bring = "scripts/packages test"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	sweep()
	if os.Geteuid() != 0 {
		return m.Run() // each test says what it needs
	}
	before, err := machineFirewall()
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot read this machine's firewall: %v; run: %s\n", err, bring)
		return 1
	}
	status := m.Run()
	shared.close()
	after, err := machineFirewall()
	if err != nil || after != before {
		fmt.Fprintf(os.Stderr, "FAIL: the tests changed this machine's own firewall (%v)\nbefore:\n%s\nafter:\n%s\n", err, before, after)
		return 1
	}
	return status
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
		pid, err := strconv.Atoi(strings.SplitN(strings.TrimPrefix(filepath.Base(path), tempPrefix), "-", 2)[0])
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		if strings.HasPrefix(path, "/sys/fs/cgroup/") {
			removeCgroup(path)
			continue
		}
		_ = os.RemoveAll(path)
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
	if os.Geteuid() != 0 {
		refuse("needs root for network namespaces; run: sudo go test ./test/e2e -run '^%s$'", t.Name())
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			refuse("needs %s; run: %s", p, bring)
		}
	}
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
