package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestImport runs the command on a database in the form of fail2ban's (§4.7).
func TestImport(t *testing.T) {
	dir := t.TempDir()
	db, state := filepath.Join(dir, "f.sqlite3"), filepath.Join(dir, "state")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("jail.local", "[sshd]\nenabled = true\n")
	write("fail2ban.local", "[Definition]\ndbfile = None\nsocket = "+filepath.Join(dir, "none")+"\n")
	gaol := func(want int, args ...string) string {
		t.Helper()
		var out strings.Builder
		args = append([]string{"gaol", "import", "-c", dir, "--state", state}, args...)
		if status := Main(args, nil, &out, &out); status != want {
			t.Fatalf("%q: exit status %d\n%s", args, status, &out)
		}
		return out.String()
	}
	if said := gaol(1); !strings.Contains(said, "dbfile is None") || !strings.Contains(said, "hint: name it: gaol import --db PATH") {
		t.Errorf("without a database:\n%s", said)
	}
	now := time.Now().Unix()
	script := `CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES (4); CREATE TABLE jails(name);
CREATE TABLE logs(jail, path, firstlinemd5, lastfilepos); CREATE TABLE bans(jail, ip, timeofban, bantime, bancount, data);
CREATE TABLE bips(ip, jail, timeofban, bantime, bancount, data);
INSERT INTO logs VALUES ('sshd', '/var/log/a.log', 'x', 10), ('sshd', '/var/log/b.log', 'y', 20), ('nginx', '/c', 'z', 1);` +
		fmt.Sprintf("INSERT INTO bips VALUES ('192.0.2.1', 'sshd', %d, 600, 3, NULL);", now) +
		fmt.Sprintf("INSERT INTO bans VALUES ('sshd', '192.0.2.1', %d, 600, 1, NULL), ('sshd', '192.0.2.2', %d, 600, 1, NULL);", now, now-900)
	if out, err := exec.CommandContext(t.Context(), "sqlite3", db, script).CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s\nbring it with: scripts/packages test", err, out)
	}
	table := fmt.Sprintf(` from %s:
JAIL  BANS  PAST BANS  REPEATED  READS ON
sshd  1     1          1         /var/log/a.log, behind byte 10
                                 /var/log/b.log, behind byte 20
left, since these jails are not enabled here: nginx
`, db)
	if said := gaol(0, "--db", db, "--dry-run"); said != "would be taken"+table {
		t.Errorf("--dry-run:\n%s", said)
	}
	if said := gaol(0, "--db", db); said != "taken"+table {
		t.Errorf("import:\n%s", said)
	}
	var all struct {
		From    string
		Jails   []any
		LeftOut []string `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(gaol(0, "--db", db, "--json")), &all); err != nil || all.From != db || len(all.Jails) != 0 || len(all.LeftOut) != 1 {
		t.Errorf("a second time: %+v, %v", all, err)
	}
	t.Chdir(dir)
	if said := gaol(0, "--db", filepath.Base(db)); !strings.HasPrefix(said, filepath.Base(db)+" has nothing that is new here\n") {
		t.Errorf("a second time:\n%s", said)
	}
}
