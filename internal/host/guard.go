package host

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Guard names addresses and networks that must not be banned and why, beside the Floor: what an
// admin allowed for a time, or the proxies that he trusts. It does not change; make another.
type Guard struct{ wards []ward }

type ward struct {
	prefix netip.Prefix
	end    time.Time // zero: for ever
	why    string
}

// With returns a Guard that also watches over id, an address or a network, until end (zero: for
// ever). why is a clause: "the allow-list has it until 12:00". g may be nil.
func (g *Guard) With(id string, end time.Time, why string) (*Guard, error) {
	p, err := parseBoth(id)
	if err != nil {
		return g, err
	}
	wider := &Guard{}
	if g != nil {
		wider.wards = slices.Clone(g.wards)
	}
	wider.wards = append(wider.wards, ward{p, end, why})
	return wider, nil
}

// Protects says whether a ban of id would hit somebody the guard watches over at that time: id
// is such an address, lies in such a network, or is a network that covers one. Ids that are
// neither are not protected. A nil Guard protects nobody.
func (g *Guard) Protects(id string, now time.Time) (why string, ok bool) {
	if g == nil || len(g.wards) == 0 {
		return "", false
	}
	p, err := parseBoth(id)
	if err != nil {
		return "", false
	}
	for _, w := range g.wards {
		if !w.end.IsZero() && !now.Before(w.end) {
			continue
		}
		switch {
		case !w.prefix.Overlaps(p):
		case p.Bits() < w.prefix.Bits():
			return fmt.Sprintf("it covers %s: %s", showPrefix(w.prefix), w.why), true
		default:
			return w.why, true
		}
	}
	return "", false
}

// Canonical is how an address or a network is written here: masked, IPv4 in IPv6 as IPv4, a
// network of one address as that address.
func Canonical(id string) (string, error) {
	p, err := parseBoth(id)
	if err != nil {
		return "", err
	}
	return showPrefix(p), nil
}

// parseBoth reads an address as the network of that address alone.
func parseBoth(text string) (netip.Prefix, error) {
	if a, ok := parseAddr(text); ok {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := parsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is no address and no network", text)
	}
	return unmapPrefix(p), nil
}

func showPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
