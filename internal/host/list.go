package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"gaol/internal/event"
)

// List is an ignoreip list (§3). It does not change; a Resolver remembers its names.
type List struct {
	addrs    map[netip.Addr]string // single addresses and how they are written
	nets     []entry
	names    []string
	resolver *Resolver
}

type entry struct {
	text   string
	prefix netip.Prefix
}

// ParseList reads entries, each holding one or more of: address, address/length,
// address/netmask, host name; separated by blanks, commas or newlines. What cannot be read is
// left out, with an error that names it. Names are looked up with r when somebody is asked
// for, not here; r may be nil where there are none.
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
	if strings.HasPrefix(word, "file:") { // fail2ban 1.1.2 and later
		return errors.New("lists in files are not supported; write the addresses into ignoreip")
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
// It may wait for the resolver where the list holds names.
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
		return l.byName(a)
	case event.Network:
		p, err := parsePrefix(id)
		if err != nil {
			return "", false
		}
		return l.inNets(p.Addr())
	}
	return "", false
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
	for _, name := range l.names {
		addrs, err := l.resolver.Resolve(context.Background(), name)
		if err != nil {
			continue // a name that cannot be looked up matches nobody
		}
		for _, b := range addrs {
			if a == b {
				return name, true
			}
		}
	}
	return "", false
}
