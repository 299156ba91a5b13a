package action

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/event"
)

// postOffice is an SMTP server on loopback that knows as much as the mailers need.
type postOffice struct {
	t        *testing.T
	addr     string
	offers   []string      // extensions
	starttls *tls.Config   // for STARTTLS
	got      func(letters) // called before the message is acknowledged
	refuse   string        // command that gets a 550
}

// letters are one message as it came over the wire.
type letters struct {
	hello, auth, from string
	to                []string
	data              string
	tls               bool
}

func (p *postOffice) listen(conf *tls.Config) *postOffice {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conf != nil {
				conn = tls.Server(conn, conf)
			}
			p.serve(conn, letters{tls: conf != nil})
		}
	}()
	return p
}

func (p *postOffice) serve(conn net.Conn, m letters) {
	defer func() { _ = conn.Close() }()
	c := textproto.NewConn(conn)
	say := func(line string) { _ = c.PrintfLine("%s", line) }
	if m.hello == "" {
		say("220 post office")
	}
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		if verb = strings.ToUpper(verb); verb == p.refuse {
			say("550 not here")
			continue
		}
		switch verb {
		case "EHLO":
			m.hello = rest
			say("250-post office")
			for _, o := range p.offers {
				say("250-" + o)
			}
			say("250 ok")
		case "STARTTLS":
			say("220 go on")
			m.tls = true
			p.serve(tls.Server(conn, p.starttls), m)
			return
		case "AUTH":
			m.auth = rest
			if rest == "LOGIN" {
				for _, prompt := range []string{"Username:", "Password:"} {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(prompt)))
					answer, _ := c.ReadLine()
					m.auth += " " + answer
				}
			}
			say("235 welcome")
		case "MAIL":
			m.from = rest
			say("250 ok")
		case "RCPT":
			m.to = append(m.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go on")
			data, _ := io.ReadAll(c.DotReader())
			m.data = string(data)
			p.got(m)
			say("250 taken")
			m.to = nil
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

// read takes a message apart, its headers and body decoded.
func (m letters) read(t *testing.T) (header func(string) string, body string) {
	t.Helper()
	msg, err := mail.ReadMessage(bufio.NewReader(strings.NewReader(m.data)))
	if err != nil {
		t.Errorf("%v in message\n%s", err, m.data)
		return func(string) string { return "" }, ""
	}
	var r io.Reader = msg.Body
	switch strings.ToLower(msg.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%v in body\n%s", err, m.data)
	}
	return func(name string) string {
		value, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get(name))
		if err != nil {
			t.Error(err)
		}
		return value
	}, string(text)
}

// TestMailsLikeFail2ban has fail2ban's smtp.py and our twin play a jail's life against the same
// mail server: envelopes, subjects, From, To and what the mails tell must be equal. The prose
// is ours.
func TestMailsLikeFail2ban(t *testing.T) {
	s := newStage(t)
	program, err := os.ReadFile("/etc/fail2ban/action.d/smtp.py")
	if err != nil {
		needs(t, err.Error(), "scripts/packages test")
	}
	s.write(t, "action.d/smtp.py", string(program))
	lines := []string{"bad \u00fc $(id) `x`", ".", "", "From: evil@example.org"}
	p := (&postOffice{t: t, got: func(m letters) { s.note(t, m, append(lines, "192.0.2.1", "600", "17", "mail", "some")) }}).listen(nil)
	s.Steps = []stockStep{{Op: "start"}, {Op: "ban", IP: "192.0.2.1", Failures: 17, Matches: lines}, {Op: "ban", IP: "2001:db8::1", Failures: 4},
		{Op: "unban", IP: "192.0.2.1"}, {Op: "ban", IP: "192.0.2.3", Failures: 2, Restored: true}, {Op: "flush"}, {Op: "stop"}}
	s.write(t, "jail.conf", s.jail("mail", fmt.Sprintf("smtp.py[host=%q]", p.addr))+
		s.jail("some", fmt.Sprintf("smtp.py[host=%q, sendername=\"G\u00fcnther, \\ <x>\", sender=f2b@example.org, dest='a@example.org, b@example.org', matches=matches]", p.addr))+
		s.jail("all", fmt.Sprintf("smtp.py[host=%q, sendername=plain name, matches=ipmatches]\n         smtp.py[host=%q, actname=two, matches=nonsense]", p.addr, p.addr)))
	if n := s.compare(t); n < 16 {
		t.Errorf("%d mails were seen", n)
	}
}

// note writes down a mail as the stand-ins write down their command lines.
func (s *stage) note(t *testing.T, m letters, facts []string) {
	header, body := m.read(t)
	from, err := mail.ParseAddress(strings.Replace(header("From"), "<fail2ban>", "<fail2ban@here>", 1))
	if err != nil {
		from = &mail.Address{Name: header("From")}
	}
	envelope, _, _ := strings.Cut(m.from, " ")
	told := []string{}
	for _, f := range facts {
		if f != "" && f != "." && strings.Contains(body, f) {
			told = append(told, f)
		}
	}
	line := fmt.Sprintf("%s %s | %s | %s | %s | %q\n", envelope, m.to, header("Subject"), from.Name,
		strings.Join(strings.Fields(header("To")), " "), told)
	f, err := os.OpenFile(s.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	fmt.Fprint(f, line)
}

// mailing is our action against a post office.
func mailing(t *testing.T, props map[string]string, roots *x509.CertPool) *Action {
	t.Helper()
	a, err := New(Spec{Jail: "sshd", Name: "smtp", File: SMTPFile, Props: props, Timeout: 5 * time.Second}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.mailer.roots = roots
	return a
}

// TestMailHoldsAttackersText sends ids and lines that would like to be headers, SMTP commands
// or terminal sequences.
func TestMailHoldsAttackersText(t *testing.T) {
	var got letters
	p := (&postOffice{t: t, got: func(m letters) { got = m }}).listen(nil)
	a := mailing(t, map[string]string{"host": p.addr, "matches": "matches", "sendername": `A "quoted" name`}, nil)
	b := event.Ban{Jail: "sshd", ID: "x\r\nBcc: evil@example.org\r\n\r\n" + strings.Repeat("\u00fc", 300), Count: 2,
		Matches: []string{".", "\x1b]0;owned\x07 \u202egpj\u009b31m", strings.Repeat("long ", 1000), "\xff\x00end"}}
	if err := a.Ban(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got.data) {
		if len(line) > 200 || strings.ContainsFunc(strings.TrimRight(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("line on the wire is %q", line)
		}
	}
	header, body := got.read(t)
	if header("Bcc") != "" || !strings.HasPrefix(header("Subject"), "[Fail2Ban] sshd: banned x") || header("From") != `"A \"quoted\" name" <fail2ban>` {
		t.Errorf("headers are\n%s", got.data)
	}
	if len(got.to) != 1 || got.to[0] != "TO:<root>" {
		t.Errorf("recipients are %q", got.to)
	}
	for _, want := range []string{"\n.\n", "\ufffd]0;owned\ufffd \ufffdgpj\ufffd31m\n", strings.Repeat("long ", 100), "keeps x\ufffd\ufffdBcc: evil", "\ufffd\ufffdend\n", "for ever"} {
		if !strings.Contains(body, want) {
			t.Errorf("body lacks %q:\n%q", want, body)
		}
	}
}

// TestMailSessions logs in, with and without TLS.
func TestMailSessions(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	cert := &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain := "PLAIN " + b64("\x00me\x00secret")
	tests := []struct {
		name     string
		ssl      string
		offers   []string
		roots    *x509.CertPool
		user     string
		auth     string
		tls, bad bool
	}{
		{name: "plain text"},
		{name: "password on loopback", offers: []string{"AUTH PLAIN LOGIN"}, user: "me", auth: plain},
		{name: "AUTH LOGIN", offers: []string{"AUTH LOGIN"}, user: "me", auth: "LOGIN " + b64("me") + " " + b64("secret")},
		{name: "STARTTLS with any certificate", offers: []string{"STARTTLS"}, tls: true},
		{name: "ssl", ssl: "on", roots: roots, offers: []string{"AUTH PLAIN"}, user: "me", auth: plain, tls: true},
		{name: "ssl with a certificate nobody knows", ssl: "on", bad: true},
		{name: "no AUTH offered", user: "me", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got letters
			p := &postOffice{t: t, got: func(m letters) { got = m }, offers: tt.offers, starttls: cert}
			if tt.ssl != "" {
				p.listen(cert)
			} else {
				p.listen(nil)
			}
			a := mailing(t, map[string]string{"host": p.addr, "ssl": tt.ssl, "user": tt.user, "password": "secret"}, tt.roots)
			err := a.Ban(t.Context(), ban("192.0.2.1"), false)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff([]any{tt.auth, tt.tls}, []any{got.auth, got.tls}); diff != "" && !tt.bad {
				t.Error(diff)
			}
		})
	}
}

// TestMailThatFails: what it says, that a silent server is left, and that later mails go out.
func TestMailThatFails(t *testing.T) {
	count := 0
	p := (&postOffice{t: t, refuse: "RCPT", got: func(letters) { count++ }}).listen(nil)
	a := mailing(t, map[string]string{"host": p.addr}, nil)
	if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "recipient root: 550") {
		t.Errorf("a refused recipient is told as %v", err)
	}
	p.refuse = ""
	if err := a.Ban(t.Context(), ban("192.0.2.1"), false); err != nil || count != 1 {
		t.Errorf("after a start without mail: %d mails, error %v", count, err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	a = mailing(t, map[string]string{"host": silent.Addr().String()}, nil)
	a.spec.Timeout = 50 * time.Millisecond
	if err := a.Ban(context.Background(), ban("192.0.2.1"), false); !errors.Is(err, ErrTimeout) {
		t.Errorf("a silent server is told as %v", err)
	}
}

func TestMailParameters(t *testing.T) {
	tests := []struct{ host, ssl, want string }{
		{"", "", "localhost:25"}, {"mx", "", "mx:25"}, {"mx:587", "yes", "mx:587"}, {"mx", "true", "mx:465"},
		{"::1", "", "[::1]:25"}, {"[::1]:26", "", "[::1]:26"}, {"[::1]", "on", "[::1]:465"},
	}
	for _, tt := range tests {
		props := map[string]string{"ssl": tt.ssl}
		if tt.host != "" {
			props["host"] = tt.host
		}
		m, err := newMailer(props)
		if err != nil || m.addr != tt.want {
			t.Errorf("host %q, ssl %q: %+v, %v; want %s", tt.host, tt.ssl, m, err, tt.want)
		}
	}
	for _, props := range []map[string]string{{"dest": " , "}, {"dest": "a@b\r\nDATA"}, {"sender": "Me <me@x>"}} {
		if _, err := newMailer(props); err == nil {
			t.Errorf("%q was taken", props)
		}
	}
}
