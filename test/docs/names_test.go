package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// prose are the documents for people, examples or not.
func prose(t *testing.T) []string {
	return append(documents(t), "ARCHITECTURE.md", "CONTRIBUTING.md", "changelog/README.md")
}

// TestNamesInProse: commands that are only mentioned (`gaol status`, `make demo`) exist, too.
func TestNamesInProse(t *testing.T) {
	known := commands(t)
	makefile := read(t, "Makefile")
	seen := 0
	for _, doc := range prose(t) {
		for _, m := range regexp.MustCompile("`(gaol|make) ([a-z]+)([^`]*)`").FindAllStringSubmatch(read(t, doc), -1) {
			seen++
			program, word, rest := m[1], m[2], m[3]
			if program == "make" {
				if !regexp.MustCompile(`(?m)^` + word + `:`).MatchString(makefile) {
					t.Errorf("%s: `make %s`: the Makefile has no such target", doc, word)
				}
				continue
			}
			flags, ok := known[word]
			if !ok {
				t.Errorf("%s: `gaol %s`: there is no such command", doc, word)
			}
			for _, f := range regexp.MustCompile(` -(-[\w-]+)`).FindAllStringSubmatch(rest, -1) {
				if !slices.ContainsFunc(flags, func(have flag) bool { return have.long == f[1] }) {
					t.Errorf("%s: `gaol %s%s`: there is no option -%s", doc, word, rest, f[1])
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("saw only %d names; they are not found", seen)
	}
}

// TestLinks: links between documents lead somewhere.
func TestLinks(t *testing.T) {
	for _, doc := range prose(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(read(t, doc), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", doc, m[1], err)
			}
		}
	}
}

// TestChangelog: each entry is of a known room and short enough to be read.
func TestChangelog(t *testing.T) {
	dir := filepath.Join(root, "changelog/unreleased")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for room := range enforced(t) {
		rooms = append(rooms, room)
	}
	rooms = append(rooms, "demo", "docs", "init", "bench", "e2e", "house", "packaging")
	for _, e := range entries {
		room, _, _ := strings.Cut(e.Name(), "-")
		text := strings.TrimSpace(read(t, "changelog/unreleased/"+e.Name()))
		if n := strings.Count(text, "\n") + 1; !slices.Contains(rooms, room) || filepath.Ext(e.Name()) != ".md" || text == "" || n > 4 {
			t.Errorf("changelog/unreleased/%s: want ROOM-TOPIC.md with one to four lines, it has %d", e.Name(), n)
		}
	}
	if len(entries) < 10 {
		t.Errorf("found only %d entries", len(entries))
	}
}
