package engine

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
)

// fail2banSchema is the form of fail2ban's database (§4.7); room store reads one that fail2ban
// itself made.
const fail2banSchema = `
CREATE TABLE fail2banDb(version INTEGER);
CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, lastfilepos INTEGER DEFAULT 0);
CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON);
CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON);
INSERT INTO fail2banDb VALUES (4);
`

// withFail2ban gives the engine's configuration a database of fail2ban with these rows.
func (r *running) withFail2ban(rows string) (db string) {
	r.t.Helper()
	db = filepath.Join(r.dir, "fail2ban.sqlite3")
	r.write("conf/fail2ban.local", "[Definition]\ndbfile = "+db+"\n")
	if out, err := exec.CommandContext(r.t.Context(), "sqlite3", db, fail2banSchema+rows).CombinedOutput(); err != nil {
		r.t.Fatalf("sqlite3: %v: %s\nbring it with: scripts/packages test", err, out)
	}
	return db
}

// bip is a ban in force that began so many seconds ago.
func bip(jail, id string, ago, length int64) string {
	return fmt.Sprintf("INSERT INTO bips VALUES ('%s','%s',%d,%d,1,'{}');\n", id, jail, time.Now().Unix()-ago, length)
}

// readTo says that fail2ban has read the log up to its present end.
func (r *running) readTo() string {
	r.t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return fmt.Sprintf("INSERT INTO logs VALUES ('sshd','%s','%x',%d);\n", r.log, sha1.Sum([]byte(first+"\n")), len(text))
}

func (r *running) load() (*config.Config, []config.Problem) {
	return config.Load(config.LoadOptions{Dir: filepath.Join(r.dir, "conf")})
}

// The rules for what comes back are those of §4.5 and §9.9: today's bantime is 1 h.
func TestFirstStartTakesOver(t *testing.T) {
	r := newRunning(t)
	r.fail("203.0.113.7", 3)
	r.withFail2ban(r.readTo() +
		bip("sshd", "203.0.113.1", 600, 1200) + // its own end
		bip("sshd", "203.0.113.2", 600, 36000) + // cut to today's bantime
		bip("sshd", "203.0.113.3", 4000, 36000) + // over under today's bantime
		bip("sshd", "203.0.113.4", 600, -1) + // for ever, which today is an hour
		bip("sshd", "203.0.113.5", 600, 500) + // over
		bip("sshd", "198.51.100.200", 10, 600) + // in ignoreip
		bip("sshd", "127.0.0.1", 10, 600) + // on the floor
		bip("recidive", "203.0.113.6", 10, 600)) // not enabled
	r.fail("203.0.113.8", 1)
	r.start()
	if got, want := r.banned("sshd"), []string{"203.0.113.1", "203.0.113.2", "203.0.113.4"}; !slices.Equal(got, want) {
		t.Errorf("firewall holds %v, want %v", got, want)
	}
	for id, want := range map[string]time.Duration{"203.0.113.1": 600 * time.Second, "203.0.113.2": 3000 * time.Second, "203.0.113.4": 3000 * time.Second} {
		b := r.do(control.Banned{ID: id}).Bans[0]
		if off := time.Until(b.End) - want; off > time.Second || off < -10*time.Second {
			t.Errorf("%s ends in %s, want %s", id, time.Until(b.End), want)
		}
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.Lines != 1 || s.TotalFailed != 1 {
		t.Errorf("%d lines with %d failures were read, want the one line behind fail2ban's position", s.Lines, s.TotalFailed)
	}
	said := strings.Join(r.seen, "")
	for _, want := range []string{"first start: taking over", "[sshd] taken over from fail2ban: 6 bans in force, 1 of the past, 0 addresses banned more than once, 1 read positions",
		"reading of " + r.log + " goes on behind byte ", "not enabled here: recidive", "Restore Ban 203.0.113.1"} {
		if !strings.Contains(said, want) {
			t.Errorf("the log does not say %q:\n%s", want, said)
		}
	}
}

// Only an empty state takes over: a ban that was lifted since stays lifted.
func TestTakesOverOnce(t *testing.T) {
	r := newRunning(t)
	db := r.withFail2ban(bip("sshd", "203.0.113.1", 10, 600) + bip("sshd", "203.0.113.2", 10, 600))
	r.start()
	r.do(control.Unban{ID: "203.0.113.1"})
	r.end()
	must(t, exec.CommandContext(t.Context(), "sqlite3", db, bip("sshd", "203.0.113.3", 10, 600)).Run())
	r.start()
	if got, want := r.banned("sshd"), []string{"203.0.113.2"}; !slices.Equal(got, want) {
		t.Errorf("after the second start the firewall holds %v, want %v", got, want)
	}
}

// What cannot be read is said, and the start goes on.
func TestTakeOverOfAnotherVersion(t *testing.T) {
	r := newRunning(t)
	r.withFail2ban("UPDATE fail2banDb SET version = 3;")
	r.start()
	if said := strings.Join(r.seen, ""); !strings.Contains(said, "not taken over") || !strings.Contains(said, "it has version 3") {
		t.Errorf("the log does not say that the database has another version:\n%s", said)
	}
}

func (r *running) importing(try bool) (Imported, error) {
	return Import(context.Background(), ImportOptions{
		Load: r.load, StateDir: filepath.Join(r.dir, "state"), DryRun: try, Alone: true, Now: time.Now})
}

// TestImport: it is done on demand too, into a state that has bans of its own.
func TestImport(t *testing.T) {
	r := newRunning(t)
	if _, err := r.importing(false); !errors.Is(err, ErrNoDatabase) {
		t.Errorf("import without a database: %v", err)
	}
	r.start()
	r.do(control.Ban{Jail: "sshd", ID: "203.0.113.9"})
	r.withFail2ban(bip("sshd", "203.0.113.1", 10, 600) + bip("recidive", "203.0.113.6", 10, 600))
	if _, err := r.importing(false); err == nil || !strings.Contains(err.Error(), "in use by another gaol") {
		t.Errorf("import beside the daemon: %v", err)
	}
	r.end()
	for _, c := range []struct {
		try  bool
		bans int
	}{{true, 1}, {false, 1}, {true, 0}, {false, 0}} {
		all, err := r.importing(c.try)
		must(t, err)
		n := 0
		for _, j := range all.Jails {
			n += j.Bans
		}
		if n != c.bans || !slices.Equal(all.LeftOut, []string{"recidive"}) {
			t.Errorf("import (trial: %v): %+v, want %d bans", c.try, all, c.bans)
		}
	}
	r.start()
	if got, want := r.banned("sshd"), []string{"203.0.113.1", "203.0.113.9"}; !slices.Equal(got, want) {
		t.Errorf("firewall holds %v, want %v", got, want)
	}
}

// TestTrialLeavesNothing: no state is made by looking.
func TestTrialLeavesNothing(t *testing.T) {
	r := newRunning(t)
	r.withFail2ban(bip("sshd", "203.0.113.1", 10, 600))
	if all, err := r.importing(true); err != nil || len(all.Jails) != 1 || all.Jails[0].Bans != 1 {
		t.Errorf("trial: %+v, %v", all, err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the trial made a state: %v", err)
	}
}

// TestJournalGoesOn: of the journal fail2ban keeps the time of the last entry it read.
func TestJournalGoesOn(t *testing.T) {
	r := newRunning(t)
	journal := filepath.Join(r.dir, "journal")
	r.write("journal/.keep", "")
	r.write("conf/jail.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "backend = auto",
		"backend = systemd[journalpath="+journal+"]", 1))
	r.journal(journal, 2) // of a minute ago
	last := float64(time.Now().Add(-time.Minute).UnixMicro()) / 1e6
	r.withFail2ban(fmt.Sprintf("INSERT INTO logs VALUES ('sshd','systemd-journal','',%.6f);", last))
	r.journal(journal, 1)
	r.log = "journal"
	r.start()
	r.wait("Found 198.18.7.7")
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.Lines != 1 || s.TotalFailed != 1 {
		t.Errorf("%d lines with %d failures were read, want the one entry that fail2ban had not read", s.Lines, s.TotalFailed)
	}
}
