package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/event"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func commit(t *testing.T, s *Store, changes ...Change) {
	t.Helper()
	if err := s.Commit(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *Store, jail string) State {
	t.Helper()
	state, err := whole(s, jail)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// whole is Load with the evidence of the bans.
func whole(s *Store, jail string) (State, error) {
	state, err := s.Load(context.Background(), jail)
	return state, errors.Join(err, s.Evidence(context.Background(), jail, state.Bans))
}

func at(seconds int64) time.Time { return time.Unix(1_764_000_000+seconds, 0) }

func TestOpenMakesPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lib", "gaol.db")
	s := open(t, path)
	commit(t, s, Change{Jail: "sshd", Tallies: []event.Tally{{ID: "192.0.2.1", First: at(0), Last: at(0)}}})
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: mode %v, error %v; want 0700", info.Mode(), err)
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) < 3 {
		t.Errorf("files %q: want the database, its log and the lock", files)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v; want 0600", name, info.Mode(), err)
		}
	}
}

func TestOpenNamesTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gaol.db")
	s := open(t, path)
	_, err := Open(path)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != fmt.Sprint(os.Getpid()) {
		t.Fatalf("second open: %v; want the pid of this process", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestOpenMovesDamageAside(t *testing.T) {
	tests := []struct {
		name   string
		damage func(whole []byte) []byte
	}{
		{"not a database", func([]byte) []byte { return []byte(strings.Repeat("no database ", 500)) }},
		{"zeroed pages", func(b []byte) []byte { return append(b[:8192:8192], make([]byte, len(b)-8192)...) }},
		{"cut short", func(b []byte) []byte { return b[:len(b)/2] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gaol.db")
			s := open(t, path)
			commit(t, s, Change{Jail: "sshd", Bans: []event.Ban{{ID: "192.0.2.1", Start: at(0)}}})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := tt.damage(whole)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			if got := s.Notices(); len(got) != 1 || !strings.Contains(got[0], ".damaged-") {
				t.Errorf("notices %q: want one that names the file moved aside", got)
			}
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(aside) == 0 {
				t.Fatal("the damaged file is gone")
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || string(kept) != string(damaged) {
				t.Errorf("the damaged file changed (error %v)", err)
			}
			commit(t, s, Change{Jail: "sshd", Bans: []event.Ban{{ID: "192.0.2.2", Start: at(1)}}})
			if got := load(t, s, "sshd").Bans; len(got) != 1 {
				t.Errorf("bans after a fresh start: %v", got)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name, script, want string
	}{
		{"a newer schema", `PRAGMA user_version = 99`, "a newer gaol wrote it (schema 99"},
		{"another program's file", `PRAGMA application_id = 0`, "another program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gaol.db")
			s := open(t, path)
			if _, err := s.db.ExecContext(t.Context(), tt.script); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("open: %v; want %q", err, tt.want)
			}
		})
	}
}

func TestOpenRefusesWhatOthersCanChange(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "gaol.db")); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("open in a directory for all: %v", err)
	}
	if os.Geteuid() != 0 {
		const how = "giving a file away needs root: sudo go test ./internal/store"
		if os.Getenv("CI") == "true" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	path := filepath.Join(t.TempDir(), "gaol.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "belongs to uid 65534") {
		t.Errorf("open another user's file: %v", err)
	}
}

func TestOpenReadOnly(t *testing.T) {
	if os.Getenv("GAOL_TEST_READONLY") != "" {
		_, err := Open(os.Getenv("GAOL_TEST_READONLY"))
		fmt.Println("opened:", err)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "gaol.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	// A read-only bind mount, in a mount namespace of its own: file modes do not stop root.
	namespaces := "-m"
	if os.Geteuid() != 0 {
		namespaces = "-rm"
	}
	cmd := exec.CommandContext(t.Context(), "unshare", namespaces, "sh", "-c",
		`mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" -test.run '^TestOpenReadOnly$'`, dir, os.Args[0])
	cmd.Env = append(os.Environ(), "GAOL_TEST_READONLY="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "read-only file system") {
		t.Errorf("open on a read-only file system: %v\n%s", err, out)
	}
}

func TestUnbanWaitsForConfirmation(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	ban := event.Ban{ID: "192.0.2.1", Start: at(0), End: at(600)}
	steps := []struct {
		change         Change
		bans, unbanned int
	}{
		{Change{Bans: []event.Ban{ban}}, 1, 0},
		{Change{Unbans: []string{ban.ID}, Reason: "expired", Time: at(601)}, 0, 1},
		{Change{Confirmed: []string{ban.ID}}, 0, 0},
		{Change{Unbans: []string{"never seen"}}, 0, 1},
		{Change{Bans: []event.Ban{{ID: "never seen"}}}, 1, 0},
	}
	for i, step := range steps {
		step.change.Jail = "sshd"
		commit(t, s, step.change)
		state := load(t, s, "sshd")
		if len(state.Bans) != step.bans || len(state.Unbanned) != step.unbanned {
			t.Errorf("step %d: %d bans and %d unbans pending, want %d and %d",
				i, len(state.Bans), len(state.Unbanned), step.bans, step.unbanned)
		}
	}
}

func TestHistory(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	const id = "192.0.2.1"
	for i := range int64(3) {
		first := event.Ban{ID: id, Start: at(i * 1000), End: at(i*1000 + 100), Count: 5}
		longer := first
		longer.End = at(i*1000 + 200)
		commit(t, s, Change{Jail: "sshd", Bans: []event.Ban{first}}, Change{Jail: "sshd", Bans: []event.Ban{longer}})
		if i < 2 {
			commit(t, s, Change{Jail: "sshd", Unbans: []string{id}, Reason: "expired", Time: at(i*1000 + 201)})
		}
	}
	all, err := s.History(context.Background(), "", id, 10)
	if err != nil || len(all) != 3 {
		t.Fatalf("history: %v, error %v; want 3 bans", all, err)
	}
	if !all[0].Lifted.IsZero() || !all[0].Ban.End.Equal(at(2200)) {
		t.Errorf("newest: %+v; want it in force until %v", all[0], at(2200))
	}
	if !all[2].Lifted.Equal(at(201)) || all[2].LiftReason != "expired" {
		t.Errorf("oldest: %+v; want it lifted at %v", all[2], at(201))
	}
	if none, err := s.History(context.Background(), "other", id, 10); err != nil || len(none) != 0 {
		t.Errorf("history of another jail: %v, error %v", none, err)
	}
}

// crashChild commits until it is killed; each commit writes the same number in four places.
func crashChild(path string) {
	s, err := Open(path)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	state, _ := s.Load(context.Background(), "sshd")
	n := int64(len(state.Bans))
	for {
		n++
		err := s.Commit(context.Background(), []Change{
			{Jail: "sshd", Marks: []event.Mark{{Source: "/var/log/auth.log", Offset: n}},
				Bans: []event.Ban{{ID: fmt.Sprint(n), Start: at(n)}}},
			{Jail: "sshd", Tallies: []event.Tally{{ID: "a", Count: int(n), Last: at(n)}}, Memory: map[string][]byte{"k": fmt.Append(nil, n)}},
		})
		if err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println(n)
	}
}

func TestKilledInTheMiddleOfCommits(t *testing.T) {
	if path := os.Getenv("GAOL_TEST_CRASH"); path != "" {
		crashChild(path)
		return
	}
	path := filepath.Join(t.TempDir(), "gaol.db")
	for round := range 8 {
		acknowledged := runAndKill(t, path, 10+round*7)
		s := open(t, path)
		state := load(t, s, "sshd")
		written := int64(len(state.Bans))
		if written < acknowledged || written > acknowledged+1 {
			t.Errorf("round %d: %d commits found, %d were acknowledged", round, written, acknowledged)
		}
		whole := len(state.Marks) == 1 && state.Marks[0].Offset == written &&
			len(state.Tallies) == 1 && int64(state.Tallies[0].Count) == written && len(state.Memory) == 1 && string(state.Memory[0]) == fmt.Sprint(written)
		if !whole {
			t.Errorf("round %d: half a transaction: %d bans, %+v", round, written, state.Marks)
		}
		if len(s.Notices()) != 0 {
			t.Errorf("round %d: %q", round, s.Notices())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill kills a committing child after so many acknowledgements and returns the last one
// it gave, those in the pipe included.
func runAndKill(t *testing.T, path string, after int) (last int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilledInTheMiddleOfCommits$")
	cmd.Env = append(os.Environ(), "GAOL_TEST_CRASH="+path)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for seen := 0; ; seen++ {
		if seen == after {
			_ = cmd.Process.Signal(syscall.SIGKILL)
		}
		var line string
		if _, err := fmt.Fscanln(pipe, &line); err != nil {
			break
		}
		if _, err := fmt.Sscan(line, &last); err != nil {
			t.Fatalf("child: %s", line)
		}
	}
	_ = cmd.Wait()
	if last == 0 {
		t.Fatal("the child acknowledged nothing")
	}
	return last
}
