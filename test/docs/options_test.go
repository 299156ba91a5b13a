package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gaol/internal/config"
)

const optionsPage = "docs/options.md"

// chapters are the page's, in its order: which keys, under which title.
func chapters() []struct{ file, title string } {
	return []struct{ file, title string }{
		{"jail.conf", "A jail, or [DEFAULT], in jail.conf"}, {"filter.d", "A filter, in filter.d"},
		{"action.d", "An action, in action.d"}, {"gaol.conf", "gaol.conf, [Definition]"}, {"fail2ban.conf", "fail2ban.conf"},
	}
}

// TestOptionsPage holds the reference of all options to the code's two tables.
// GAOL_WRITE_DOCS=1 writes it.
func TestOptionsPage(t *testing.T) {
	var want strings.Builder
	for _, c := range chapters() {
		fmt.Fprintf(&want, "\n## %s\n\n| option | whose | default | since | what |\n|---|---|---|---|---|\n", c.title)
		for _, k := range config.Language() {
			optionRow(&want, c.file, "fail2ban's", k)
		}
		for _, k := range config.Keys() {
			optionRow(&want, c.file, "gaol's", k)
		}
	}
	holdPart(t, optionsPage, "options", want.String())
}

func optionRow(w *strings.Builder, file, whose string, k config.Key) {
	if k.File != file {
		return
	}
	name, value := "`"+k.Name+"`", ""
	if k.Section != "jail" && k.Section != "Definition" {
		name += " in [" + k.Section + "]"
	}
	if k.Default != "" {
		value = "`" + k.Default + "`"
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", name, whose, value, k.Since, strings.ReplaceAll(tagsAsCode(k.Doc), "|", `\|`))
}

// tagsAsCode keeps what stands in < > from being taken for markup.
func tagsAsCode(text string) string {
	return regexp.MustCompile(`(?:\w+=")?<[\w-]+>"?|%\([^)]*\)s|\{[A-Z]+\}`).ReplaceAllString(text, "`$0`")
}

// holdPart compares the generated part of a page with what it must be, or writes it.
func holdPart(t *testing.T, name, mark, want string) {
	t.Helper()
	page := read(t, name)
	from, to := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
	got := between(t, page, from, to)
	switch {
	case got == want:
	case os.Getenv("GAOL_WRITE_DOCS") != "":
		page = strings.Replace(page, from+got, from+want, 1)
		if err := os.WriteFile(filepath.Join(root, name), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		had := strings.Split(got, "\n")
		for row := range strings.SplitSeq(want, "\n") {
			if !slices.Contains(had, row) {
				t.Errorf("%s has not: %s", name, row)
			}
		}
		t.Errorf("%s is stale; write it with\n  GAOL_WRITE_DOCS=1 go test ./test/docs -run %s", name, t.Name())
	}
}

// TestLanguageIsWhole: the table has every option that the installed fail2ban names and that
// docs/compatibility.md goes through, once, with a meaning.
func TestLanguageIsWhole(t *testing.T) {
	named := map[string][]string{}
	for _, k := range config.Language() {
		if slices.Contains(named[k.File], k.Name) || k.Doc == "" || k.Since == "" || strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s of %s stands there twice, or without a meaning, or that ends with a dot: %+v", k.Name, k.File, k)
		}
		named[k.File] = append(named[k.File], k.Name)
	}
	for file, want := range map[string][]string{
		"fail2ban.conf": globalOptions(t), "jail.conf": jailOptions(t), "filter.d": filterOptions(), "action.d": actionOptions(),
	} {
		for _, name := range want {
			if !slices.Contains(named[file], name) {
				t.Errorf("config.Language() lacks %s of %s", name, file)
			}
		}
	}
}

// TestDefaultsOfLanguage writes each default down: the jail, or the settings of the daemon, must
// be the same as without the line.
func TestDefaultsOfLanguage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"jail.conf": "[probe]\nenabled = true\nfilter = probe\n", "filter.d/probe.conf": "[Definition]\nfailregex = ^a <HOST>$\n", "fail2ban.conf": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bare := withLine(t, dir, "jail.local", "")
	for _, k := range append(config.Language(), config.Keys()...) {
		file, section := strings.TrimSuffix(k.File, ".conf")+".local", k.Section
		if section == "jail" {
			section = "probe"
		}
		if k.Default == "" || slices.Contains(elsewhereDefault(), k.Name) || strings.HasSuffix(k.File, ".d") {
			continue
		}
		for i, got := range withLine(t, dir, file, "["+section+"]\n"+k.Name+" = "+k.Default+"\n") {
			if got != bare[i] {
				t.Errorf("%s = %s of %s makes a difference:\n%s\nwithout:\n%s", k.Name, k.Default, k.File, got, bare[i])
			}
		}
	}
	if got := withLine(t, dir, "jail.local", "[probe]\nmaxretry = 17\n"); slices.Equal(got, bare) {
		t.Error("another value makes no difference; nothing is compared")
	}
}

// elsewhereDefault are options whose default their reader does not write down, since the room that
// uses the value takes an empty one for it; and enabled, without which there is no jail to compare.
func elsewhereDefault() []string {
	return []string{"enabled", "usedns", "maxlines", "blocktype", "logformat"}
}

// withLine is what comes of a directory with one file more, apart from where it was read.
func withLine(t *testing.T, dir, name, text string) (all []string) {
	t.Helper()
	c := loaded(t, dir, name, text)
	if len(c.Jails) != 1 || c.Jails[0].Broken {
		t.Fatalf("%s: %s comes to %+v", name, text, c.Jails)
	}
	j, g := c.Jails[0], c.Global
	j.Options, g.Options = nil, nil
	v := reflect.ValueOf(j)
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			all = append(all, fmt.Sprintf("%s=%+v", v.Type().Field(i).Name, v.Field(i).Interface()))
		}
	}
	return append(all, fmt.Sprintf("%+v", g))
}
