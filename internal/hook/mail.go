package hook

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// Mail sends bundles by SMTP, as plain text with the log lines that led to bans (and what whois
// knows of their addresses), as fail2ban's action_mwl does.
type Mail struct {
	Server   string // host:port
	From     string
	To       []string
	User     string // empty: without authentication
	Password string
	TLS      string // starttls, tls, none, or auto: STARTTLS where the server offers it
	Whois    bool
}

// Name is the server.
func (m Mail) Name() string { return "mail by " + m.Server }

// whoisLimit is how long whois may take for one address, whoisMost how many are asked about.
const (
	whoisLimit = 5 * time.Second
	whoisMost  = 3
	whoisLines = 60
)

// Send mails a bundle. The library encodes what stands in headers, so that no text of a log can add
// one.
func (m Mail) Send(ctx context.Context, b Bundle) error {
	msg := mail.NewMsg()
	if err := msg.From(m.From); err != nil {
		return &finalError{fmt.Errorf("mail_from: %w", err)}
	}
	if err := msg.To(m.To...); err != nil {
		return &finalError{fmt.Errorf("mail_to: %w", err)}
	}
	msg.Subject("[gaol] " + b.Host + ": " + b.Title)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday notice answers
	msg.SetBodyString(mail.TypeTextPlain, m.text(ctx, b))
	client, err := m.client()
	if err != nil {
		return &finalError{err}
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (m Mail) client() (*mail.Client, error) {
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, fmt.Errorf("mail_server: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("mail_server: %w", err)
	}
	o := []mail.Option{mail.WithPort(n), mail.WithTimeout(sendLimit)}
	switch m.TLS {
	case "tls":
		o = append(o, mail.WithSSL())
	case "starttls":
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory))
	case "none":
		o = append(o, mail.WithTLSPolicy(mail.NoTLS))
	default:
		o = append(o, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if m.User != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User), mail.WithPassword(m.Password))
	}
	return mail.NewClient(host, o...)
}

// text is the body of a mail.
func (m Mail) text(ctx context.Context, b Bundle) string {
	var t strings.Builder
	for _, l := range b.Lines {
		t.WriteString(l + "\n")
	}
	for i, p := range b.Proofs {
		fmt.Fprintf(&t, "\nLog lines of %s [%s]:\n", p.ID, p.Jail)
		for _, l := range p.Lines {
			t.WriteString("  " + l + "\n")
		}
		if m.Whois && i < whoisMost {
			t.WriteString(whois(ctx, p.ID))
		}
	}
	fmt.Fprintf(&t, "\n-- \ngaol on %s. See: gaol why ADDRESS\n", b.Host)
	return t.String()
}

// whois asks the program of that name; "" where there is none. Only an address is ever asked about.
func whois(ctx context.Context, id string) string {
	a, err := netip.ParseAddr(id)
	if err != nil {
		return ""
	}
	within, cancel := context.WithTimeout(ctx, whoisLimit)
	defer cancel()
	out, err := exec.CommandContext(within, "whois", a.String()).Output()
	if err != nil && len(out) == 0 {
		return ""
	}
	lines := strings.Split(strings.ToValidUTF8(string(out), "?"), "\n")
	text := "\nwhois " + a.String() + ":\n"
	for _, l := range lines[:min(len(lines), whoisLines)] {
		text += "  " + printable(l) + "\n"
	}
	return text
}

// printable drops control characters: a whois server writes what it likes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
