package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/event"
)

// List is an ignoreip list (§3). It may be asked from several goroutines.
type List struct {
	// Trouble is told what is wrong with a list in a file, once; nil: nobody. To be set before use.
	Trouble func(error)

	addrs    map[netip.Addr]string // single addresses and how they are written
	nets     []entry
	names    []string
	files    []*listFile
	resolver *Resolver
	now      func() time.Time // nil: time.Now

	sort   sync.Once
	sorted []netip.Addr // keys of addrs, once Touches needed them

	mu    sync.Mutex
	known map[netip.Addr]string // addresses of names, as of the last Refresh; nil: never
}

type entry struct {
	text   string
	prefix netip.Prefix
}

// ParseList reads entries, each holding one or more of: address, address/length,
// address/netmask, host name, file:/path of a list (with comments behind # or ;); separated by
// blanks, commas or newlines. What cannot be read is left out, with an error that names it.
// Names are looked up with r and files read when somebody is asked for, not here; r may be nil
// where there are no names.
func ParseList(entries []string, r *Resolver) (*List, []error) {
	l := &List{addrs: map[netip.Addr]string{}, resolver: r}
	var bad []error
	for _, text := range entries {
		for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,\n\t\r", c) }) {
			if err := l.add(word); err != nil {
				bad = append(bad, fmt.Errorf("read ignoreip entry %q: %w", word, err))
			}
		}
	}
	return l, bad
}

func (l *List) add(word string) error {
	if a, ok := parseAddr(word); ok {
		l.addrs[a] = word
		return nil
	}
	if path, ok := strings.CutPrefix(word, "file:"); ok { // fail2ban 1.1.2 and later
		if !strings.HasPrefix(path, "/") {
			return errors.New("write the whole path, from / on")
		}
		l.files = append(l.files, &listFile{path: path, list: l})
		return nil
	}
	if strings.Contains(word, "/") {
		p, err := parsePrefix(word)
		if err != nil {
			return err
		}
		if p.IsSingleIP() {
			l.addrs[p.Addr()] = word
			return nil
		}
		l.nets = append(l.nets, entry{word, p})
		return nil
	}
	if err := checkName(word); err != nil {
		return err
	}
	l.names = append(l.names, word)
	return nil
}

// Contains says whether a ban id is on the list, and through which entry. An address is on it
// by itself, by a network or by a host name; a network (id with /) where its base address
// lies in a network of the list; anything else never, even if the same text is listed (§3).
// Of names it knows what the last Refresh found; without one before it waits for the resolver.
func (l *List) Contains(id string, kind event.IDKind) (entry string, ok bool) {
	switch kind {
	case event.Address:
		a, valid := parseAddr(id)
		if !valid {
			return "", false
		}
		if text, ok := l.addrs[a]; ok {
			return text, true
		}
		if text, ok := l.inNets(a); ok {
			return text, true
		}
		if text, ok := l.inFiles(id, kind); ok {
			return text, true
		}
		return l.byName(a)
	case event.Network:
		p, err := parsePrefix(id)
		if err != nil {
			return "", false
		}
		if text, ok := l.inNets(p.Addr()); ok {
			return text, true
		}
		return l.inFiles(id, kind)
	}
	return "", false
}

func (l *List) inFiles(id string, kind event.IDKind) (string, bool) {
	for _, f := range l.files {
		if held := f.current(); held != nil {
			if text, ok := held.Contains(id, kind); ok {
				return "file:" + f.path + ": " + text, true
			}
		}
	}
	return "", false
}

func (l *List) clock() time.Time {
	if l.now != nil {
		return l.now()
	}
	return time.Now()
}

func (l *List) inNets(a netip.Addr) (string, bool) {
	for _, e := range l.nets {
		if e.prefix.Contains(a) {
			return e.text, true
		}
	}
	return "", false
}

func (l *List) byName(a netip.Addr) (string, bool) {
	if len(l.names) == 0 {
		return "", false
	}
	l.mu.Lock()
	fresh := l.known != nil
	l.mu.Unlock()
	if !fresh {
		l.Refresh(context.Background())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name, ok := l.known[a]
	return name, ok
}

// refreshers is how many names are looked up at once: a list may be long.
const refreshers = 8

// Refresh looks up the list's names, for Contains to wait for nobody. It takes as long as the
// slowest look-up (see Resolver), more only with more than refreshers slow ones. A name that
// cannot be looked up matches nobody, or whom it matched before.
func (l *List) Refresh(ctx context.Context) {
	for _, f := range l.files {
		if held := f.current(); held != nil {
			held.Refresh(ctx)
		}
	}
	if len(l.names) == 0 {
		return
	}
	known := map[netip.Addr]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, refreshers)
	for _, name := range l.names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			addrs, err := l.resolver.Resolve(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			for _, a := range addrs {
				known[a] = name
			}
			if err != nil && !notFound(err) {
				l.keep(name, known)
			}
		})
	}
	wg.Wait()
	l.mu.Lock()
	l.known = known
	l.mu.Unlock()
}

// keep adds to known whom name matched before.
func (l *List) keep(name string, known map[netip.Addr]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a, n := range l.known {
		if n == name {
			known[a] = n
		}
	}
}

// inherit takes over what names of an earlier version stand for, until the next Refresh.
func (l *List) inherit(old *List) {
	if old == nil {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	l.known = map[netip.Addr]string{}
	for a, name := range old.known {
		if slices.Contains(l.names, name) {
			l.known[a] = name
		}
	}
}
