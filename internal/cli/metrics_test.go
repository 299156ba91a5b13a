package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without a daemon the metrics say that, for who is woken by f2b_up, and so does the exit status.
func TestMetricsWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "sock"), filepath.Join(dir, "gaol.prom")
	var out, errs strings.Builder
	if code := Main([]string{"gaol", "metrics", "--socket", socket}, nil, &out, &errs); code != 1 {
		t.Errorf("exit status %d", code)
	}
	if !strings.Contains(out.String(), "\nf2b_up 0\n") || !strings.Contains(errs.String(), socket) {
		t.Errorf("printed\n%s\nand said %s", out.String(), errs.String())
	}
	if code := Main([]string{"gaol", "metrics", "--socket", socket, "--file", file}, nil, &out, &errs); code != 1 {
		t.Errorf("into a file: exit status %d", code)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "\nf2b_up 0\n") {
		t.Errorf("the file has %q, %v", text, err)
	}
}
