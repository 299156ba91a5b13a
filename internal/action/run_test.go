package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/event"
)

func fifo(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ended returns when all processes that hold path open for writing are gone. It opens the
// pipe at once, so that the first writer is not kept waiting.
func ended(t *testing.T, path string) func() {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return func() {
		t.Helper()
		_ = f.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(f); err != nil {
			t.Errorf("processes live on: %v", err)
		}
	}
}

func TestShell(t *testing.T) {
	tests := []struct {
		name, script, output, err string
	}{
		{"the status is the last line's", "false\ntrue", "", ""},
		{"failure", "echo out; echo err >&2; exit 3", "out\nerr\n", `exit status 3: "out"`},
		{"command not found", "no-such-command-here", "", "a command was not found"},
		{"syntax error", "if", "", "exit status 2"},
		{"killed by a signal", "kill -9 $$", "", "signal: killed"},
		{"endless output", "head -c 1000000 /dev/zero | tr '\\0' x", strings.Repeat("x", MaxOutput), ""},
		{"no standard input", "cat", "", ""},
	}
	for _, tt := range tests {
		out, err := shell(t.Context(), event.Command{Script: tt.script}, time.Minute)
		if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if tt.output != "" && out != tt.output {
			t.Errorf("%s: output %.40q of %d bytes", tt.name, out, len(out))
		}
	}
}

func TestShellTakesMoreThanNineValues(t *testing.T) {
	script, want := "printf '%s;'", ""
	for i := range 14 {
		script += fmt.Sprintf(` "<F-V%d>"`, i)
		want += fmt.Sprintf("$%d;", i)
	}
	c := fill(script, func(name string) (string, bool) { return "$" + strings.TrimPrefix(name, "F-V"), true })
	if !strings.Contains(c.Script, "f2bV_F_v13=${13} ") {
		t.Errorf("script %q: only dash reads $13 as the thirteenth", c.Script)
	}
	if out, err := shell(t.Context(), c, time.Minute); err != nil || out != want {
		t.Errorf("%q, error %v; want %q", out, err, want)
	}
}

// TestShellEndsTheWholeGroup: a command out of time goes with its children, also those that
// ignore SIGTERM.
func TestShellEndsTheWholeGroup(t *testing.T) {
	const script = `exec 3>"$0"; trap '' TERM; cat "$1" & cat "$1"`
	for _, by := range []string{"the time limit", "the context"} {
		alive, never := fifo(t, "alive"), fifo(t, "never")
		wait := ended(t, alive)
		ctx, cancel := context.WithCancel(t.Context())
		limit, want := 100*time.Millisecond, ErrTimeout
		if by == "the context" {
			limit, want = time.Hour, context.Canceled
			time.AfterFunc(100*time.Millisecond, cancel)
		}
		_, err := shell(ctx, event.Command{Script: script, Values: []string{alive, never}}, limit)
		if !errors.Is(err, want) {
			t.Errorf("by %s: error %v, want %v", by, err, want)
		}
		wait()
		cancel()
	}
}

// TestShellLeavesBackgroundChildren: an action may start something that goes on, and the
// queue must not wait for it.
func TestShellLeavesBackgroundChildren(t *testing.T) {
	never := fifo(t, "never")
	began := time.Now()
	out, err := shell(t.Context(), event.Command{Script: `cat "$0" & echo started`, Values: []string{never}}, time.Minute)
	if err != nil || out != "started\n" || time.Since(began) > 30*time.Second {
		t.Errorf("output %q, error %v after %v", out, err, time.Since(began))
	}
	f, err := os.OpenFile(never, os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails if the child does not read
	if err != nil {
		t.Fatalf("the background child was ended: %v", err)
	}
	_ = f.Close()
}

// TestShellDiesWithTheDaemon: after a kill -9 a script must not run on beside the next
// daemon's undo.
func TestShellDiesWithTheDaemon(t *testing.T) {
	if pipes := os.Getenv("GAOL_TEST_DAEMON"); pipes != "" {
		alive, never, _ := strings.Cut(pipes, ":")
		_, _ = shell(context.Background(), event.Command{Script: `exec 3>"$0"; echo >&3; read x < "$1"`, Values: []string{alive, never}}, time.Hour)
		return
	}
	alive, never := fifo(t, "alive"), fifo(t, "never")
	f, err := os.OpenFile(alive, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	daemon := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestShellDiesWithTheDaemon$")
	daemon.Env = append(os.Environ(), "GAOL_TEST_DAEMON="+alive+":"+never)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err != nil { // the script runs
		t.Fatal(err)
	}
	wait := ended(t, alive)
	_ = f.Close()
	_ = daemon.Process.Kill()
	_ = daemon.Wait()
	wait()
}

func TestErrorsQuoteOutput(t *testing.T) {
	_, err := shell(t.Context(), event.Command{Script: `printf '\033[2J fake\nsecond line'; exit 1`}, time.Minute)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || !strings.Contains(err.Error(), `\x1b[2J fake`) {
		t.Errorf("error %q", err)
	}
}
