package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rpms are the two packages.
func rpms(t *testing.T) (gaol, switcher string) {
	t.Helper()
	for pattern, at := range map[string]*string{"gaol-fail2ban-*.rpm": &switcher, "gaol-[0-9]*.rpm": &gaol} {
		found, err := filepath.Glob(filepath.Join(os.Getenv(envDist), pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v; want one", pattern, found, err)
		}
		*at = found[0]
	}
	return gaol, switcher
}

// TestRpmsSay: rpm itself reads the packages, their files and what they exclude.
func TestRpmsSay(t *testing.T) {
	gaol, switcher := rpms(t)
	for _, c := range []struct {
		file  string
		query string
		want  []string
	}{
		{gaol, "--list", []string{"/usr/bin/gaol", "/usr/lib/systemd/system/gaol.service", "/usr/share/man/man8/gaol.8.gz", "/usr/share/zsh/site-functions/_gaol"}},
		{gaol, "--configfiles", []string{"/etc/logrotate.d/gaol"}},
		{gaol, "--scripts", []string{"systemctl preset gaol.service", "gaol panic"}},
		{switcher, "--list", []string{"/usr/bin/fail2ban-client", "/usr/bin/fail2ban-regex", "/usr/bin/fail2ban-server"}},
		{switcher, "--conflicts", []string{"fail2ban", "fail2ban-server"}},
		{switcher, "--provides", []string{"fail2ban", "fail2ban-server"}},
		{switcher, "--requires", []string{"gaol >= "}},
		{switcher, "--scripts", []string{"posttrans scriptlet", "systemctl enable --now gaol.service"}},
	} {
		out, err := exec.CommandContext(t.Context(), "rpm", "--query", "--package", c.query, c.file).CombinedOutput()
		for _, want := range c.want {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("rpm %s %s: %v, no %q in\n%s", c.query, filepath.Base(c.file), err, want, out)
			}
		}
	}
}

// TestRpmScripts runs the scriptlets: installed, upgraded and erased by rpm, in a root that has
// no other rpm, gaol bans and lets go as the deb does.
func TestRpmScripts(t *testing.T) {
	w := newWorld(t)
	gaol, switcher := rpms(t)
	rpm := func(args ...string) {
		t.Helper()
		args = append([]string{"rpm", "--root", w.dir, "--nodeps", "--noplugins"}, args...)
		if out, err := w.enter(t.Context(), false, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s\nservices said:\n%s", args, err, out, w.journal())
		}
	}
	rpm("--install", gaol)
	w.wants("cat /var/log/systemctl", "preset gaol.service")
	w.lacks("systemctl is-active gaol || command -v fail2ban-client || [ -e /etc/gaol ]")
	rpm("--install", switcher)
	w.do("systemctl is-active gaol && systemctl is-enabled gaol && fail2ban-client ping")
	w.attack()
	before := w.do("cat /run/standin.gaol.service.pid")
	rpm("--upgrade", "--replacepkgs", gaol)
	if after := w.do("systemctl is-active gaol && cat /run/standin.gaol.service.pid"); after == before {
		t.Error("the upgrade did not restart the daemon")
	}
	w.attacker.Dead("tcp", ssh)
	rpm("--erase", "gaol-fail2ban")
	w.attacker.Returns("tcp", ssh)
	w.lacks("systemctl is-active gaol || systemctl is-enabled gaol || command -v fail2ban-client")
	rpm("--erase", "gaol")
	w.do("[ -e /var/lib/gaol/gaol.db ]")
	w.lacks("command -v gaol")
}
