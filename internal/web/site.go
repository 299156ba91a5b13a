package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/control"
)

//go:embed pages static
var files embed.FS

// site is the page as an http.Handler.
type site struct {
	o        Options
	daemon   Daemon
	token    string
	password *hashed
	sessions *sessions
	mux      *http.ServeMux
	cross    *http.CrossOriginProtection
	pages    map[string]*template.Template
	news     *news
	past     past
	geo      *geo
	checks   sync.Mutex // held by the one check that may run
	hashing  sync.Mutex // held while a password is tried: it costs a third of a second
	ended    context.Context
	close    context.CancelFunc
}

func newSite(d Daemon, o Options, token string) (*site, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	password, err := readHash(o.PasswordHash)
	if err != nil {
		return nil, err
	}
	s := &site{o: o, daemon: d, token: token, password: password, sessions: newSessions(o.Now, o.Cert != ""),
		cross: http.NewCrossOriginProtection(), news: &news{}, geo: openGeo(o.GeoIP)}
	s.ended, s.close = context.WithCancel(context.Background())
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.mux = http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	s.mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	s.mux.HandleFunc("GET /login", s.showLogin)
	s.mux.HandleFunc("POST /login", s.login)
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request, *guest){
		"GET /{$}": s.overview, "GET /jail": s.jail, "GET /offender": s.offender, "GET /act": s.confirm, "POST /act": s.act,
		"GET /bench": s.bench, "POST /bench": s.bench, "GET /check": s.check, "GET /allowed": s.allowed,
		"GET " + livePath: s.live, "POST /logout": s.logout, "GET /": s.nowhere,
	} {
		s.mux.HandleFunc(pattern, s.known(h))
	}
	return s, nil
}

// ServeHTTP sets the headers of every answer and turns away who should not be asking: another
// site's page in the same browser, under a name of its own (DNS rebinding) or under ours (CSRF).
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	if !s.hosted(r.Host) {
		http.Error(w, "this name does not lead to gaol's page; where it should, add it to web_hosts in gaol.local", http.StatusMisdirectedRequest)
		return
	}
	if err := s.cross.Check(r); err != nil {
		http.Error(w, "another page sent this; nothing was done", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s.mux.ServeHTTP(w, r)
}

// hosted says whether a Host header may lead here. An address or localhost cannot be another
// site's name, so only what is configured is besides.
func (s *site) hosted(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// guest is who asks, with what the last command came to. What the script fetches does not take
// that from the page that a person is about to see.
type guest struct {
	*session
	flash string
}

// known lets in who is logged in; a form must also hold the session's own word.
func (s *site) known(h func(http.ResponseWriter, *http.Request, *guest)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		one := s.sessions.find(r)
		switch {
		case one == nil && r.Method == http.MethodGet && r.URL.Path != livePath:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case one == nil:
			http.Error(w, "log in first", http.StatusUnauthorized)
		case r.Method == http.MethodPost && !same(r.PostFormValue("csrf"), one.csrf):
			http.Error(w, "this form is not from this page, or too old; nothing was done", http.StatusForbidden)
		default:
			g := &guest{session: one}
			if r.Method == http.MethodGet && r.URL.Path != livePath && r.Header.Get("Gaol-Fresh") == "" {
				g.flash = s.sessions.said(one)
			}
			h(w, r, g)
		}
	}
}

func (s *site) showLogin(w http.ResponseWriter, r *http.Request) { s.askLogin(w, r, "", http.StatusOK) }

func (s *site) askLogin(w http.ResponseWriter, r *http.Request, wrong string, status int) {
	s.render(w, nil, status, "login", "Log in", map[string]any{"Wrong": wrong, "Password": s.password != nil, "Next": local(r.FormValue("next"))})
}

// local is a path of this page to go to; "/" where the text is anything else.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\") {
		return "/"
	}
	return next
}

// login takes the token at any time: it cannot be guessed, and who guesses beside it must not be
// able to keep its owner out. Passwords are tried a few times a minute.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	secret, who := strings.TrimSpace(r.PostFormValue("secret")), from(r)
	if same(secret, s.token) {
		s.sessions.begin(w)
		http.Redirect(w, r, local(r.PostFormValue("next")), http.StatusSeeOther)
		return
	}
	if !s.sessions.patient(who) {
		w.Header().Set("Retry-After", "60")
		s.askLogin(w, r, "Too many wrong tries. Wait a minute.", http.StatusTooManyRequests)
		return
	}
	if s.password != nil {
		if !s.hashing.TryLock() { // it costs a third of a second: guesses must not queue up
			s.askLogin(w, r, "Somebody else is logging in. Try again.", http.StatusTooManyRequests)
			return
		}
		opens := s.password.opens(r.PostFormValue("secret"))
		s.hashing.Unlock()
		if opens {
			s.sessions.begin(w)
			http.Redirect(w, r, local(r.PostFormValue("next")), http.StatusSeeOther)
			return
		}
	}
	s.sessions.wrong(who)
	s.o.Refused(who)
	s.askLogin(w, r, "That is not the token.", http.StatusForbidden)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request, _ *guest) {
	s.sessions.end(w, r)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (s *site) nowhere(w http.ResponseWriter, _ *http.Request, one *guest) {
	s.fail(w, one, &control.Error{Fault: control.Unknown, Msg: "there is no such page"})
}

// fail shows an error and its hint.
func (s *site) fail(w http.ResponseWriter, one *guest, err error) {
	status, hint := http.StatusInternalServerError, ""
	var e *control.Error
	if errors.As(err, &e) {
		hint = e.Hint
		switch e.Fault {
		case control.Unknown:
			status = http.StatusNotFound
		case control.Invalid:
			status = http.StatusBadRequest
		case control.Refused:
			status = http.StatusConflict
		}
	}
	s.render(w, one, status, "error", "That did not work", map[string]any{"Error": err.Error(), "Hint": hint})
}

// render writes one page. It is made whole first: an error half way would leave half a page.
func (s *site) render(w http.ResponseWriter, one *guest, status int, page, title string, data map[string]any) {
	data["Page"], data["Title"] = page, title
	if one != nil {
		data["CSRF"], data["Flash"] = one.csrf, one.flash
	}
	var out bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&out, "base", data); err != nil {
		http.Error(w, "make the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(harmless(out.Bytes())) // an error here is a browser that went away
}
