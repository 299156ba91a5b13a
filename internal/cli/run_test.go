package cli

import (
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
