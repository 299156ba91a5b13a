package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMain is the bench itself where it has started itself again, inside its namespaces.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Each row is measured once and small, so that none of them rots; the figures are not judged.
func TestEveryRow(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root; run: sudo env PATH=\"$PATH\" go test ./test/bench/...")
		}
		t.Skip("needs root; run: sudo env PATH=\"$PATH\" go test ./test/bench/...")
	}
	doc := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(doc, []byte("before\n<!-- daemon -->\nold\n<!-- end -->\nbehind\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, progress strings.Builder
	if err := run([]string{"-tiny", "-write", doc}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "before\n<!-- daemon -->\nMeasured ") || !strings.HasSuffix(string(text), "\n<!-- end -->\nbehind\n") || strings.Contains(string(text), "old") {
		t.Errorf("the document is now:\n%s", text)
	}
	for _, what := range []string{
		"start to ready", "RSS idle", "CPU over an idle minute", "wake-ups", "mixed lines at once", "the same in lines a second", "all processors",
		"refused connection, idle", "kernel's commit, idle", "other lines a second come", "commit meanwhile", "50 bans at once", "nft -f of 50", "ipset restore of 50",
		"200 bans, kernel empty", "log meanwhile, kernel empty", "200 bans, all in the kernel", "log meanwhile, kernel full", "RSS with 200 bans", "nft -f of 200", "1 x the sshd", "3 x the sshd", "3 different filters",
	} {
		if !regexp.MustCompile(`(?m)^\| [^|]*` + what + `[^|]*\|[^|]*\|[^|]*\*\*\d`).Match(text) {
			t.Errorf("no figure of %q in:\n%s", what, text)
		}
	}
}
