package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each log is read once and is small, so that no row rots. That gaol and fail2ban-regex find the
// same is checked here too; the speed is not.
func TestEveryRow(t *testing.T) {
	for _, p := range []string{"fail2ban-regex", "rg", "taskset"} {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("needs %s; run: scripts/packages test", p)
			}
			t.Skipf("needs %s; run: scripts/packages test", p)
		}
	}
	doc := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(doc, []byte("<!-- logs -->\n<!-- end -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-lines", "3000", "-peer-lines", "1000", "-rounds", "1", "-write", doc}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "| replay of a month, 3000 lines, sshd |") {
		t.Errorf("no row of the replay:\n%s", text)
	}
	if n := strings.Count(string(text), "| the same "); n != len(workloads()) {
		t.Errorf("%d rows, want %d:\n%s", n, len(workloads()), text)
	}
}
