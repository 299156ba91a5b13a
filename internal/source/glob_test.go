package source

import (
	"os/exec"
	"strings"
	"testing"
)

// Python's fnmatch is what fail2ban's globs mean; it is asked itself where it is installed.
func TestMatchesAsPython(t *testing.T) {
	patterns := []string{"*.log", "a?c", "[ab]x", "[!ab]x", "[^ab]x", "[]x]y", "[!]x]y", "[a-c]1", "a[b", "a\\*b", "[\\]x", "*", "[", "[]", "[!]", "x[[]y"}
	names := []string{"a.log", "abc", "ax", "bx", "cx", "^x", "]y", "xy", "zy", "b1", "d1", "a[b", "a\\*b", "a\\xb", "a*b", "\\x", "]x", "[", "[]", "[!]", "x[y", ""}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("needs python3; run: scripts/packages test")
	}
	script := "import fnmatch,sys\nps,ns=[a.split('\\n') for a in sys.argv[1:]]\nprint(''.join('01'[fnmatch.fnmatchcase(n,p)] for p in ps for n in ns))"
	out, err := exec.CommandContext(t.Context(), python, "-c", script, strings.Join(patterns, "\n"), strings.Join(names, "\n")).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(out))
	if len(want) != len(patterns)*len(names) {
		t.Fatalf("python3 gave %d answers", len(want))
	}
	for i, p := range patterns {
		for j, n := range names {
			if got, want := matches(p, n), want[i*len(names)+j] == '1'; got != want {
				t.Errorf("%q matches %q: %v, expected %v", p, n, got, want)
			}
		}
	}
	if matches("*", ".hidden") || !matches(".*", ".hidden") {
		t.Error("a wildcard matches a leading dot, or a dot does not")
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.log", "c.log.gz"} {
		write(t, dir+"/"+name, "")
	}
	link(t, "loop", dir+"/loop")
	link(t, "../"+dir[strings.LastIndex(dir, "/")+1:]+"/a.log", dir+"/up.log")
	var looked []string
	f := finder{tree: machine{}, look: func(d, name string) { looked = append(looked, d+" "+name) }}
	f.expand(dir + "/*.log*")
	f.expand(dir + "/loop")
	if got := strings.ReplaceAll(strings.Join(f.found, " "), dir, ""); got != "/a.log /b.log /up.log" {
		t.Errorf("found %q", got)
	}
	for _, want := range []string{"/ tmp", dir + " *.log*", dir + " a.log"} {
		if !strings.Contains(strings.Join(looked, "\n")+"\n", want+"\n") {
			t.Errorf("%q was not looked at, but %q", want, looked)
		}
	}
}
