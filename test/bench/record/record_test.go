package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run of one row leaves the others in the document as they are.
func TestOneRowAnew(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "doc.md")
	const old = "<!-- logs -->\nx\n\n| log, filter | measured |\n|---|---|\n| a | 1 |\n| b | 2 |\n| c | 3 |\n<!-- end -->\n"
	if err := os.WriteFile(doc, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Open(doc, "logs", true, func() string { return "about" }, "log, filter")
	if err != nil {
		t.Fatal(err)
	}
	table.Drop("c")
	if err := table.Put("a"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n| b | 2 |\n") || strings.Contains(string(text), "| a | 1 |") || strings.Contains(string(text), "| c |") || strings.Count(string(text), "\n| a | ") != 1 {
		t.Errorf("the document is now:\n%s", text)
	}
}
