package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"gaol/internal/config"
	"gaol/internal/engine"
	"gaol/internal/event"
	"gaol/internal/hook"
)

// hookServices tell others what happens, if the configuration asks for it.
func (f *runFlags) hookServices(conf *config.Config, log *slog.Logger) []engine.Service {
	c := conf.Global.Own.Hooks
	if len(c.Web)+len(c.Mail.To)+len(c.Chat) == 0 && c.ChatFile == "" || f.dryRun && f.socket == "" {
		return nil
	}
	return []engine.Service{{Name: "notifications", Start: func(d engine.Door) (func() error, error) {
		host, err := os.Hostname()
		if err != nil {
			host = "this machine"
		}
		o := hook.Options{Host: host, Every: c.Every, Text: eventText, Clean: engine.Printable,
			Told: func(msg string, err error) {
				log.Warn("notifications: "+engine.Printable(msg), "logger", "server", "error", engine.Printable(fmt.Sprint(err)))
			}}
		for _, name := range c.Events {
			o.What = append(o.What, event.What(name))
		}
		if o.Senders, err = senders(c, host); err != nil {
			return nil, err
		}
		return hook.Open(d, o).Close, nil
	}}}
}

// senders are the places that are told.
func senders(c config.Hooks, host string) (all []hook.Sender, err error) {
	secret, err := secretIn(c.WebSecretFile)
	if err != nil {
		return nil, err
	}
	for _, u := range c.Web {
		all = append(all, hook.Web{URL: u, Secret: secret, Client: &http.Client{}})
	}
	if m := c.Mail; len(m.To) > 0 {
		password, err := secretIn(m.PasswordFile)
		if err != nil {
			return nil, err
		}
		all = append(all, hook.Mail{Server: m.Server, From: or(m.From, "gaol@"+host), To: m.To, User: m.User, Password: password, TLS: m.Policy, Whois: m.Whois})
	}
	urls := c.Chat
	if c.ChatFile != "" {
		more, err := secretIn(c.ChatFile)
		if err != nil {
			return nil, err
		}
		urls = append(urls, strings.Fields(more)...)
	}
	for _, u := range urls {
		chat, err := hook.NewChat(u)
		if err != nil {
			return nil, withHint(fmt.Errorf("notify: %w", err), "the services and their URLs: https://shoutrrr.nickfedor.com")
		}
		all = append(all, chat)
	}
	return all, nil
}

// secretIn is what a file holds, which nobody but its owner and group may read; "" without one.
func secretIn(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", withHint(fmt.Errorf("read secret: %w", err), "write it there, and: chmod 600 "+path)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return "", withHint(fmt.Errorf("read secret: %w", errors.New("everybody may read "+path)), "chmod 600 "+path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
