package filter

import (
	"net/netip"
	"strconv"
	"strings"

	"gaol/internal/event"
)

// identity is whose failure a match is (§2.5).
type identity struct {
	id   string
	kind event.IDKind
	ip   string // the address that was captured
}

// identify reads the ban id out of the fields: <F-ID>, else the address, else the host name.
func identify(d told, usedns string) (identity, bool) {
	addr, prefix := d.ip4, d.cidr
	if addr == "" {
		addr = d.ip6
	}
	var who identity
	switch {
	case addr != "":
		if prefix != "" {
			addr += "/" + prefix
		}
		who.id, who.kind = canonical(addr)
		who.ip = who.id
	case d.dns != "":
		who.id, who.kind = canonical(d.dns)
		if who.kind == event.Raw && (usedns == "yes" || usedns == "warn") {
			who.kind = event.Name
		}
		who.ip = who.id
	}
	if d.fid != "" {
		who.id, who.kind = canonical(d.fid)
	}
	return who, who.id != ""
}

// canonical writes an address or prefix in its one form: IPv4-mapped addresses as IPv4, the base
// address masked, a prefix that is one address without its length. Text that is neither stays as
// it is: fail2ban bans it all the same. A prefix of length 0 loses its length, so that no log line
// can ban everybody.
func canonical(text string) (string, event.IDKind) {
	if at := strings.LastIndexByte(text, '/'); at >= 0 {
		return canonicalPrefix(text, at)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		if a.Is4() {
			return text, event.Address // it has one form only
		}
		return a.Unmap().String(), event.Address
	}
	return text, event.Raw
}

func canonicalPrefix(text string, at int) (string, event.IDKind) {
	a, err := netip.ParseAddr(text[:at])
	bits, bad := strconv.Atoi(text[at+1:])
	if err != nil || bad != nil || bits < 0 || a.Zone() != "" {
		if err != nil && bad == nil {
			return text[:at], event.Raw
		}
		return text, event.Raw
	}
	if a.Is4In6() {
		bits = max(bits-96, 0)
	}
	a = a.Unmap()
	p, err := a.Prefix(min(bits, a.BitLen()))
	switch {
	case err != nil:
		return text, event.Raw
	case p.Bits() == a.BitLen() || p.Bits() == 0:
		return p.Addr().String(), event.Address
	}
	return p.String(), event.Network
}
