package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// optionsComment is how a sample log says with which parameters of its filter lines are meant.
var optionsComment = regexp.MustCompile(`filterOptions: ([\[{].*[\]}])`)

// optionSet is one set of parameters that a sample log names, and what it puts before each line.
type optionSet struct{ Params, Prefix string }

// optionSets are the sets that a sample log names, each once. test.condition chooses between the
// suites of fail2ban's own tests and says nothing to a filter.
func optionSets(t *testing.T, log string) []optionSet {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var sets []optionSet
	for _, m := range optionsComment.FindAllStringSubmatch(string(content), -1) {
		text := m[1]
		if text[0] == '{' {
			text = "[" + text + "]"
		}
		var options []map[string]string
		if err := json.Unmarshal([]byte(text), &options); err != nil {
			t.Fatalf("%s: read %q: %v", log, m[1], err)
		}
		for _, o := range options {
			if s := setOf(o); !slices.Contains(sets, s) {
				sets = append(sets, s)
			}
		}
	}
	return sets
}

func setOf(options map[string]string) optionSet {
	set := optionSet{Prefix: options["test.prefix-line"]}
	var params []string
	for _, k := range slices.Sorted(maps.Keys(options)) {
		if !strings.HasPrefix(k, "test.") {
			params = append(params, fmt.Sprintf("%s=%q", k, options[k]))
		}
	}
	if len(params) > 0 {
		set.Params = "[" + strings.Join(params, ", ") + "]"
	}
	return set
}

// prefixed is the log, or a copy of it with the prefix before each line that is not a comment.
func prefixed(t *testing.T, log, prefix string) string {
	t.Helper()
	if prefix == "" {
		return log
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	for i, l := range lines {
		if l != "" && l[0] != '#' {
			lines[i] = prefix + l
		}
	}
	path := filepath.Join(t.TempDir(), filepath.Base(log))
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reports are the command lines for a filter on a log: the counts with all lines that were matched,
// missed and ignored, and each failure's address, time and user.
func reports(log, filter string) [][]string {
	return [][]string{
		{"-v", "--print-all-matched", "--print-all-missed", "--print-all-ignored", log, filter},
		{"-o", "<ip>|<time>|<F-USER>", log, filter},
	}
}

// filterAlone names the filter, also where a jail has its name (§0).
func filterAlone(name, params string) string {
	if params == "" {
		return name + ".conf"
	}
	return name + params
}

// Every set of parameters that a sample log names, over the whole of that log.
func TestOptionSetsAsFail2ban(t *testing.T) {
	filters := map[string]string{"sshd-journal": "sshd"} // the one log that is not called as its filter
	for _, name := range sampleFilters(t) {
		filters[name] = name
	}
	var argv [][]string
	for _, log := range slices.Sorted(maps.Keys(filters)) {
		for _, set := range optionSets(t, filepath.Join(samples, log)) {
			argv = append(argv, reports(prefixed(t, filepath.Join(samples, log), set.Prefix), filterAlone(filters[log], set.Params))...)
		}
	}
	if len(argv) < 2*40 && os.Getenv("CI") != "" {
		t.Fatalf("%d sets of options in the sample logs, want at least 40", len(argv)/2)
	}
	same(t, argv, nil)
}

// The two filters that only fail2ban's own tests have, with the logs that go with them. They
// include a file seven directories above, so they are laid out as in the package.
func TestOwnFiltersAsFail2ban(t *testing.T) {
	tree := t.TempDir()
	dir := filepath.Join(tree, "lib", "python3", "packages", "fail2ban", "tests", "config", "filter.d")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(tree, "config", "filter.d"), os.DirFS(filepath.Join(installed, "filter.d"))); err != nil {
		t.Fatalf("read the installed filters: %v: run scripts/packages test", err)
	}
	var argv [][]string
	for _, name := range []string{"zzz-generic-example", "zzz-sshd-obsolete-multiline"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(samples)), "config", "filter.d", name+".conf"))
		if err != nil {
			t.Fatal(err)
		}
		filter := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(filter, content, 0o600); err != nil {
			t.Fatal(err)
		}
		log := filepath.Join(samples, name)
		for _, set := range append(optionSets(t, log), optionSet{}) {
			argv = append(argv, reports(log, filter+set.Params)...)
		}
	}
	for _, mode := range []string{"ddos", "extra", "aggressive"} {
		log, filter := filepath.Join(samples, "sshd"), filepath.Join(dir, "zzz-sshd-obsolete-multiline.conf")
		argv = append(argv, reports(log, fmt.Sprintf("%s[mode=%s]", filter, mode))...)
	}
	same(t, argv, nil)
}

// A filter given as a file: with a configuration around it or alone, with and without extension.
func TestFilterFilesAsFail2ban(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const text = "[Definition]\nfailregex = ^bad <HOST>$\n[Init]\nx = 1\n"
	for _, name := range []string{"alone.conf", "noext", "sub/my.conf", "tree/filter.d/zeds.conf", "tree/filter.d/owns.local"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var argv [][]string
	for _, regex := range []string{
		"alone.conf", "./alone.conf", dir + "/alone.conf", "./alone.conf[x=y]", "noext", "./noext", "sub/my.conf", "sub/my.conf[x='a b', y=2]",
		"tree/filter.d/zeds.conf", dir + "/tree/filter.d/zeds.conf", "tree/filter.d/zeds.conf[x=y]", "tree/filter.d/zeds", "tree/filter.d/owns", "tree/filter.d/owns.local",
		installed + "/filter.d/sshd.conf", installed + "/filter.d/sshd", installed + "/filter.d/sshd[mode=extra]", "sshd.conf", "sshd[mode=extra]",
		"nosuch", "./nosuch", "tree/filter.d/nosuch", ".", "/",
	} {
		argv = append(argv, []string{"2024-01-01 10:00:00 bad 192.0.2.1", regex})
	}
	same(t, argv, nil)
}
