package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"gaol/internal/config"
)

// By hand gaol logs where one looks; as a service where recidive and dashboards look.
func TestServiceLog(t *testing.T) {
	for _, c := range []struct{ target, journal, want string }{
		{"/var/log/fail2ban.log", "8:1234", "/var/log/fail2ban.log"},
		{"/var/log/fail2ban.log[padding=on, datetime=off]", "8:1234", "/var/log/fail2ban.log[padding=on, datetime=off]"},
		{"/var/log/fail2ban.log", "", "STDOUT"},
		{"STDERR", "8:1234", "STDOUT"},
		{"SYSTEMD-JOURNAL", "8:1234", "SYSTEMD-JOURNAL"},
		{"SYSLOG[facility=local3]", "8:1234", "SYSLOG[facility=local3]"},
		{"SYSLOG", "", "STDOUT"},
		{"", "8:1234", "STDOUT"},
	} {
		if got := serviceLog(&config.Config{Global: config.Global{LogTarget: c.target}}, c.journal); got != c.want {
			t.Errorf("logtarget %q, JOURNAL_STREAM %q: %q, want %q", c.target, c.journal, got, c.want)
		}
	}
}

// A second server that fails leaves the pid file of the first alone.
func TestPIDFileOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "pid")
	if alivePID(path) {
		t.Error("a file that is not there is somebody's")
	}
	if err := writePID(path); err != nil {
		t.Fatal(err)
	}
	if alivePID(path) || pidIn(path) != os.Getpid() {
		t.Errorf("our own file is another's: %d", pidIn(path))
	}
	other := exec.CommandContext(t.Context(), "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(other.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !alivePID(path) {
		t.Error("another's file is nobody's")
	}
	if removePID(path); pidIn(path) != other.Process.Pid {
		t.Error("another's file is removed")
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	if alivePID(path) {
		t.Error("the file of one that ended is still its own")
	}
	if err := writePID(path); err != nil {
		t.Fatal(err)
	}
	if removePID(path); pidIn(path) != 0 {
		t.Error("our own file stays")
	}
}
