package cli

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"gaol/internal/engine"
)

// logTarget is a logtarget with its options (§1.8): SYSLOG[facility=local3],
// /var/log/fail2ban.log[datetime=off, padding=off].
type logTarget struct {
	name                string
	noDateTime, noSpace bool
	facility            int
}

func parseLogTarget(text string) (logTarget, error) {
	t := logTarget{facility: daemonFacility}
	name, options, has := strings.Cut(strings.TrimSpace(text), "[")
	t.name = strings.TrimSpace(name)
	// What the target itself stamps needs no second stamp.
	t.noDateTime = t.name == "SYSOUT"
	if !has {
		return t, nil
	}
	for one := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(options), "]"), ",") {
		key, value, _ := strings.Cut(one, "=")
		value = strings.ToLower(strings.Trim(strings.TrimSpace(value), `"'`))
		switch key = strings.TrimSpace(key); key {
		case "datetime":
			t.noDateTime = !truth(value)
		case "padding":
			t.noSpace = !truth(value)
		case "facility":
			n, known := facilities()[value]
			if !known {
				return t, withHint(fmt.Errorf("read logtarget %q: no facility of syslog is called %q", text, value), "write for instance SYSLOG[facility=daemon]")
			}
			t.facility = n
		case "":
		default:
			return t, withHint(fmt.Errorf("read logtarget %q: no option %q", text, key), "gaol knows datetime=off, padding=off and facility=NAME")
		}
	}
	return t, nil
}

func truth(text string) bool {
	switch text {
	case "1", "on", "true", "yes":
		return true
	}
	return false
}

// far says whether the target is a daemon that keeps logs.
func (t logTarget) far() bool { return t.name == "SYSLOG" || t.name == "SYSTEMD-JOURNAL" }

// line is a record as it stands in a file or a stream.
func (t logTarget) line(at time.Time, level slog.Level, logger, message string) string {
	line := engine.LogLine(level, logger, message)
	if t.noSpace {
		line = bareLine(level, logger, message) + "\n"
	}
	if t.noDateTime {
		return line
	}
	return engine.LogStamp(at) + line
}

// bareLine is a record without columns, as syslog gets it.
func bareLine(level slog.Level, logger, message string) string {
	return fmt.Sprintf("fail2ban.%s[%d]: %s %s", logger, os.Getpid(), engine.LevelName(level), message)
}
