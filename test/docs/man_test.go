package docs

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const manPage = "man/gaol.8"

// TestManPageIsSound has mandoc's lint look at the page.
func TestManPageIsSound(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		missing(t, "check the man page", err)
	}
	out, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "warning", root+"/"+manPage).CombinedOutput()
	if err != nil {
		t.Errorf("mandoc -T lint: %v\n%s", err, out)
	}
}

// TestManPageHasAllCommands compares the synopsis and the lists of the man page with what the
// command line itself knows, in both directions.
func TestManPageHasAllCommands(t *testing.T) {
	page := read(t, manPage)
	real := commands(t)
	shown := synopses(page)
	if got, want := slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(real)); !slices.Equal(got, want) {
		t.Fatalf("commands in the synopsis: %q\ncommands of gaol: %q", got, want)
	}
	described := optionList(page)
	used := map[string]bool{}
	for name, flags := range real {
		if !strings.Contains(page, "\n.It Cm "+name+"\n") {
			t.Errorf("gaol %s is not described", name)
		}
		for _, f := range flags {
			used[f.String()] = true
			if !slices.Contains(shown[name], f.short) && !slices.Contains(shown[name], f.long) {
				t.Errorf("the synopsis of gaol %s lacks %s", name, f)
			}
		}
		for _, s := range shown[name] {
			if !slices.ContainsFunc(flags, func(f flag) bool { return s == f.short || s == f.long }) {
				t.Errorf("the synopsis of gaol %s has -%s, which does not exist", name, s)
			}
		}
	}
	if got, want := slices.Sorted(slices.Values(described)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("options described: %q\noptions of gaol:   %q", got, want)
	}
}

// flag is an option; long without its first hyphen, as mdoc writes it: "-json".
type flag struct{ short, long string }

func (f flag) String() string { return strings.TrimPrefix(f.short+" "+f.long, " ") }

// commands asks gaol for its subcommands and their options.
func commands(t *testing.T) map[string][]flag {
	t.Helper()
	all := map[string][]flag{}
	for _, m := range regexp.MustCompile(`(?m)^  (\w+) {2,}\S`).FindAllStringSubmatch(help(t), -1) {
		if m[1] == "help" {
			continue
		}
		all[m[1]] = nil
		for _, f := range regexp.MustCompile(`(?m)^ +(?:-(\w), )?-(-[\w-]+)`).FindAllStringSubmatch(help(t, m[1]), -1) {
			if f[2] != "-help" {
				all[m[1]] = append(all[m[1]], flag{f[1], f[2]})
			}
		}
	}
	if len(all) < 11 || len(all["run"]) < 5 {
		t.Fatalf("gaol --help shows only %v; its form has changed", all)
	}
	return all
}

func help(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "gaol", append(command, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, flags, found := strings.Cut(string(out), "Flags:\n")
	if len(command) == 0 {
		return string(out)
	}
	if !found {
		t.Fatalf("gaol %s --help shows no flags", command)
	}
	return flags
}

// synopses returns the options in the synopsis of each command, without their first hyphen.
func synopses(page string) map[string][]string {
	all := map[string][]string{}
	_, text, _ := strings.Cut(page, "\n.Sh SYNOPSIS\n")
	text, _, _ = strings.Cut(text, "\n.Sh ")
	for _, one := range strings.Split(text, ".Nm\n.Cm ") {
		name, rest, _ := strings.Cut(one, "\n")
		if name == "" {
			continue
		}
		all[name] = nil
		for _, m := range regexp.MustCompile(`\bFl (\S+)`).FindAllStringSubmatch(rest, -1) {
			all[name] = append(all[name], m[1])
		}
	}
	return all
}

// optionList returns the described options as flag.String writes them.
func optionList(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^\.It Fl (\S+)(?: , Fl (\S+))?`).FindAllStringSubmatch(page, -1) {
		all = append(all, strings.TrimSpace(m[1]+" "+m[2]))
	}
	return all
}
