package config

import (
	"net"
	"net/mail"
	"net/url"
	"time"
)

// Hooks is what gaol.conf says about who is told what happens.
type Hooks struct {
	Web           []string // URLs
	WebSecretFile string
	Mail          Mail
	Chat          []string // URLs as shoutrrr reads them
	ChatFile      string   // holds more of them, one a line
	Events        []string
	Every         time.Duration
}

// Mail is how mail is sent; nobody is told where To is empty.
type Mail struct {
	To                         []string
	From, Server               string
	User, PasswordFile, Policy string
	Whois                      bool
}

// hookKeys are the keys of gaol.conf about it.
func hookKeys() []Key {
	return []Key{
		{"webhooks", "gaol.conf", definition, "", "0.1", "URLs that get what happens as JSON, several separated by blanks; read at start, as all that follows"},
		{"webhook_secret_file", "gaol.conf", definition, "", "0.1", "file with a secret that goes along as Authorization: Bearer"},
		{"mail_to", "gaol.conf", definition, "", "0.1", "addresses that get mail, separated by blanks, with the log lines that led to bans"},
		{"mail_from", "gaol.conf", definition, "", "0.1", "sender of the mail; empty: gaol@ and the name of this machine"},
		{"mail_server", "gaol.conf", definition, "localhost:25", "0.1", "SMTP server and port"},
		{"mail_user", "gaol.conf", definition, "", "0.1", "user name at the SMTP server; empty: none is asked for"},
		{"mail_password_file", "gaol.conf", definition, "", "0.1", "file with the password of mail_user"},
		{"mail_tls", "gaol.conf", definition, "auto", "0.1", "auto: encrypted where the server offers it; starttls: always; tls: from the first byte (port 465); none"},
		{"mail_whois", "gaol.conf", definition, "no", "0.1", "yes: what the program whois says of the first three addresses is in the mail; it asks servers of others"},
		{"notify", "gaol.conf", definition, "", "0.1", "chat and push services as URLs of shoutrrr, separated by blanks, such as ntfy://ntfy.sh/TOPIC"},
		{"notify_file", "gaol.conf", definition, "", "0.1", "file with more of them, one a line, since they hold tokens"},
		{"notify_events", "gaol.conf", definition, "ban leak hold jail-broken source-trouble action-failed firewall-trouble", "0.1", "what is told, as gaol events names it"},
		{"notify_every", "gaol.conf", definition, "1m", "0.1", "the first is told at once, what follows within this time together"},
	}
}

// hooks reads those keys. What cannot be read is left out, and told.
func (g globalReader) hooks(values map[string]string) Hooks {
	out := Hooks{WebSecretFile: values["webhook_secret_file"], Chat: words(values["notify"]), ChatFile: values["notify_file"],
		Events: words(values["notify_events"]), Every: time.Minute, Mail: g.mail(values)}
	for _, text := range words(values["webhooks"]) {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			g.leftOut("webhooks", "write for instance webhooks = https://example.com/hook", "webhooks has an entry that is no http or https URL: it is not told")
			continue
		}
		out.Web = append(out.Web, text)
	}
	if s := values["notify_every"]; s != "1m" {
		d, err := duration(s)
		if err != nil || d < time.Second {
			g.complain("notify_every", s, "1m")
		} else {
			out.Every = d
		}
	}
	return out
}

func (g globalReader) mail(values map[string]string) Mail {
	m := Mail{From: values["mail_from"], Server: values["mail_server"], User: values["mail_user"], PasswordFile: values["mail_password_file"], Policy: values["mail_tls"]}
	for _, text := range words(values["mail_to"]) {
		if _, err := mail.ParseAddress(text); err != nil {
			g.leftOut("mail_to", "write for instance mail_to = root@example.com", "mail_to has %s, which is no mail address: it gets none", quote(text))
			continue
		}
		m.To = append(m.To, text)
	}
	if _, err := mail.ParseAddress(m.From); m.From != "" && err != nil {
		g.complain("mail_from", m.From, "gaol@example.com")
		m.From = ""
	}
	if _, port, err := net.SplitHostPort(m.Server); err != nil || port == "" {
		g.complain("mail_server", m.Server, "localhost:25")
		m.Server = "localhost:25"
	}
	switch m.Policy {
	case "auto", "starttls", "tls", "none":
	default:
		g.complain("mail_tls", m.Policy, "auto")
		m.Policy = "auto"
	}
	m.Whois = g.yes("mail_whois", values)
	return m
}
