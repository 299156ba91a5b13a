package docs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gaol/internal/jail"
)

// TestMarksOfOtherPages: a block that another test takes from docs/install.md, and that stands on
// a second page too, says the same there.
func TestMarksOfOtherPages(t *testing.T) {
	var there []string
	for _, b := range blocksOf(t, "docs/install.md") {
		there = append(there, b.mark+"\n"+b.text)
	}
	seen := 0
	for _, doc := range documents(t) {
		for _, b := range blocksOf(t, doc) {
			if !slices.Contains([]string{"fresh", "remove", "move", "back", "compose"}, b.mark) {
				continue
			}
			if seen++; !slices.Contains(there, b.mark+"\n"+b.text) {
				t.Errorf("%s: docs/install.md has no such block, so nothing runs it:\n%s", b, b.text)
			}
		}
	}
	if seen < 5 {
		t.Errorf("saw only %d such blocks", seen)
	}
}

// TestBoundsOfOperations: the numbers that the page on operations names are the code's.
func TestBoundsOfOperations(t *testing.T) {
	page := read(t, "docs/operations.md")
	for _, row := range []string{
		fmt.Sprintf("| bans of a jail, whatever is set | %d;", jail.MaxBans),
		fmt.Sprintf("| addresses whose failures are counted, of a jail | %d;", jail.MaxOffenders),
		fmt.Sprintf("| log lines in memory, of a jail | %d MiB ", jail.MaxEvidence>>20),
	} {
		if !strings.Contains(page, row) {
			t.Errorf("docs/operations.md lacks: %s", row)
		}
	}
}
