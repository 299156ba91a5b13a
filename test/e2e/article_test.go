package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestArticleFiles brings the article's files, comments and all, over Debian's whole tree.
func TestArticleFiles(t *testing.T) {
	l := newLab(t)
	jumps := l.run(t, "jumps", 2222)
	here := []string{"/var/log/docker-jumps-auth.log", jumps.log.name, "10.100.0.199", jumps.addr.String()}

	t.Run("starts", func(t *testing.T) {
		g := newGaol(t, l.host, article(t, "jail.local", here...))
		if err := os.CopyFS(filepath.Join(g.conf, "jail.d"), os.DirFS("/etc/fail2ban/jail.d")); err != nil {
			t.Fatal(err)
		}
		g.start(t)
		j := g.jail(t, "docker-sshd")
		if !j.Running || j.MaxRetry != 2 || j.BanTime.Minutes() != 30 || j.Port != "22" || len(j.Sources) != 1 || !j.Sources[0].Found {
			t.Errorf("the article's jail as it runs: %+v", j)
		}
		if out := g.cli(t, "status"); !strings.Contains(out, "docker-sshd") {
			t.Errorf("gaol status does not name the jail:\n%s", out)
		}
		g.stop(t)
	})

	// What the article tried first. Each names the jail's file and line, says why, and what to
	// write instead.
	leads := "tcp 2222 -> " + jumps.addr.String() + ":22"
	for name, tt := range map[string]struct {
		text   string
		status int
		want   []string
	}{
		"last": {article(t, "jail.local", here...), 0, []string{"jail.local:13: warning: ", "注意这里", "0 errors"}},
		"port of the host in DOCKER-USER": {article(t, "first.local", here...), 1, []string{"jail.local:13: error: ", "will not bite",
			"jail docker-sshd bans port 2222 in DOCKER-USER", leads, "`banaction = gaol` and keep `port = 2222`", "`port = 22`",
			"destip=" + jumps.addr.String()}},
		"no chain": {article(t, "first.local", append(here, "chain   = DOCKER-USER\n", "")...), 1, []string{"jail.local:13: error: ",
			"will not bite", "jail docker-sshd bans port 2222 in INPUT", leads, "`banaction = gaol` and keep `port = 2222`",
			"`chain = DOCKER-USER` and `port = 22`"}},
	} {
		t.Run("check: "+name, func(t *testing.T) {
			g := newGaol(t, l.host, tt.text)
			out, status := g.try(t, "check", "-c", g.conf)
			if status != tt.status {
				t.Errorf("gaol check: exit status %d, want %d", status, tt.status)
			}
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("gaol check does not say %q", w)
				}
			}
			if strict, status := g.try(t, "check", "-c", g.conf, "--strict"); status != 1 {
				t.Errorf("gaol check --strict: exit status %d, want 1:\n%s", status, strict)
			}
			if t.Failed() {
				t.Logf("gaol check says:\n%s", out)
			}
		})
	}
}
