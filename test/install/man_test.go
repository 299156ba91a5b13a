package install

import (
	"os/exec"
	"strings"
	"testing"

	"gaol/internal/config"
)

// TestManPageOfKeys: gaol.conf(5) has all keys, and mandoc finds nothing wrong with it.
func TestManPageOfKeys(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "run", "./packaging/conf5")
	build.Dir = tree
	page, err := build.Output()
	if err != nil {
		t.Fatal(err)
	}
	lint := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "warning")
	lint.Stdin = strings.NewReader(string(page))
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("mandoc -T lint: %v\n%s", err, out)
	}
	for _, k := range config.Keys() {
		if !strings.Contains(string(page), ".It Cm "+k.Name+"\n") {
			t.Errorf("the page lacks %s", k.Name)
		}
	}
}
