package store

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/event"
)

// TestPurgeForgetsPasswords looks for the text in the bytes of the files: free pages and the
// write-ahead log keep what a DELETE removes unless they are told not to.
func TestPurgeForgetsPasswords(t *testing.T) {
	const secret = "hunter2-typed-as-name"
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "gaol.db"))
	lines := []string{"Invalid user " + secret + " from 192.0.2.1"}
	forever := event.Ban{ID: "192.0.2.9", Start: at(0), Matches: lines}
	commit(t, s,
		Change{Jail: "sshd", Time: at(0), Bans: []event.Ban{{ID: "192.0.2.1", Start: at(0), Matches: lines}, forever}},
		Change{Jail: "sshd", Time: at(10), Unbans: []string{"192.0.2.1"}},
		Change{Jail: "gone", Time: at(0), Tallies: []event.Tally{{ID: "a", Last: at(0), Matches: lines}},
			Marks: []event.Mark{{Source: "x"}}, Memory: map[string][]byte{"k": []byte(secret)}})
	if found := filesWith(t, dir, secret); found == "" {
		t.Fatal("the test's own text is nowhere")
	}
	if err := s.Purge(context.Background(), at(3600), time.Hour, []string{"sshd"}); err != nil {
		t.Fatal(err)
	}
	if found := filesWith(t, dir, secret); found == "" {
		t.Error("what is exactly as old as the age was purged")
	}
	if err := s.Purge(context.Background(), at(3700), time.Hour, []string{"sshd"}); err != nil {
		t.Fatal(err)
	}
	if found := filesWith(t, dir, secret); found != "" {
		t.Errorf("%s still holds a password after its time", found)
	}
	if got := load(t, s, "sshd").Bans; len(got) != 1 || got[0].ID != forever.ID {
		t.Errorf("bans in force after the purge: %v; want %s", got, forever.ID)
	}
	if gone := load(t, s, "gone"); len(gone.Tallies)+len(gone.Marks)+len(gone.Memory) != 0 {
		t.Errorf("left of a jail that is gone: %+v", gone)
	}
}

func filesWith(t *testing.T, dir, text string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), text) {
			return name
		}
	}
	return ""
}

func TestPurgeKeepsWhatRuns(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	commit(t, s, Change{Jail: "sshd", Time: at(0), Marks: []event.Mark{{Source: "x", Offset: 7}},
		Tallies: []event.Tally{{ID: "a", Last: at(0), Matches: []string{"line"}}}, Memory: map[string][]byte{"k": []byte("m")},
		Unbans: []string{"u"}, Bans: []event.Ban{{ID: "b", Start: at(0), End: at(1)}}})
	before := load(t, s, "sshd")
	before.Bans[0].Matches = nil
	if err := s.Purge(context.Background(), at(86400), time.Hour, []string{"sshd"}); err != nil {
		t.Fatal(err)
	}
	after := load(t, s, "sshd")
	if len(after.Marks) != 1 || len(after.Tallies) != 1 || len(after.Bans) != 1 || len(after.Unbanned) != 1 || after.Memory == nil {
		t.Errorf("a running jail lost state: %+v, before %+v", after, before)
	}
}

func TestBoundsOfAttackersText(t *testing.T) {
	long := strings.Repeat("x", event.MaxLine)
	tests := []struct {
		name  string
		lines []string
		want  int // lines kept
	}{
		{"few", []string{"a", "b"}, 2},
		{"one too long is cut", []string{long}, 1},
		{"the newest stay", []string{long, "a", "b"}, 2},
		{"the newest too long is cut", []string{"a", long}, 1},
	}
	s := open(t, filepath.Join(t.TempDir(), "gaol.db"))
	for _, tt := range tests {
		commit(t, s, Change{Jail: "sshd", Bans: []event.Ban{{ID: "a", Matches: tt.lines, Fields: event.Fields{{Name: "user", Value: long}}}}})
		got := load(t, s, "sshd").Bans[0]
		if len(got.Matches) != tt.want || len(strings.Join(got.Matches, "")) > KeptMatches {
			t.Errorf("%s: %d lines, %d bytes; want %d lines, at most %d bytes",
				tt.name, len(got.Matches), len(strings.Join(got.Matches, "")), tt.want, KeptMatches)
		}
		last := tt.lines[len(tt.lines)-1]
		if kept := got.Matches[len(got.Matches)-1]; !strings.HasPrefix(last, kept) {
			t.Errorf("%s: the newest line became %.20q", tt.name, kept)
		}
		if len(got.Fields.Get("user")) != KeptField {
			t.Errorf("%s: field of %d bytes", tt.name, len(got.Fields.Get("user")))
		}
	}
}

// TestViews reads the file with the command that an administrator has.
func TestViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gaol.db")
	s := open(t, path)
	commit(t, s, Change{Jail: "sshd", Marks: []event.Mark{{Source: "/var/log/auth.log", Offset: 42}},
		Tallies: []event.Tally{{ID: "192.0.2.2", Count: 3, Last: at(0)}},
		Bans:    []event.Ban{{ID: "192.0.2.1", Start: at(0), Matches: []string{"Invalid user <b>"}}},
		Unbans:  []string{"192.0.2.3"}})
	if _, err := s.Intend(context.Background(), event.Intent{Jail: "sshd", Action: "mail", Undo: event.Command{Script: "true"}}); err != nil {
		t.Fatal(err)
	}
	for view, want := range map[string]string{
		"bans_in_force": "for ever", "ban_history": `["Invalid user <b>"]`, "failures": "192.0.2.2|3",
		"read_positions": "/var/log/auth.log|42", "unconfirmed_unbans": "sshd|192.0.2.3", "action_journal": `{"script":"true"}`,
	} {
		out, err := exec.CommandContext(t.Context(), "sqlite3", "-readonly", path, "SELECT * FROM "+view).CombinedOutput()
		if err != nil {
			t.Fatalf("sqlite3 (install it with: scripts/packages test): %v\n%s", err, out)
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("view %s: %swant %q in it", view, out, want)
		}
	}
}

func TestJournal(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "gaol.db")
	s := open(t, path)
	start := event.Intent{Jail: "sshd", Action: "iptables", File: "/etc/fail2ban/action.d/iptables.conf", Family: "inet4",
		Undo: event.Command{Script: "stop\nit"}, Flush: event.Command{Script: "flush"}, Print: "p", Boot: "b", Limit: time.Minute}
	ban := event.Intent{Jail: "sshd", Action: "iptables", Ban: "x\x00y",
		Undo: event.Command{Script: "unban $f2bV_ip", Values: []string{"$(reboot) \"'\n\x00"}}}
	for _, i := range []*event.Intent{&start, &ban} {
		id, err := s.Intend(ctx, *i)
		if err != nil {
			t.Fatal(err)
		}
		i.ID = id
	}
	if err := s.Ran(ctx, start.ID); err != nil {
		t.Fatal(err)
	}
	start.Ran = true
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	got, err := s.Pending(ctx)
	if diff := cmp.Diff([]event.Intent{start, ban}, got); diff != "" || err != nil {
		t.Errorf("pending, error %v (-want +got):\n%s", err, diff)
	}
	if err := s.Done(ctx, start.ID, ban.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Pending(ctx); err != nil || len(got) != 0 {
		t.Errorf("pending after done: %v, error %v", got, err)
	}
	if id, err := s.Intend(ctx, ban); err != nil || id <= ban.ID {
		t.Errorf("number %d, error %v: a number was used again", id, err)
	}
}
