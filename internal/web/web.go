// Package web is the page on which gaol is seen and told what to do, by people who prefer a
// browser. It shows what the daemon's door answers (Status, Account, History, Explained) and what
// the bus tells, and counts nothing by itself.
//
// It works without JavaScript; with it, what changes is fetched anew when the bus tells something
// (live.go). All text that logs may have brought passes html/template, and then harmless, through
// which no control or formatting character comes.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"gaol/internal/control"
)

// Daemon is what the page shows and commands.
type Daemon interface {
	control.Daemon
	control.Teller
}

// Options are what Serve needs. Listen and TokenFile are required.
type Options struct {
	Listen       string
	TokenFile    string   // mode 0600; made where it is missing
	PasswordHash string   // opens the page, too; empty: none does
	Cert, Key    string   // PEM files; empty: no TLS
	Hosts        []string // names under which the page may be asked for, beside addresses and localhost
	GeoIP        string   // database of countries (.mmdb); empty: none are shown
	// Check is what `gaol check` finds; it may take seconds.
	Check func(context.Context) (findings []Finding, notes []string)
	// Refused hears of a wrong token or password, and from where; a few times a minute at most.
	Refused func(from string)
	Now     func() time.Time // nil: time.Now
}

// Finding is one thing that `gaol check` says.
type Finding struct {
	Where, Message, Hint, Jail string
	Error                      bool // else a warning
}

// Error is why the page is not served. Hint mends it.
type Error struct {
	Msg, Hint string
	cause     error
}

func (e *Error) Error() string  { return e.Msg }
func (e *Error) Unwrap() error  { return e.cause }
func (e *Error) Hinted() string { return e.Hint }

// Limits of the server: it may be open to who is not to be trusted, before the login.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	maxForm       = 1 << 20
	closeTimeout  = 2 * time.Second
)

// Server serves the page.
type Server struct {
	http  *http.Server
	site  *site
	url   string
	ended chan struct{}
}

// Serve listens and serves the page until Close.
func Serve(d Daemon, o Options) (*Server, error) {
	token, err := Token(o.TokenFile)
	if err != nil {
		return nil, err
	}
	site, err := newSite(d, o, token)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, &Error{"listen for the web page: " + err.Error(), "write another web = ADDRESS:PORT into gaol.local", err}
	}
	s := &Server{site: site, ended: make(chan struct{}), url: pageURL(listener.Addr(), o.Cert != ""), http: &http.Server{
		Handler: site, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: silent(),
	}}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, errors.Join(&Error{"read the certificate of the web page: " + err.Error(), "look at web_cert and web_key in gaol.local", err}, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"h2", "http/1.1"}})
	}
	site.follow()
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(listener) // ends when Close closes the listener
	}()
	return s, nil
}

func pageURL(at net.Addr, secure bool) string {
	scheme, host := "http", at.String()
	if secure {
		scheme = "https"
	}
	if a, ok := at.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", a.Port)
	}
	return scheme + "://" + host + "/"
}

// URL is where the page is.
func (s *Server) URL() string { return s.url }

// Close ends the page; what streams is ended first.
func (s *Server) Close() error {
	s.site.close()
	defer s.site.geo.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.ended
	return err
}
