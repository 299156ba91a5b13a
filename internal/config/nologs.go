package config

import (
	"path/filepath"
	"strings"
)

// overrides are the options of a filter that a jail may set itself.
func overrides() []string {
	return []string{"prefregex", "failregex", "ignoreregex", "maxlines", "datepattern", "journalmatch", "usedns"}
}

// readFilterAndLogs reads what the jail looks for and where. A jail that finds no log file turns
// to the journal (§3, systemd_if_nologs): then its filter is read again as for a journal, whose
// lines begin differently.
func (r *jailReader) readFilterAndLogs() {
	r.overrideFilter()
	r.readLogs()
	j := &r.jail
	j.SystemdIfNoLogs, j.SkipIfNoLogs = r.bool("systemd_if_nologs", true), r.bool("skip_if_nologs", false)
	journal := strings.HasPrefix(j.Backend, "systemd")
	j.Container = r.text("container", "")
	if journal || j.hasLog() {
		j.SkipIfNoLogs = false
		return
	}
	if j.Backend == "auto" && j.SystemdIfNoLogs && len(j.Filter.JournalMatch) > 0 && r.l.haveJournal() {
		j.Backend, j.Switched, j.SkipIfNoLogs = "systemd", true, false
		r.overrideFilter()
	}
}

func (r *jailReader) overrideFilter() {
	r.readFilter()
	j := &r.jail
	for _, key := range overrides() {
		if v, ok := r.value(key); ok {
			if err := j.Filter.take(key, v); err != nil {
				r.failed(err, v.Pos())
			}
		}
	}
	j.UseDNS = j.Filter.UseDNS
	if j.UseDNS == "" {
		j.UseDNS = "warn"
	}
	j.Filter.UseDNS = j.UseDNS
}

// hasLog says whether a log file exists now. A container's log is waited for.
func (j *Jail) hasLog() bool {
	if j.Container != "" && len(j.LogPath) == 0 {
		return true
	}
	for _, l := range j.LogPath {
		glob, _, _ := strings.Cut(l, " ")
		if strings.HasPrefix(glob, "container:") {
			return true
		}
		if found, err := filepath.Glob(glob); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// haveJournal says whether this machine keeps a journal: journalctl, or a directory that some
// package made, proves nothing (systemd-journald.service(8), FILES).
func (l *loader) haveJournal() bool {
	dirs := l.opts.JournalDirs
	if dirs == nil {
		dirs = []string{"/run/log/journal", "/var/log/journal"}
	}
	for _, dir := range dirs {
		if found, err := filepath.Glob(filepath.Join(dir, "*", "system*.journal")); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}
