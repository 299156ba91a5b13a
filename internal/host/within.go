package host

import (
	"maps"
	"net/netip"
	"slices"
)

// Touches says whether a prefix shares an address with the list, and through which entry: banned
// as a whole it would keep out somebody who is on the list. Of names it knows what the last
// Refresh found.
func (l *List) Touches(p netip.Prefix) (entry string, ok bool) {
	p = unmapPrefix(p.Masked())
	for _, e := range l.nets {
		if e.prefix.Overlaps(p) {
			return e.text, true
		}
	}
	l.sort.Do(func() { l.sorted = slices.SortedFunc(maps.Keys(l.addrs), netip.Addr.Compare) })
	if i, _ := slices.BinarySearchFunc(l.sorted, p.Addr(), netip.Addr.Compare); i < len(l.sorted) && p.Contains(l.sorted[i]) {
		return l.addrs[l.sorted[i]], true
	}
	for _, f := range l.files {
		if held := f.current(); held != nil {
			if text, ok := held.Touches(p); ok {
				return "file:" + f.path + ": " + text, true
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for a, name := range l.known {
		if p.Contains(a) {
			return name, true
		}
	}
	return "", false
}
