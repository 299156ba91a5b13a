package config

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// shownRegex is the regex that fail2ban-regex says matched.
var shownRegex = regexp.MustCompile(`(?m)^\|   1\) \[1\] (.*)$`)

// TestReadFilterReadsWhatFail2banRegexReads asks the installed fail2ban-regex for the regex it
// made of each way to name a filter.
func TestReadFilterReadsWhatFail2banRegexReads(t *testing.T) {
	program, err := exec.LookPath("fail2ban-regex")
	if err != nil {
		missing(t, "needs Debian's fail2ban package: scripts/packages test")
	}
	const body = "[INCLUDES]\nbefore = c.conf\n[Definition]\nfailregex = ^ %(foo)s <foo> %(cc)s <par> <logtype> <HOST>\nfoo = foodef\npar = 0\n[Init]\nfoo = fooinit\n"
	dir, out := smallTree(t, nil), t.TempDir()
	write(t, dir, map[string]string{"filter.d/g.conf": body, "filter.d/c.conf": "[DEFAULT]\ncc = IN\n", "filter.d/g.local": "[Definition]\npar = local\n"})
	write(t, out, map[string]string{"g.conf": body, "c.conf": "[DEFAULT]\ncc = OUT\n", "g.local": "[Definition]\npar = outlocal\n"})
	for _, c := range []struct{ name, line string }{
		{"g", "foodef fooinit IN local file"},
		{"g[par=7, foo=P]", "P P IN 7 file"},
		{"g[logtype=journal]", "foodef fooinit IN local journal"},
		{"g.conf", "foodef fooinit IN local file"},
		{filepath.Join(dir, "filter.d/g.conf"), "foodef fooinit IN local file"},
		{filepath.Join(dir, "filter.d/g.conf") + "[par=8]", "foodef fooinit IN 8 file"},
		{filepath.Join(out, "g.conf"), "foodef fooinit OUT outlocal file"},
		{filepath.Join(out, "g.conf") + "[par=9]", "foodef fooinit OUT 9 file"},
	} {
		shown, err := exec.CommandContext(t.Context(), program, "-c", dir, "2024-01-01 10:00:00 "+c.line+" 192.0.2.1", c.name).CombinedOutput()
		m := shownRegex.FindSubmatch(shown)
		if err != nil || m == nil {
			t.Fatalf("%s: %v\n%s", c.name, err, shown)
		}
		f, problems, err := ReadFilter(LoadOptions{Dir: dir}, c.name)
		if err != nil || len(problems) != 0 || len(f.Failregex) != 1 || f.Failregex[0].Expr != string(m[1]) {
			t.Errorf("%s is %v (%v, %v), fail2ban-regex has %s", c.name, f.Failregex, problems, err, m[1])
		}
	}
}

func TestReadFilterOfNothing(t *testing.T) {
	if _, _, err := ReadFilter(LoadOptions{Dir: smallTree(t, nil)}, "none[mode=x]"); err == nil {
		t.Error("a filter without a file is read")
	}
	if f, _, err := ReadFilter(LoadOptions{Embedded: true}, "sshd[mode=aggressive]"); err != nil || len(f.Failregex) < 20 || f.Failregex[0].Pos.File != "embedded:filter.d/sshd.conf" {
		t.Errorf("the embedded filter is %d rules, %v", len(f.Failregex), err)
	}
}
