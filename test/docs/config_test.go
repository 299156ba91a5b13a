package docs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gaol/internal/config"
)

const configurationPage = "docs/configuration.md"

// TestKeysTable holds the table of gaol's own keys to config.Keys. GAOL_WRITE_DOCS=1 writes it.
func TestKeysTable(t *testing.T) {
	var want strings.Builder
	want.WriteString("| key | file | section | default | since | what |\n|---|---|---|---|---|---|\n")
	for _, k := range config.Keys() {
		section := "[" + k.Section + "]"
		if k.Section == "jail" {
			section = "a jail, or [DEFAULT]"
		}
		value := ""
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %s | %s |\n", k.Name, k.File, section, value, k.Since, k.Doc)
	}
	page := read(t, configurationPage)
	got := between(t, page, "<!-- keys -->\n", "<!-- end of keys -->")
	switch {
	case got == want.String():
	case os.Getenv("GAOL_WRITE_DOCS") != "":
		page = strings.Replace(page, "<!-- keys -->\n"+got, "<!-- keys -->\n"+want.String(), 1)
		if err := os.WriteFile(filepath.Join(root, configurationPage), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of keys in %s is not that of config.Keys(); write it with\n  GAOL_WRITE_DOCS=1 go test ./test/docs\nor paste:\n%s", configurationPage, want.String())
	}
}

// TestFail2banPassesOverOwnKeys asks the installed fail2ban: with gaol's keys in a jail it makes
// the same commands for its server as without.
func TestFail2banPassesOverOwnKeys(t *testing.T) {
	w := newWorld(t)
	const ask = "fail2ban-client -c /etc/fail2ban -d 2>/dev/null" // warnings carry the time
	before := w.do(ask)
	jail, n := "[DEFAULT]\n", 0
	for _, k := range config.Keys() {
		if k.Section == "jail" {
			jail, n = jail+k.Name+" = x\n", n+1
		}
	}
	w.write("/etc/fail2ban/jail.local", jail)
	w.write("/etc/fail2ban/gaol.local", "[Definition]\nsocket_group = adm\n")
	if after := w.do(ask); n == 0 || after != before || !strings.Contains(after, "sshd") {
		t.Errorf("fail2ban makes other commands with the %d keys than without:\n%s", n, after)
	}
	w.write("/etc/fail2ban/jail.local", jail+"maxretry = 17\n")
	if after := w.do(ask); after == before {
		t.Error("fail2ban did not read the file with the keys")
	}
}

// TestCommentedOptions tries every option that the page lists: of these, and of no other jail
// option, a comment behind the value is dropped.
func TestCommentedOptions(t *testing.T) {
	listed := map[string]bool{}
	for _, name := range strings.FieldsFunc(between(t, read(t, configurationPage), "<!-- commented -->\n", "<!-- end of commented -->"),
		func(r rune) bool { return strings.ContainsRune(" ,.\n", r) }) {
		listed[name] = true
	}
	if len(listed) < 10 {
		t.Fatalf("the page lists only %v", listed)
	}
	others := []string{"action", "failregex", "ignoreregex", "datepattern", "logencoding", "ignorecommand", "maxlines", "blocktype"}
	for name := range listed {
		if !dropsComment(t, name) {
			t.Errorf("%s: the page says its comments are dropped, and they are not", name)
		}
	}
	for _, name := range others {
		if listed[name] != dropsComment(t, name) {
			t.Errorf("%s: listed %v, comments dropped %v", name, listed[name], !listed[name])
		}
	}
}

func dropsComment(t *testing.T, option string) bool {
	t.Helper()
	_, problems := load(t, "jail.local", "[sshd]\n"+option+" = 1 # note\n", nil)
	for _, p := range problems {
		if strings.Contains(p.Msg, "comment “# note” behind the value of "+option+" is dropped") {
			return true
		}
	}
	return false
}

// load layers one file, and filters, on the embedded configuration.
func load(t *testing.T, name, text string, filters map[string]string) (*config.Config, []config.Problem) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "filter.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{name: text}
	maps.Copy(files, filters)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := config.Load(config.LoadOptions{Dir: dir})
	return c, c.Check()
}

// TestConfigurationExamples loads each ini block on the embedded configuration: it must be
// faultless, or have the fault it says it has (```ini error, ```ini warning).
func TestConfigurationExamples(t *testing.T) {
	tried := 0
	for _, doc := range documents(t) {
		filters := map[string]string{} // of the page so far, for its jails
		for _, b := range blocksOf(t, doc) {
			if name, _ := b.file(); b.lang != "ini" || strings.HasPrefix(name, "/etc/systemd/") {
				continue
			}
			tried++
			if got := worst(t, b, filters); got != b.mark {
				t.Errorf("%s: the worst finding is %q, the block says %q", b, got, b.mark)
			}
		}
	}
	if tried < 5 {
		t.Errorf("tried only %d examples; they are not found", tried)
	}
}

// worst is the mark of a block's worst finding. filters are the filter files that the page showed
// before, where a block that is one takes its place; it is read as a jail of its own reads it.
func worst(t *testing.T, b block, filters map[string]string) (mark string) {
	t.Helper()
	path, _ := b.file()
	name, text := filepath.Base(path), b.text
	if before, filter, is := strings.Cut(path, "/filter.d/"); is && before != "" {
		name, text = "jail.local", "[example]\nenabled = true\nlogpath = /dev/null\nfilter = "+strings.TrimSuffix(filter, filepath.Ext(filter))+"\n"
		old := filters["filter.d/"+filter]
		filters["filter.d/"+filter] = b.text
		if b.mark != "" {
			defer func() { filters["filter.d/"+filter] = old }()
		}
	} else if name != "gaol.local" {
		name = "jail.local"
	}
	c, problems := load(t, name, text, filters)
	for _, p := range problems {
		t.Logf("%s: %v", b, p)
		if p.Severity == config.Error {
			return "error"
		}
		mark = "warning"
	}
	if len(c.Jails) == 0 {
		return "error: no jail"
	}
	return mark
}

// between is the text from after the first mark to the second.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)` + regexp.QuoteMeta(from) + `(.*?)` + regexp.QuoteMeta(to)).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the text has no %q ... %q", from, to)
	}
	return m[1]
}
