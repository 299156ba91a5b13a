package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// What bounds the resolver: names come from logs, so an attacker picks them and may own the
// name server that is slow to answer.
const (
	resolveLimit = 3 * time.Second
	cacheTime    = 5 * time.Minute // fail2ban's (§2.5), for failures too
	cacheSize    = 1000
)

// Resolver looks up host names and remembers what it found. It is safe for concurrent use.
type Resolver struct {
	// LookupNetIP is net.Resolver's; now is the clock. Tests set their own.
	LookupNetIP func(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr  func(ctx context.Context, addr string) ([]string, error) // the other way round
	now         func() time.Time

	mu    sync.Mutex
	cache map[string]answer
}

type answer struct {
	addrs []netip.Addr
	name  string // of a look-up by address
	err   error
	until time.Time
}

// NewResolver returns a resolver on the system's configuration (/etc/hosts, /etc/resolv.conf).
func NewResolver() *Resolver {
	return &Resolver{LookupNetIP: net.DefaultResolver.LookupNetIP, LookupAddr: net.DefaultResolver.LookupAddr,
		now: time.Now, cache: map[string]answer{}}
}

// Resolve returns the IPv4 and IPv6 addresses of name, IPv4-mapped ones as IPv4, each once. It
// takes resolveLimit at most. Answers and failures are remembered for cacheTime; where a name
// was known and cannot be asked for now, the old addresses hold, so that a name server that is
// down does not take staff out of ignoreip.
func (r *Resolver) Resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("look up %.100q: %w", name, err)
	}
	name = strings.ToLower(name)
	old, known := r.recall(name)
	if known && r.now().Before(old.until) {
		return old.addrs, old.err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", name)
	a := answer{addrs: unique(found), until: r.now().Add(cacheTime)}
	if err != nil {
		a.addrs, a.err = nil, fmt.Errorf("look up %s: %w", name, err)
		if known && old.err == nil && !notFound(err) {
			a.addrs, a.err = old.addrs, nil
		}
	}
	r.remember(name, a)
	return a.addrs, a.err
}

// Known is the answer to Resolve where it is remembered; known is false where a look-up would
// be needed.
func (r *Resolver) Known(name string) (addrs []netip.Addr, known bool, err error) {
	if err := checkName(name); err != nil {
		return nil, true, fmt.Errorf("look up %.100q: %w", name, err)
	}
	a, ok := r.recall(strings.ToLower(name))
	if !ok || !r.now().Before(a.until) {
		return nil, false, nil
	}
	return a.addrs, true, a.err
}

func notFound(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

func (r *Resolver) recall(name string) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.cache[name]
	return a, ok
}

// remember stores an answer; where the cache is full the one that ends first leaves.
func (r *Resolver) remember(name string, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.cache[name]; !ok && len(r.cache) >= cacheSize {
		first := ""
		for n, old := range r.cache {
			if first == "" || old.until.Before(r.cache[first].until) {
				first = n
			}
		}
		delete(r.cache, first)
	}
	r.cache[name] = a
}

func unique(addrs []netip.Addr) []netip.Addr {
	seen := map[netip.Addr]bool{}
	var out []netip.Addr
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// checkName refuses what cannot be a host name: RFC 1123's grammar, with the underscores that
// people use, and a letter somewhere, so that a mistyped address is not asked for as a name.
func checkName(name string) error {
	if len(name) > 253 {
		return errors.New("longer than any host name (253 bytes)")
	}
	letter := false
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("neither an address, a network nor a host name")
		}
		for _, c := range []byte(strings.ToLower(label)) {
			isLetter := c >= 'a' && c <= 'z'
			letter = letter || isLetter
			if !isLetter && (c < '0' || c > '9') && c != '-' && c != '_' {
				return errors.New("neither an address, a network nor a host name")
			}
		}
	}
	if !letter {
		return errors.New("neither an address, a network nor a host name")
	}
	return nil
}
