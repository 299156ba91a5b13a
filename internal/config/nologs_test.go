package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// Where no log exists, a jail with backend auto and a journalmatch reads the journal, with the
// filter for journals; skip_if_nologs leaves the jail out. Each case is the options of a jail.
func TestJailsWithoutLogs(t *testing.T) {
	dir := t.TempDir()
	there, journal := filepath.Join(dir, "there.log"), filepath.Join(dir, "journal")
	write(t, dir, map[string]string{
		"there.log": "", "journal/machine/system.journal": "",
		"conf/filter.d/f.conf": "[Definition]\nfailregex = ^<logtype> from <HOST>$\njournalmatch = _COMM=f\n[Init]\nlogtype = short\n",
		"conf/jail.conf":       "",
	})
	none := filepath.Join(dir, "none.log")
	for _, c := range []struct {
		name, options string
		dirs          []string
		backend, expr string // empty: the jail is left out
	}{
		{"log", "logpath = " + there, []string{journal}, "auto", "^file "},
		{"one of two", "logpath = " + none + "\n  " + there, []string{journal}, "auto", "^file "},
		{"no log", "logpath = " + none, []string{journal}, "systemd", "^journal "},
		{"no logpath", "", []string{journal}, "systemd", "^journal "},
		{"no journal either", "logpath = " + none, []string{}, "auto", "^file "},
		{"not wanted", "logpath = " + none + "\nsystemd_if_nologs = false", []string{journal}, "auto", "^file "},
		{"other backend", "logpath = " + none + "\nbackend = polling", []string{journal}, "polling", "^file "},
		{"no journalmatch", "logpath = " + none + "\njournalmatch =", []string{journal}, "auto", "^file "},
		{"skip, but a journal", "logpath = " + none + "\nskip_if_nologs = true", []string{journal}, "systemd", "^journal "},
		{"skip, a log", "logpath = " + there + "\nskip_if_nologs = true", nil, "auto", "^file "},
		{"skip", "logpath = " + none + "\nskip_if_nologs = true", []string{}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, dir, map[string]string{"conf/jail.conf": "[j]\nenabled = true\nfilter = f\n" + c.options + "\n"})
			conf, problems := Load(LoadOptions{Dir: filepath.Join(dir, "conf"), JournalDirs: c.dirs})
			if c.backend == "" {
				if len(conf.Jails) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Msg, "skipped") {
					t.Errorf("jails %+v, problems %v", conf.Jails, problems)
				}
				return
			}
			j := jailOf(t, conf, "j")
			if j.Backend != c.backend || len(j.Filter.Failregex) != 1 || !strings.HasPrefix(j.Filter.Failregex[0].Expr, c.expr) {
				t.Errorf("backend %s, failregex %+v", j.Backend, j.Filter.Failregex)
			}
			if j.Broken || j.Switched != (c.backend == "systemd") {
				t.Errorf("broken %v, switched %v, problems %v", j.Broken, j.Switched, problems)
			}
		})
	}
}
