package action

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"gaol/internal/event"
)

// letter is one mail of smtp.py's twin. It has what fail2ban's has, in our own words; the
// subject's form is fail2ban's, for mail is sorted by it.
type letter struct {
	jail, host string
	op         string
	ban        *event.Ban // of actionban
	which      string     // matches, ipmatches or ipjailmatches; empty: none
	matches    string
	now        time.Time
}

// who is the banned address or id on one line. An id can be any text that an attacker wrote.
func (l letter) who() string {
	return shorten(strings.ReplaceAll(strings.Map(visible, sound(address(l.ban))), "\n", "\uFFFD"), 200)
}

func (l letter) subject() string {
	what := "started"
	switch l.op {
	case "actionstop":
		what = "stopped"
	case "actionban":
		what = "banned " + l.who()
	}
	link := " on "
	if l.op == "actionban" {
		link = " from "
	}
	return "[Fail2Ban] " + l.jail + ": " + what + link + l.host
}

func (l letter) body() string {
	switch l.op {
	case "actionstart":
		return fmt.Sprintf("Jail %s on %s is up and watches.\n", l.jail, l.host)
	case "actionstop":
		return fmt.Sprintf("Jail %s on %s has ended and watches no more.\n", l.jail, l.host)
	}
	span := "for ever"
	if !l.ban.End.IsZero() {
		span = fmt.Sprintf("for %d seconds", int64(l.ban.End.Sub(l.ban.Start)/time.Second))
	}
	text := fmt.Sprintf("Jail %s on %s keeps %s out %s.\nFailures that led to it: %d\n", l.jail, l.host, l.who(), span, l.ban.Count)
	switch l.which {
	case "":
		return text
	case "matches":
		text += "\nLog lines of this ban:\n"
	case "ipmatches":
		text += "\nLog lines of all bans of " + l.who() + ":\n"
	case "ipjailmatches":
		text += "\nLog lines of all bans of " + l.who() + " in jail " + l.jail + ":\n"
	}
	return text + l.matches + "\n"
}

// message is the mail as it goes over the wire. Ids and log lines are attackers' text: in a
// header all but printable ASCII is encoded (RFC 2047), so that no line of theirs becomes a
// header; in the body signs that steer a terminal are replaced, and quoted-printable keeps any
// line from being read as SMTP.
func (m *mailer) message(l letter) []byte {
	from := (&mail.Address{Name: m.name, Address: "x@x"}).String() // "x@x": the real one may lack an @
	from = strings.TrimSuffix(from, "<x@x>") + "<" + m.sender + ">"
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", l.subject()), "?= =?", "?=\r\n =?")},
		{"From", from}, {"To", strings.Join(m.dest, ",\r\n ")}, {"Date", l.now.Format(time.RFC1123Z)},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.Map(visible, sound(l.body())))) // into memory
	_ = w.Close()
	return b.Bytes()
}

func visible(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
		return unicode.ReplacementChar
	}
	return r
}
