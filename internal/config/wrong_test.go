package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each file of testdata/wrong is a small tree with something wrong in it, as "-- NAME --" and
// the file, and behind "-- found --" what Check says and which jails run. UPDATE=1 writes that
// part anew; read the difference before you keep it.
func TestWhatIsWrongIsNamedAndTheRestRuns(t *testing.T) {
	cases, err := filepath.Glob("testdata/wrong/*.txt")
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tree, want, _ := strings.Cut(string(body), "-- found --\n")
			dir := t.TempDir()
			write(t, dir, unpack(tree))
			got := found(t, dir)
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, []byte(tree+"-- found --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("found\n%swant\n%s", got, want)
			}
		})
	}
}

// unpack splits "-- NAME --" lines and the text behind them.
func unpack(text string) map[string]string {
	files := map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		if inner, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(line, " --\n") {
			name = strings.TrimSuffix(inner, " --\n")
			files[name] = ""
			continue
		}
		files[name] += line
	}
	return files
}

// found is what a user would read, without the test's directory.
func found(t *testing.T, dir string) string {
	t.Helper()
	c, _ := Load(LoadOptions{Dir: dir})
	var b strings.Builder
	for _, p := range c.Check() {
		if p.Pos.File == "" || p.Msg == "" || p.Hint == "" || p.Pos.Line == 0 {
			t.Errorf("problem without file, line, message or hint: %+v", p)
		}
		fmt.Fprintf(&b, "%v\n  hint: %s\n", p, p.Hint)
	}
	var runs, broken []string
	for _, j := range c.Jails {
		if j.Broken {
			broken = append(broken, j.Name)
			if !slices.ContainsFunc(c.Check(), func(p Problem) bool { return p.Jail == j.Name && p.Severity == Error }) {
				t.Errorf("jail %q is broken and no problem says why", j.Name)
			}
		} else {
			runs = append(runs, j.Name)
		}
	}
	fmt.Fprintf(&b, "runs: %s\nbroken: %s\n", strings.Join(runs, " "), strings.Join(broken, " "))
	return strings.ReplaceAll(b.String(), dir+"/", "")
}

func TestUndecodableFileIsLeftOut(t *testing.T) {
	dir := smallTree(t, map[string]string{"jail.local": "[DEFAULT]\n# ok\nbantime = 1h\n# caf\xe9\n[a]\nmaxretry = 9\n"})
	c, problems := Load(LoadOptions{Dir: dir})
	if len(problems) != 1 || problems[0].Pos != (Pos{filepath.Join(dir, "jail.local"), 4}) || problems[0].Severity != Error {
		t.Errorf("problems are %v", problems)
	}
	if j := jailOf(t, c, "a"); j.Broken || j.MaxRetry != 3 {
		t.Errorf("jail of the sound file: broken %v, maxretry %d", j.Broken, j.MaxRetry)
	}
}

func TestMissingDirectory(t *testing.T) {
	c, problems := Load(LoadOptions{Dir: filepath.Join(t.TempDir(), "none")})
	if len(problems) != 1 || problems[0].Severity != Error || len(c.Jails) != 0 {
		t.Errorf("problems %v, jails %v", problems, c.Jails)
	}
}

// Ten keys that each name the next one ten times: ten thousand million references.
func TestReferencesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("[a]\nenabled = true\nlogpath = %(k0)s\nk9 = x\n")
	for i := range 9 {
		fmt.Fprintf(&b, "k%d = %s\n", i, strings.Repeat(fmt.Sprintf("%%(k%d)s", i+1), 10))
	}
	c, problems := Load(LoadOptions{Dir: smallTree(t, map[string]string{"jail.conf": b.String()})})
	if len(problems) == 0 || !jailOf(t, c, "a").Broken {
		t.Errorf("problems %v", problems)
	}
}
