package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ServeHTTP answers whether the client of a request is banned: 200, or 403 with the jail and the
// seconds that are left. Every path and method is answered alike; `?jail=NAME`, which may be
// repeated, asks for bans of these jails alone.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	client, err := g.client(r)
	if err == nil && !g.ready.Load() {
		err = fmt.Errorf("the bans are not read yet")
	}
	if err != nil {
		g.unsure(w, err)
		return
	}
	now := g.o.Now()
	ban, banned := g.bans.find(client, r.URL.Query()["jail"], now)
	if !banned {
		fmt.Fprintln(w, "welcome")
		return
	}
	h.Set("X-Gaol-Jail", ban.jail)
	if !ban.end.IsZero() {
		h.Set("Retry-After", fmt.Sprint(int(ban.end.Sub(now).Seconds())+1))
	}
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintln(w, "banned")
}

// unsure answers where it is not known who asks or who is banned.
func (g *Gate) unsure(w http.ResponseWriter, err error) {
	if g.odd.due(g.o.Now()) {
		g.o.Told("forward_auth cannot tell who asks", err)
	}
	w.Header().Set("X-Gaol-Unsure", err.Error())
	if g.o.Closed {
		w.WriteHeader(http.StatusForbidden)
	}
	fmt.Fprintln(w, "unsure")
}

// client is whom a request is about: the last address in the header that is no trusted proxy,
// where a trusted one asks; else who asks. The header of anybody else is the client's own words.
func (g *Gate) client(r *http.Request) (netip.Addr, error) {
	if r.RemoteAddr != "" && r.RemoteAddr != "@" { // a unix socket has none: who may open it is trusted
		peer, err := parseAddr(r.RemoteAddr)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("read who asks: %w", err)
		}
		if !g.trusts(peer) {
			return peer, nil
		}
	}
	listed := strings.Join(r.Header.Values(g.o.Header), ",")
	if strings.TrimSpace(listed) == "" {
		return netip.Addr{}, fmt.Errorf("a trusted proxy asks without the header %s", g.o.Header)
	}
	hops := strings.Split(listed, ",")
	var last netip.Addr
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := parseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			if last.IsValid() {
				return last, nil // the client wrote what stands before
			}
			return netip.Addr{}, fmt.Errorf("%s names no address: %q", g.o.Header, clip(hops[i]))
		}
		if last = a; !g.trusts(a) {
			break
		}
	}
	return last, nil
}

func (g *Gate) trusts(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, p := range g.o.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddr reads an address, with or without a port and brackets.
func parseAddr(text string) (netip.Addr, error) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.Unmap().WithZone(""), err
}

func clip(text string) string {
	if len(text) > 80 {
		return text[:80]
	}
	return text
}

// reminder is due at most once a minute: who asks could fill the log.
type reminder struct {
	mu   sync.Mutex
	next time.Time
}

func (m *reminder) due(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.next) {
		return false
	}
	m.next = now.Add(time.Minute)
	return true
}
