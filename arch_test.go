// Package gaol holds no code, only the test that keeps the rooms apart.
package gaol

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// rooms says which room may import which. Arrows go one way: a room listed here with few
// names can be read, tested and replaced without the others. ARCHITECTURE.md explains them.
var rooms = map[string][]string{
	"cmd/gaol":           {"cli"},
	"internal/event":     {},
	"internal/stock":     {},
	"internal/config":    {"stock"},
	"internal/pattern":   {},
	"internal/wide":      {},
	"internal/date":      {"event", "pattern", "wide"},
	"internal/filter":    {"event", "pattern"},
	"internal/host":      {"event"},
	"internal/jail":      {"event"},
	"internal/container": {"event"},
	"internal/source":    {"event", "wide"},
	"internal/firewall":  {"event"},
	"internal/action":    {"event"},
	"internal/store":     {"event"},
	"internal/control":   {"event"},
	"internal/web":       {"event", "control"},
	"internal/gate":      {"event", "control"},
	"internal/hook":      {"event", "control"},
	"internal/metrics":   {"event", "control"},
	"internal/replay":    {"event", "date", "filter", "jail"},
	"internal/engine": {"event", "config", "pattern", "date", "filter", "host", "jail", "container",
		"source", "firewall", "action", "store", "control", "replay"},
	"internal/cli": {"event", "config", "pattern", "wide", "date", "filter", "container", "firewall", "engine", "control", "web", "gate", "hook", "metrics", "replay"},
	// netlab makes network namespaces for tests; testOnly keeps it out of the daemon.
	"internal/netlab": {},
}

// testOnly rooms may be imported by _test.go files and by nothing else.
var testOnly = []string{"netlab"}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	bad, files := violations(t, os.DirFS("."))
	for _, v := range bad {
		t.Error(v)
	}
	if files < 20 {
		t.Errorf("read %d Go files; the walk is broken, it should see the whole tree", files)
	}
}

// TestRoomsFixtureIsRefused holds the check itself to account: a tree that breaks each rule.
func TestRoomsFixtureIsRefused(t *testing.T) {
	got, _ := violations(t, os.DirFS("testdata/arch"))
	want := []string{
		"internal/jail/bad.go: room jail may not import engine",
		"internal/jail/bad.go: room netlab is for tests only",
		"internal/shed/shed.go: room internal/shed is not in the table of arch_test.go",
	}
	if !slices.Equal(got, want) {
		t.Errorf("violations of the fixture:\n got %q\nwant %q", got, want)
	}
}

func violations(t *testing.T, tree fs.FS) (bad []string, files int) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" || !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "cmd/") {
			return nil
		}
		files++
		v, err := fileViolations(tree, name)
		bad = append(bad, v...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bad, files
}

func fileViolations(tree fs.FS, name string) (bad []string, err error) {
	room := path.Dir(name)
	may, known := rooms[room]
	if !known {
		return []string{fmt.Sprintf("%s: room %s is not in the table of arch_test.go", name, room)}, nil
	}
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, imp := range file.Imports {
		target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "gaol/internal/")
		switch test := strings.HasSuffix(name, "_test.go"); {
		case !ours || "internal/"+target == room:
		case slices.Contains(testOnly, target):
			if !test {
				bad = append(bad, fmt.Sprintf("%s: room %s is for tests only", name, target))
			}
		case test: // a test may bring what it measures its room against
		case !slices.Contains(may, target):
			bad = append(bad, fmt.Sprintf("%s: room %s may not import %s", name, path.Base(room), target))
		}
	}
	return bad, nil
}

// TestDependenciesHaveAReason: each module that go.mod requires directly has its line in the
// decision record, and no line outlives its module.
func TestDependenciesHaveAReason(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile("docs/decisions/0001-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var required, reasoned []string
	for line := range strings.Lines(string(mod)) {
		if path, rest, ok := strings.Cut(strings.TrimSpace(line), " v"); ok && !strings.Contains(rest, "// indirect") {
			required = append(required, path)
		}
	}
	for line := range strings.Lines(string(record)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(cells[1], ".") {
			reasoned = append(reasoned, strings.TrimSpace(cells[1]))
		}
	}
	slices.Sort(required)
	slices.Sort(reasoned)
	if len(required) == 0 || !slices.Equal(reasoned, required) {
		t.Errorf("docs/decisions/0001-dependencies.md explains\n %q\ngo.mod requires\n %q", reasoned, required)
	}
}
