package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// traps is how many rows the page has for what surprises beside the twenty behaviours.
const traps = 7

// TestBehavioursHaveTests holds docs/behaviours.md to the tree: all rows are there, once and in
// order, and each names tests that exist.
func TestBehavioursHaveTests(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| ([0-9]+|t[0-9]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(read(t, "docs/behaviours.md"), -1)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i+1))
	}
	for i := range traps {
		want = append(want, fmt.Sprintf("t%d", i+1))
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for i, row := range rows[:min(len(rows), len(want))] {
		if row[1] != want[i] {
			t.Errorf("row %s stands where row %s must", row[1], want[i])
		}
		for name := range strings.SplitSeq(row[3], ", ") {
			room, function, _ := strings.Cut(name, ".")
			if !regexp.MustCompile(`^Test[A-Z]\w+$`).MatchString(function) || !strings.Contains(testsOf(t, room), "\nfunc "+function+"(t *testing.T) {") {
				t.Errorf("row %s: no test %q in the tree", row[1], name)
			}
		}
	}
}

// testsOf is the text of all test files of a room.
func testsOf(t *testing.T, room string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal", room, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
