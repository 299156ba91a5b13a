package action

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strings"
	"time"

	"gaol/internal/event"
)

// SMTPFile names the only action of fail2ban that is a Python program. It sends mail when a
// jail starts and stops and on each ban; mailer is its native twin.
const SMTPFile = "smtp.py"

// mailer is what smtp.py's parameters (§7) say.
type mailer struct {
	addr, host     string // of the server; addr with port
	ssl            bool   // TLS from the first byte on
	user, password string
	name, sender   string
	dest           []string
	matches        string         // matches, ipmatches, ipjailmatches; else none are sent
	roots          *x509.CertPool // nil: the system's
}

// mailProps makes an action of the mailer: it is started, stopped and bans, leaves nothing
// behind, and says nothing of restored bans.
func mailProps() map[string]string {
	return map[string]string{"actionstart": "mail", "actionstop": "mail", "actionban": "mail", "norestored": "1"}
}

// newMailer reads the parameters; the defaults are smtp.py's.
func newMailer(props map[string]string) (*mailer, error) {
	or := func(key, otherwise string) string {
		if value, ok := props[key]; ok {
			return value
		}
		return otherwise
	}
	m := &mailer{addr: strings.TrimSpace(or("host", "localhost")), ssl: isTrue(props["ssl"]), user: props["user"], password: props["password"],
		name: or("sendername", "Fail2Ban"), sender: strings.TrimSpace(or("sender", "fail2ban")), matches: props["matches"]}
	port := "25"
	if m.ssl {
		port = "465"
	}
	if host, p, err := net.SplitHostPort(m.addr); err == nil {
		m.host, port = host, p
	} else {
		m.host = strings.Trim(m.addr, "[]")
	}
	m.addr = net.JoinHostPort(m.host, port)
	for one := range strings.SplitSeq(or("dest", "root"), ",") {
		if one = strings.TrimSpace(one); one != "" {
			m.dest = append(m.dest, one)
		}
	}
	if len(m.dest) == 0 {
		return nil, errors.New("smtp.py has no dest to send to")
	}
	for _, address := range append([]string{m.sender}, m.dest...) {
		if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>(),;", r) }) {
			return nil, fmt.Errorf("smtp.py takes bare mail addresses, not %q", address)
		}
	}
	return m, nil
}

// mail sends what op has to tell of; b is nil for starts and stops.
func (a *Action) mail(ctx context.Context, op string, b *event.Ban, restored bool) error {
	began := time.Now()
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	l := letter{jail: a.spec.Jail, host: host, op: op, ban: b, now: began}
	if b != nil {
		switch which := a.mailer.matches; which {
		case "matches", "ipmatches", "ipjailmatches":
			l.which = which
			l.matches, _ = a.values(ctx, b, restored)(which)
			l.matches = shorten(l.matches, maxValue)
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, a.spec.Timeout, ErrTimeout)
	defer cancel()
	err = a.mailer.send(limited, host, a.mailer.message(l))
	if err != nil {
		if limited.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(limited), err)
		}
		err = fmt.Errorf("send mail of action %s in jail %s by %s: %w", a.spec.Name, a.spec.Jail, a.mailer.addr, err)
	}
	r := Report{Op: op, Command: event.Command{Script: "mail to " + strings.Join(a.mailer.dest, ", ")}, Took: time.Since(began), Err: err}
	if b != nil {
		r.Ban = b.ID
	}
	a.report(r)
	return err
}

// send delivers one message. ctx bounds all of it, a silent server included.
func (m *mailer) send(ctx context.Context, hello string, message []byte) (err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	secure := &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if m.ssl {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer c.Close()
	if !plainName(hello) {
		hello = "localhost"
	}
	if err := c.Hello(hello); err != nil {
		return err
	}
	if err := m.greet(c, secure); err != nil {
		return err
	}
	if err := c.Mail(m.sender); err != nil {
		return fmt.Errorf("sender %s: %w", m.sender, err)
	}
	for _, to := range m.dest {
		if err := c.Rcpt(to); err != nil {
			return fmt.Errorf("recipient %s: %w", to, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message is taken
	return nil
}

// greet hides the session where the server offers it and tells who we are. A certificate that
// cannot be checked is better than none as long as no password depends on it: on a host's own
// port 25 it is seldom one that could be.
func (m *mailer) greet(c *smtp.Client, secure *tls.Config) error {
	if offered, _ := c.Extension("STARTTLS"); offered && !m.ssl {
		secure.InsecureSkipVerify = m.user == "" || local(m.host)
		if err := c.StartTLS(secure); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
	}
	if m.user == "" || m.password == "" {
		return nil
	}
	offered, ways := c.Extension("AUTH")
	if !offered {
		return fmt.Errorf("log in as %s: the server offers no way to", m.user)
	}
	auth := smtp.PlainAuth("", m.user, m.password, m.host)
	if strings.Contains(ways, "LOGIN") && !strings.Contains(ways, "PLAIN") {
		auth = &login{m}
	}
	if strings.Contains(ways, "CRAM-MD5") {
		auth = smtp.CRAMMD5Auth(m.user, m.password)
	}
	if err := c.Auth(auth); err != nil {
		return fmt.Errorf("log in as %s: %w", m.user, err)
	}
	return nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func plainName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// login is AUTH LOGIN, which some servers have alone. Like smtp.PlainAuth it keeps the password
// off the open network.
type login struct{ *mailer }

func (l *login) Start(s *smtp.ServerInfo) (string, []byte, error) {
	if !s.TLS && !local(l.host) {
		return "", nil, errors.New("unencrypted connection")
	}
	return "LOGIN", nil, nil
}

func (l *login) Next(prompt []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(strings.ToLower(string(prompt)), "user"):
		return []byte(l.user), nil
	}
	return []byte(l.password), nil
}
