package engine

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
)

// A fresh Debian has no auth.log: the journal is all there is. The journal is a real one, made
// from export text by systemd-journal-remote(8).
func TestBansFromTheJournal(t *testing.T) {
	r := newRunning(t)
	journal := filepath.Join(r.dir, "journal")
	r.write("journal/.keep", "")
	r.write("conf/jail.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "backend = auto",
		"backend = systemd[journalpath="+journal+"]", 1))
	r.journal(journal, 2)
	r.log = "journal"
	r.start()
	r.wait("Found 198.18.7.7")
	r.wait("Found 198.18.7.7")
	r.end()

	r.journal(journal, 1)
	r.start()
	r.wait("Ban 198.18.7.7")
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if s.Lines != 1 || s.Bans[0].Count != 3 {
		t.Errorf("read %d lines after the restart and banned for %d failures, want 1 and 3", s.Lines, s.Bans[0].Count)
	}
}

// journal adds n failed logins, each in a journal file of its own.
func (r *running) journal(dir string, n int) {
	r.t.Helper()
	for range n {
		r.entries++
		at := time.Now().Add(-time.Minute).UnixMicro() + int64(r.entries)
		text := fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n_MACHINE_ID=%032x\n"+
			"_HOSTNAME=host\nSYSLOG_IDENTIFIER=sshd-session\n_COMM=sshd-session\n_SYSTEMD_UNIT=ssh.service\n_PID=%d\n"+
			"MESSAGE=Failed password for root from 198.18.7.7 port 4711 ssh2\n\n", at, at, 7, 8, 1000+r.entries)
		cmd := exec.Command("/lib/systemd/systemd-journal-remote", "-o", filepath.Join(dir, fmt.Sprintf("system@%032x-%016x-%016x.journal", r.entries, 1, at)), "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Fatalf("make a journal (apt-get install systemd-journal-remote): %v\n%s", err, out)
		}
	}
}
