package host

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// NameOf returns the host name of an address by reverse look-up, without the dot at its end.
// The owner of the address picks the name, and may own a name server that is slow to answer:
// resolveLimit, the cache and the grammar of names are those of Resolve.
func (r *Resolver) NameOf(ctx context.Context, addr netip.Addr) (string, error) {
	key := addr.Unmap().WithZone("").String()
	old, known := r.recall(key)
	if known && r.now().Before(old.until) {
		return old.name, old.err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	names, err := r.LookupAddr(ctx, key)
	a := answer{until: r.now().Add(cacheTime)}
	switch {
	case err != nil:
		a.err = fmt.Errorf("look up name of %s: %w", key, err)
	case len(names) == 0:
		a.err = fmt.Errorf("look up name of %s: it has none", key)
	default:
		a.name = strings.TrimSuffix(names[0], ".")
		if err := checkName(a.name); err != nil {
			a.name, a.err = "", fmt.Errorf("look up name of %s: %.100q is %w", key, names[0], err)
		}
	}
	r.remember(key, a)
	return a.name, a.err
}
