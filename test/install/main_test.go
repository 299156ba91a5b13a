// Package install installs gaol's packages and its image as an admin does: the debs in a fresh
// Debian, beside a configured fail2ban and in its place, and back; the rpms as far as they can be
// without a distribution of theirs. The commands are those of docs/install.md.
package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"gaol/internal/netlab"
)

const (
	tree  = "../.."
	bring = "scripts/packages test"
	// where the packages and the root are, for the run of this binary inside of namespaces.
	envDist, envRoot = "GAOL_INSTALL_DIST", "GAOL_INSTALL_ROOT"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(envDist) != "" {
		return netlab.Main(m)
	}
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return fail(err)
	}
	for _, p := range []string{"mmdebstrap", "rpm", "unshare", "nsenter", "nft", "mandoc", "/etc/debian_version"} {
		_, err := exec.LookPath(p)
		if filepath.IsAbs(p) {
			_, err = os.Stat(p)
		}
		if os.Geteuid() != 0 {
			err = os.ErrPermission
		}
		if err != nil {
			return fail(fmt.Errorf("%s: %w; these tests need root, a Debian and some packages; as root run: %s", p, err, bring))
		}
	}
	dist, err := os.MkdirTemp("", "gaol-install-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dist)
	if err := shell(tree, "packaging/build "+runtime.GOARCH, "DIST="+dist, "VERSION=packaged"); err != nil {
		return fail(err)
	}
	root, err := debianRoot()
	if err != nil {
		return fail(err)
	}
	for k, v := range map[string]string{envDist: dist, envRoot: root} {
		if err := os.Setenv(k, v); err != nil {
			return fail(err)
		}
	}
	return netlab.Main(m)
}

// fail ends the run: red under CI, where everything has to be there.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, "install:", err)
	if os.Getenv("CI") != "" {
		return 1
	}
	fmt.Fprintln(os.Stderr, "install: SKIP, since CI is not set")
	return 0
}

// shell runs a line in a directory. What it says is shown only when it fails.
func shell(dir, line string, env ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return nil
}

// debianRoot is a fresh Debian with what fail2ban's package needs, and that package unpacked
// nowhere but in apt's cache. It is made once a user and Debian release, in a minute, and never
// written to again: tests lay an overlay above it.
func debianRoot() (string, error) {
	const release, with = "bookworm", "python3,iptables,nftables,logrotate,procps"
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "gaol", "debian-"+release+"-1") // count on when what is in it changes
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	fresh := fmt.Sprintf("%s.%d", root, os.Getpid())
	defer os.RemoveAll(fresh)
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", err
	}
	err = shell(".", "mmdebstrap --variant=minbase --include="+with+" --skip=cleanup/apt,cleanup/reproducible "+
		`--customize-hook='chroot "$1" apt-get -qq install --download-only --no-install-recommends -y fail2ban' `+
		release+" "+fresh)
	if err != nil {
		return "", fmt.Errorf("make a fresh Debian: %w", err)
	}
	return root, os.Rename(fresh, root)
}
