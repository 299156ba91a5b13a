package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func hooksOf(t *testing.T, text string) (Hooks, string) {
	t.Helper()
	own, said := ownKeys(t, text)
	return own.Hooks, said
}

func TestKeysOfHooks(t *testing.T) {
	h, said := hooksOf(t, "webhooks = https://example.com/a http://127.0.0.1:9/b\nmail_to = root@example.com, b@example.com\n"+
		"mail_server = mx.example.com:465\nmail_tls = tls\nmail_whois = yes\nnotify = ntfy://ntfy.sh/jails\nnotify_every = 5m\nnotify_events = ban\n")
	if said != "" || len(h.Web) != 2 || len(h.Mail.To) != 2 || h.Mail.Server != "mx.example.com:465" || h.Mail.Policy != "tls" || !h.Mail.Whois ||
		!slices.Equal(h.Chat, []string{"ntfy://ntfy.sh/jails"}) || h.Every != 5*time.Minute || !slices.Equal(h.Events, []string{"ban"}) {
		t.Errorf("%+v\n%s", h, said)
	}
	if h, said := hooksOf(t, "socket = /x\n"); said != "" || len(h.Web)+len(h.Mail.To)+len(h.Chat) > 0 || h.Every != time.Minute || len(h.Events) < 5 {
		t.Errorf("without keys: %+v\n%s", h, said)
	}
	for text, want := range map[string]string{
		"webhooks = ftp://example.com/secret": "no http or https URL",
		"mail_to = nobody":                    "“nobody”, which is no mail address",
		"mail_from = nobody":                  "mail_from = gaol@example.com",
		"mail_server = mx":                    "mail_server = localhost:25",
		"mail_tls = perhaps":                  "mail_tls = auto",
		"mail_whois = perhaps":                "mail_whois = no",
		"notify_every = 0":                    "notify_every = 1m",
	} {
		h, said := hooksOf(t, text+"\n")
		if !strings.Contains(said, want) || strings.Contains(said, "secret") || len(h.Web)+len(h.Mail.To) > 0 || h.Mail.Policy != "auto" || h.Every != time.Minute {
			t.Errorf("%s: %+v, said %q, want %q", text, h, said, want)
		}
	}
}
