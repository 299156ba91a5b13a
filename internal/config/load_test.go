package config

import (
	"os"
	"path/filepath"
	"testing"
)

// installed is the configuration of Debian's fail2ban package, which tests read and never copy
// into the tree.
const installed = "/etc/fail2ban"

// debianTree is a copy of the installed configuration, its jail.d emptied, with more files.
func debianTree(t *testing.T, files map[string]string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(installed, "jail.conf")); err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS(installed)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "jail.d")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, files)
	return dir
}

// missing fails under CI, where nothing is skipped, and skips elsewhere.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func jailOf(t *testing.T, c *Config, name string) Jail {
	t.Helper()
	for _, j := range c.Jails {
		if j.Name == name {
			return j
		}
	}
	t.Fatalf("no jail %q among %d", name, len(c.Jails))
	return Jail{}
}

func TestEmbeddedTreeProtectsSSH(t *testing.T) {
	c, problems := Load(LoadOptions{Embedded: true})
	for _, p := range problems {
		t.Errorf("problem in the embedded tree: %v", p)
	}
	j := jailOf(t, c, "sshd")
	if j.Broken || len(j.Filter.Failregex) < 10 || len(j.LogPath) != 2 || len(j.Filter.JournalMatch) == 0 {
		t.Errorf("sshd jail is not whole: %+v", j)
	}
	if len(j.Actions) != 1 || !j.Actions[0].Native || j.Actions[0].Port != "ssh" || j.Actions[0].BlockType != "drop" {
		t.Errorf("sshd jail does not ban natively: %+v", j.Actions)
	}
}

func TestFailregexLinesKeepTheirPlace(t *testing.T) {
	dir := debianTree(t, map[string]string{"jail.local": "[sshd]\nenabled = true\n"})
	c, _ := Load(LoadOptions{Dir: dir})
	j := jailOf(t, c, "sshd")
	seen := map[int]bool{}
	for _, r := range j.Filter.Failregex {
		if r.Pos.File != filepath.Join(dir, "filter.d/sshd.conf") || r.Pos.Line == 0 || seen[r.Pos.Line] {
			t.Errorf("place %v of %q is not its own line of the filter", r.Pos, r.Expr)
		}
		seen[r.Pos.Line] = true
	}
	if len(seen) != 22 {
		t.Errorf("%d failregexes, Debian's sshd has 22 in mode normal", len(seen))
	}
}
