package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

// fail2banDB has the installed fail2ban make a database, which it holds open until the test
// ends, and a log of three lines that was read up to the second.
func fail2banDB(t *testing.T) (db, log string) {
	t.Helper()
	db, log = filepath.Join(t.TempDir(), "fail2ban.sqlite3"), filepath.Join(t.TempDir(), "auth.log")
	if err := os.WriteFile(log, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/makedb.py", db, log)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if said, _ := bufio.NewReader(stdout).ReadString('\n'); said != "open\n" {
		_ = cmd.Wait()
		text := fmt.Sprintf("run fail2ban's own classes: %s\nbring them with: scripts/packages test", stderr.String())
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return db, log
}

func foreign(t *testing.T, path string) *Fail2ban {
	t.Helper()
	f, err := OpenFail2ban(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func takeOver(t *testing.T, s *Store, db string, o Taking) []Taken {
	t.Helper()
	all, err := s.TakeOver(context.Background(), foreign(t, db), o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func taking(jails ...string) Taking {
	return Taking{Jails: jails, Now: at(0), Since: at(-24 * 3600)}
}

// TestTakeOver takes over from the real thing while it has its database open.
func TestTakeOver(t *testing.T) {
	db, log := fail2banDB(t)
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	got := fmt.Sprint(takeOver(t, s, db, taking("sshd", "nginx", "postfix")))
	want := fmt.Sprintf("[{sshd 4 4 2 [behind byte 8]} {nginx 1 0 0 [behind %s]}]", time.UnixMicro(1763999990654321).Format(time.DateTime))
	if got != want {
		t.Errorf("taken:\n got %s\nwant %s", got, want)
	}
	state := load(t, s, "sshd")
	var bans []string
	for _, b := range state.Bans {
		bans = append(bans, fmt.Sprintf("%s %d %s %d %s %d", b.ID, b.Kind, b.IP, b.Start.Unix()-at(0).Unix(), until(b), b.Count))
	}
	if want := []string{
		"192.0.2.1 0 192.0.2.1 -100 1100 5", "2001:db8::1 0 2001:db8::1 -50 ever 4",
		"198.51.100.0/24 1 198.51.100.0/24 -40 560 0", "some-session 3 203.0.113.9 -30 570 1",
	}; !slices.Equal(bans, want) {
		t.Errorf("bans in force:\n got %q\nwant %q", bans, want)
	}
	first := state.Bans[0]
	if want := []string{"a line", "before the date behind <b>"}; !slices.Equal(first.Matches, want) || first.Fields.Get("user") != "root" {
		t.Errorf("evidence %q, fields %q", first.Matches, first.Fields)
	}
	mark := event.Mark{Source: log, Hash: "c7059bb19433cc3cabaa6236c83d56668a843dd2", Offset: 8} // sha1sum of "one\n"
	if !slices.Equal(state.Marks, []event.Mark{mark}) {
		t.Errorf("read positions %+v, want %+v", state.Marks, mark)
	}
	for id, want := range map[string]int{"192.0.2.1": 2, "192.0.2.2": 1, "192.0.2.3": 4, "192.0.2.4": 1} {
		if times, _, err := s.Past(context.Background(), "sshd", id); times != want || err != nil {
			t.Errorf("%s was banned %d times (%v), want %d", id, times, err, want)
		}
	}
	if m := load(t, s, "nginx").Marks; len(m) != 1 || m[0].Source != "journal" || m[0].Offset != 1763999990654321 {
		t.Errorf("position in the journal %+v", m)
	}
	past, err := s.History(context.Background(), "sshd", "192.0.2.1", 10)
	if err != nil || len(past) != 2 || !past[1].Lifted.Equal(at(-300)) || past[1].Ban.Matches[0] != "old" {
		t.Errorf("history %+v, %v", past, err)
	}
}

func until(b event.Ban) string {
	if b.End.IsZero() {
		return "ever"
	}
	return fmt.Sprint(b.End.Unix() - at(0).Unix())
}

// TestTakeOverOnce: what was taken is known, also when gaol has lifted it since or reads on.
func TestTakeOverOnce(t *testing.T) {
	db, log := fail2banDB(t)
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	if empty, err := s.Empty(context.Background()); !empty || err != nil {
		t.Errorf("a new state is not empty: %v", err)
	}
	o := taking("sshd")
	o.Try = true
	tried := takeOver(t, s, db, o)
	if empty, _ := s.Empty(context.Background()); !empty || len(tried) != 1 || tried[0].Bans != 4 {
		t.Errorf("a trial took %+v; the state is empty after it: %v", tried, empty)
	}
	takeOver(t, s, db, taking("sshd"))
	if empty, _ := s.Empty(context.Background()); empty {
		t.Error("a state that took over is empty")
	}
	further := event.Mark{Source: log, Inode: 7, Hash: load(t, s, "sshd").Marks[0].Hash, Offset: 14}
	commit(t, s, Change{Jail: "sshd", Time: at(1), Unbans: []string{"192.0.2.1"}, Marks: []event.Mark{further}})
	if again := takeOver(t, s, db, taking("sshd")); len(again) != 0 {
		t.Errorf("taken a second time: %+v", again)
	}
	state := load(t, s, "sshd")
	if len(state.Bans) != 3 || !slices.Equal(state.Unbanned, []string{"192.0.2.1"}) || state.Marks[0] != further {
		t.Errorf("state after the second time: %+v", state)
	}
}

// TestTakeOverBesideOwn: of gaol's own bans and positions those stay that reach further.
func TestTakeOverBesideOwn(t *testing.T) {
	db, log := fail2banDB(t)
	for _, c := range []struct {
		name     string
		mark     event.Mark
		written  time.Time // when gaol wrote its mark
		theirs   bool
		own, end time.Time // of gaol's ban of 192.0.2.1, and after it
	}{
		{"another file, read before", event.Mark{Hash: "x", Offset: 99}, time.Now().Add(-time.Hour), true, at(500), at(1100)},
		{"another file, read since", event.Mark{Hash: "x", Offset: 99}, time.Now().Add(time.Hour), false, at(5000), at(5000)},
		{"the same file, less of it", event.Mark{Hash: "c7059bb19433cc3cabaa6236c83d56668a843dd2", Offset: 4}, time.Now().Add(time.Hour), true, time.Time{}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
			c.mark.Source = log
			commit(t, s, Change{Jail: "sshd", Time: c.written, Marks: []event.Mark{c.mark}, Bans: []event.Ban{{ID: "192.0.2.1", Start: at(-7), End: c.own}}})
			takeOver(t, s, db, taking("sshd"))
			state := load(t, s, "sshd")
			if got := state.Marks[0].Offset == 8; got != c.theirs {
				t.Errorf("fail2ban's position counts: %v, want %v (%+v)", got, c.theirs, state.Marks[0])
			}
			i := slices.IndexFunc(state.Bans, func(b event.Ban) bool { return b.ID == "192.0.2.1" })
			if !state.Bans[i].End.Equal(c.end) {
				t.Errorf("the ban ends %v, want %v", state.Bans[i].End, c.end)
			}
		})
	}
}

func TestOpenFail2banRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenFail2ban(context.Background(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for name, c := range map[string]struct{ script, want string }{
		"old": {`CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES (2)`, "it has version 2, gaol reads version 4"},
		"newer": {`CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES (5);
			CREATE TABLE jails(x); CREATE TABLE logs(x); CREATE TABLE bans(x); CREATE TABLE bips(x)`, "it has version 5, gaol reads version 4"},
		"another": {`CREATE TABLE other(x)`, "it is no database of fail2ban"},
		"text":    {"", "not a database"},
	} {
		path := filepath.Join(dir, name)
		if c.script == "" {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database at all\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if out, err := exec.CommandContext(t.Context(), "sqlite3", path, c.script).CombinedOutput(); err != nil {
			t.Fatalf("sqlite3: %v %s", err, out)
		}
		before, _ := os.ReadFile(path)
		if _, err := OpenFail2ban(context.Background(), path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// TestEvidence: what is odd in the JSON costs the evidence, not the ban.
func TestEvidence(t *testing.T) {
	for data, want := range map[string]string{
		``: "0 []", `null`: "0 []", `{"failures": "x", "matches": 3}`: "0 []", `{"failures": 2, "matches": [3, "a", ["b", null, "c"]]}`: `2 ["" "a" "bc"]`,
		"{\"failures\": 2, \"matches\": [\"\xff\"]}": `2 ["�"]`,
	} {
		b := banned{Ban: event.Ban{ID: "192.0.2.1"}, data: []byte(data)}
		b.evidence()
		if got := fmt.Sprintf("%d %q", b.Count, b.Matches); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}
