package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"gaol/internal/engine"
)

// Where syslogd and journald listen, of which both take datagrams: /dev/log (syslog(3)), and
// systemd's "Native Journal Protocol".
const (
	devLog        = "/dev/log"
	journalSocket = "/run/systemd/journal/socket"
)

const daemonFacility = 3

// facilities are syslog's (RFC 5424, 6.2.1) by the names of syslog.conf(5).
func facilities() map[string]int {
	all := map[string]int{"security": 4}
	for i, name := range []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"} {
		all[name] = i
	}
	for i := range 8 {
		all[fmt.Sprintf("local%d", i)] = 16 + i
	}
	return all
}

// severity is syslog's number for a level.
func severity(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return 7
	case l < engine.Notice:
		return 6
	case l < slog.LevelWarn:
		return 5
	case l < slog.LevelError:
		return 4
	}
	return 3
}

// daemonLog is a connection to syslogd or journald.
type daemonLog struct {
	path     string
	journal  bool
	facility int
	conn     net.Conn // nil: the last attempt to connect failed
	slow     bool     // it did not take the last record in time
}

// How long a record may take: a syslogd that hangs must not hold up the bans.
const (
	sendLimit     = 2 * time.Second
	sendLimitSlow = 10 * time.Millisecond // of one that hung before
)

// dialLog connects to syslogd on path, or where it is "auto" or empty on its usual one.
func dialLog(t logTarget, path string) (*daemonLog, error) {
	d := &daemonLog{path: path, journal: t.name == "SYSTEMD-JOURNAL", facility: t.facility}
	if path == "" || path == "auto" {
		d.path = devLog
		if d.journal {
			d.path = journalSocket
		}
	}
	return d, d.dial()
}

func (d *daemonLog) dial() error {
	conn, err := (&net.Dialer{}).Dial("unixgram", d.path)
	if err != nil {
		what := "syslog"
		if d.journal {
			what = "the journal"
		}
		return withHint(fmt.Errorf("open log: reach %s: %w", what, err), "set syslogsocket to the socket that it listens on, or logtarget to a file")
	}
	d.conn = conn
	return nil
}

// send writes one record, on a new connection where the old one is dead: syslogd makes its
// socket anew when it starts.
func (d *daemonLog) send(level slog.Level, logger, message string) error {
	// syslogd takes the zero byte for the end, as fail2ban sends it.
	datagram := fmt.Sprintf("<%d>%s\x00", d.facility*8+severity(level), bareLine(level, logger, message))
	if d.journal {
		datagram = fmt.Sprintf("PRIORITY=%d\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER=fail2ban.%s\nMESSAGE=%s\n", severity(level), logger, message)
	}
	if d.conn != nil {
		err := d.write(datagram)
		if err == nil || d.slow {
			return err
		}
		d.close()
	}
	if err := d.dial(); err != nil {
		return err
	}
	return d.write(datagram)
}

func (d *daemonLog) write(datagram string) error {
	limit := sendLimit
	if d.slow {
		limit = sendLimitSlow
	}
	if err := d.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := d.conn.Write([]byte(datagram))
	d.slow = errors.Is(err, os.ErrDeadlineExceeded)
	return err
}

func (d *daemonLog) close() {
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}
