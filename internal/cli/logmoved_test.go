package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestLogIsFollowed: what logrotate does to a log needs no signal, and loses no record.
func TestLogIsFollowed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "gaol.log")
	l, err := openLog(&cobra.Command{}, name+"[datetime=off]", "", slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	record := func(message string) {
		t.Helper()
		if err := l.Record(time.Now(), slog.LevelInfo, "engine", message); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(file string, want ...string) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil || strings.Count(string(text), "\n") != len(want) {
			t.Fatalf("%s: %v\n%s\nwant lines with %q", file, err, text, want)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s lacks %q:\n%s", file, w, text)
			}
		}
	}
	record("one")
	if err := os.Rename(name, name+".1"); err != nil { // nocreate
		t.Fatal(err)
	}
	record("two")
	holds(name+".1", "one")
	holds(name, "two")
	if err := os.Rename(name, name+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o640); err != nil { // create
		t.Fatal(err)
	}
	record("three")
	if _, err := l.Write([]byte("four\n")); err != nil {
		t.Fatal(err)
	}
	holds(name+".2", "two")
	holds(name, "three", "four")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	record("five")
	holds(name, "five")
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil { // nowhere to open a new one
		t.Fatal(err)
	}
	record("six")
	holds(filepath.Join(away, "gaol.log"), "five", "six")
}
