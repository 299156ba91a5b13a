package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the tree, seen from this package.
const root = "../.."

// block is one example of a document.
type block struct {
	doc  string // name within the tree
	line int    // of its first line
	lang string // console, sh, ini; what else there is, an exception must allow
	mark string // the word behind the language: "error" or "warning" at an ini block
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.doc, b.line) }

// first is the block's first line, which names it in the table of exceptions.
func (b block) first() string { return strings.SplitN(b.text, "\n", 2)[0] }

// documents are the names of everything whose examples are run.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "man/gaol.8"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(p string, _ fs.DirEntry, err error) error {
		if filepath.Ext(p) == ".md" {
			rel, _ := filepath.Rel(root, p)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 6 {
		t.Fatalf("found only %q; the walk is broken", names)
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf returns the examples of a document, in order.
func blocksOf(t *testing.T, name string) []block {
	t.Helper()
	blocks, err := markdown(name, read(t, name))
	if filepath.Ext(name) == ".8" {
		blocks, err = manual(name, read(t, name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// markdown returns the fenced blocks. A block that is only indented is an error: it would be
// shown as code and never run.
func markdown(name, text string) (all []block, err error) {
	var open *block
	blank, list := true, false
	for i, line := range strings.Split(text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open != nil:
			all, open = append(all, *open), nil
		case fence:
			lang, mark, _ := strings.Cut(info, " ")
			open = &block{doc: name, line: i + 2, lang: lang, mark: mark}
		case open != nil:
			open.text += line + "\n"
		case blank && !list && strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "":
			return nil, fmt.Errorf("%s:%d: a block that is only indented is not run; fence it", name, i+1)
		case strings.Contains(line, "```"):
			return nil, fmt.Errorf("%s:%d: a fence must stand at the start of its line", name, i+1)
		}
		blank = strings.TrimSpace(line) == ""
		if !blank && !strings.HasPrefix(line, " ") {
			list = regexp.MustCompile(`^([-*]|\d+\.) `).MatchString(line)
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s:%d: fence without an end", name, open.line-1)
	}
	return all, nil
}

// manual returns the literal displays of a man page's EXAMPLES, with mdoc's escapes undone.
func manual(name, text string) (all []block, err error) {
	var open *block
	section := ""
	plain := strings.NewReplacer(`\(aq`, "'", `\-`, "-", `\(dq`, `"`, `\e`, `\`)
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, ".Sh "):
			section = strings.TrimPrefix(line, ".Sh ")
		case strings.HasPrefix(line, ".Bd -literal") && section == "EXAMPLES":
			open = &block{doc: name, line: i + 2, lang: "console"}
		case line == ".Ed" && open != nil:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += plain.Replace(line) + "\n"
		}
	}
	if open != nil || len(all) == 0 {
		return nil, fmt.Errorf("%s: found %d examples, and one without an end: %v", name, len(all), open != nil)
	}
	return all, nil
}

func TestBlocksAreFound(t *testing.T) {
	got, err := markdown("a.md", "# A\n```sh\nmake run\n```\n- item\n\n    no code\n\ntext\n```ini error\n[a]\nb = c\n```\n")
	want := []block{{"a.md", 3, "sh", "", "make run\n"}, {"a.md", 11, "ini", "error", "[a]\nb = c\n"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("markdown:\n got %v, %v\nwant %v", got, err, want)
	}
	got, err = manual("a.8", ".Sh EXAMPLES\n.Bd -literal\n$ echo \\(aqa\\(aq\n.Ed\n")
	want = []block{{"a.8", 3, "console", "", "$ echo 'a'\n"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("manual:\n got %v, %v\nwant %v", got, err, want)
	}
	for _, bad := range []string{"text\n\n    $ not run\n", "```sh\nno end\n", "  ```sh\nx\n  ```\n"} {
		if got, err := markdown("a.md", bad); err == nil {
			t.Errorf("markdown(%q) = %v, want an error", bad, got)
		}
	}
}
