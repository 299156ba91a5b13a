package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// `gaol web` prints where the page is, and makes the token that the daemon will ask for.
func TestWebPrintsTheAddress(t *testing.T) {
	dir := t.TempDir()
	gaol := func(in string, args ...string) (string, int) {
		var out, errs strings.Builder
		code := Main(append([]string{"gaol", "web"}, args...), strings.NewReader(in), &out, &errs)
		return out.String() + errs.String(), code
	}
	say := func(keys string) {
		if err := os.WriteFile(filepath.Join(dir, "gaol.local"), []byte("[Definition]\n"+keys), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	say("")
	if said, code := gaol("", "-c", dir, "--state", dir); code != 1 || !strings.Contains(said, "hint: write into gaol.local") {
		t.Errorf("where it is not served: %d %s", code, said)
	}
	for keys, want := range map[string]string{
		"web = 127.0.0.1:8480\n":                                          `^http://127\.0\.0\.1:8480/login#`,
		"web = 0.0.0.0:8480\nweb_insecure = yes\n":                        `^http://localhost:8480/login#`,
		"web = :443\nweb_cert = c\nweb_key = k\nweb_hosts = gaol.example": `^https://gaol\.example:443/login#`,
	} {
		say(keys)
		said, code := gaol("", "-c", dir, "--state", dir)
		token, err := os.ReadFile(filepath.Join(dir, "web.token"))
		if err != nil {
			t.Fatal(err)
		}
		if code != 0 || !regexp.MustCompile(want+regexp.QuoteMeta(strings.TrimSpace(string(token)))+`\n$`).MatchString(said) {
			t.Errorf("%q: %d %s", keys, code, said)
		}
	}
	if said, code := gaol("short\n", "--hash"); code != 1 {
		t.Errorf("a short password: %d %s", code, said)
	}
	if said, code := gaol("correct horse battery\n", "--hash"); code != 0 || !strings.HasPrefix(said, "pbkdf2-sha256:600000:") {
		t.Errorf("a password: %d %s", code, said)
	}
}
