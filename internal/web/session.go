package web

import (
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of sessions and logins.
const (
	maxSessions = 64
	idleSession = 2 * time.Hour
	oldSession  = 12 * time.Hour
	maxWrong    = 5 // wrong passwords of one address in wrongWithin; then it waits
	wrongWithin = time.Minute
	maxGuessers = 1000 // addresses that are remembered for it
	maxStreams  = 8    // of one session
)

// session is one browser that is logged in.
type session struct {
	csrf       string // stands in every form
	made, used time.Time
	flash      string // what the last command came to, shown once
	streams    int
}

// sessions are in memory alone: a restart of gaol ends them.
type sessions struct {
	now    func() time.Time
	secure bool // __Host- cookie

	mu       sync.Mutex // guards what follows, and the sessions
	all      map[[sha256.Size]byte]*session
	guessers map[string]*guesser
}

type guesser struct {
	since time.Time
	wrong int
}

func newSessions(now func() time.Time, secure bool) *sessions {
	return &sessions{now: now, secure: secure, all: map[[sha256.Size]byte]*session{}, guessers: map[string]*guesser{}}
}

func (s *sessions) cookie() string {
	if s.secure {
		return "__Host-gaol"
	}
	return "gaol"
}

// begin logs a browser in. The session that was used longest ago gives way to too many.
func (s *sessions) begin(w http.ResponseWriter) {
	id, now := random(32), s.now()
	s.mu.Lock()
	s.expire(now)
	if len(s.all) >= maxSessions {
		var oldest [sha256.Size]byte
		at := now.Add(time.Hour)
		for k, one := range s.all {
			if one.used.Before(at) {
				oldest, at = k, one.used
			}
		}
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(id))] = &session{csrf: random(24), made: now, used: now}
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: s.cookie(), Value: id, Path: "/", HttpOnly: true, Secure: s.secure,
		SameSite: http.SameSiteStrictMode, MaxAge: int(oldSession.Seconds())})
}

func (s *sessions) expire(now time.Time) {
	for k, one := range s.all {
		if now.Sub(one.used) > idleSession || now.Sub(one.made) > oldSession {
			delete(s.all, k)
		}
	}
}

// find is the session of a request; nil where it has none.
func (s *sessions) find(r *http.Request) *session {
	c, err := r.Cookie(s.cookie())
	if err != nil {
		return nil
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	one := s.all[sha256.Sum256([]byte(c.Value))]
	if one != nil && r.URL.Path != livePath { // a page that is only open does not count as used
		one.used = now
	}
	return one
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(s.cookie()); err == nil {
		s.mu.Lock()
		delete(s.all, sha256.Sum256([]byte(c.Value)))
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookie(), Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteStrictMode, MaxAge: -1})
}

// alive says whether a session has not ended meanwhile.
func (s *sessions) alive(one *session) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	for _, other := range s.all {
		if other == one {
			return true
		}
	}
	return false
}

// say keeps what a command came to until the next page shows it.
func (s *sessions) say(one *session, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.flash = text
}

func (s *sessions) said(one *session) (text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, one.flash = one.flash, ""
	return text
}

// stream counts the streams of a session; false: it has too many.
func (s *sessions) stream(one *session, by int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by > 0 && one.streams >= maxStreams {
		return false
	}
	one.streams += by
	return true
}

// patient says whether an address may try a password.
func (s *sessions) patient(from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guessers[from]
	return g == nil || s.now().Sub(g.since) > wrongWithin || g.wrong < maxWrong
}

// wrong counts a wrong password.
func (s *sessions) wrong(from string) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, g := range s.guessers {
		if now.Sub(g.since) > wrongWithin || len(s.guessers) >= maxGuessers {
			delete(s.guessers, k)
		}
	}
	g := s.guessers[from]
	if g == nil {
		g = &guesser{since: now}
		s.guessers[from] = g
	}
	g.wrong++
}

// from is the address of who asks; of IPv6 the network of 64 bits, which is one person's.
func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}
