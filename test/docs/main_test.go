// Package docs holds the documents to what they say: the examples of README.md, docs/ and the
// man page are run, and tables, flags and names are compared with the code's.
package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds gaol as `make build` does (so that both share one build cache) and puts it first
// on PATH: the examples call it by name.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gaol-docs-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags",
		"-s -w -X gaol/internal/cli.version=documented", "-o", filepath.Join(dir, "gaol"), "./cmd/gaol")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "docs: build gaol: %v\n%s", err, out)
		return 1
	}
	// nft and dockerd live where a plain user's PATH does not lead.
	if err := os.Setenv("PATH", dir+":"+os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		return 1
	}
	return m.Run()
}

// missing ends a test that lacks a part of the machine. Under CI that is a failure.
func missing(t *testing.T, what string, err error) {
	t.Helper()
	text := fmt.Sprintf("%s: %v\nbring it with: scripts/packages test (and run as root: sudo env PATH=\"$PATH\" go test ./test/docs/)", what, err)
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}
