package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRoomsOfArchitecture compares the table of rooms in ARCHITECTURE.md with the one that
// arch_test.go enforces.
func TestRoomsOfArchitecture(t *testing.T) {
	want := enforced(t)
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([\w/]+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(read(t, "ARCHITECTURE.md"), -1) {
		if m[1] != "room" {
			got[m[1]] = m[2]
		}
	}
	if names, wanted := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(names, wanted) {
		t.Errorf("rooms in ARCHITECTURE.md: %q\nrooms in arch_test.go:    %q", names, wanted)
	}
	for room, arrows := range want {
		if got[room] != arrows {
			t.Errorf("%s: ARCHITECTURE.md lets it import %q, arch_test.go %q", room, got[room], arrows)
		}
	}
}

// enforced reads the table `rooms` of arch_test.go: room → what it may import, as the page
// writes it.
func enforced(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "arch_test.go", read(t, "arch_test.go"), 0)
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "rooms" {
			return true
		}
		for _, entry := range spec.Values[0].(*ast.CompositeLit).Elts {
			kv := entry.(*ast.KeyValueExpr)
			var arrows []string
			for _, e := range kv.Value.(*ast.CompositeLit).Elts {
				arrows = append(arrows, literal(t, e))
			}
			if arrows == nil {
				arrows = []string{"-"}
			}
			rooms[strings.TrimPrefix(literal(t, kv.Key), "internal/")] = strings.Join(arrows, ", ")
		}
		return false
	})
	if len(rooms) < 10 {
		t.Fatalf("read only %v out of arch_test.go", rooms)
	}
	return rooms
}

func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestArchitectureIsOnePage: what does not fit on a page is not read.
func TestArchitectureIsOnePage(t *testing.T) {
	if n := strings.Count(read(t, "ARCHITECTURE.md"), "\n"); n > 110 {
		t.Errorf("ARCHITECTURE.md has %d lines; a page has 110 at most", n)
	}
}
