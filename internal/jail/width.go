package jail

import (
	"net/netip"

	"gaol/internal/event"
)

// Width is how wide an offender is: the length of the prefix, IPv4 and IPv6, whose failures are
// counted together and that is banned. 32 and 128, or zero, are single addresses.
type Width struct{ V4, V6 int }

// of is the prefix that an address counts as; false: it counts as itself.
func (w Width) of(a netip.Addr) (netip.Prefix, bool) {
	bits := w.V6
	if a.Is4() {
		bits = w.V4
	}
	if bits <= 0 || bits >= a.BitLen() {
		return netip.Prefix{}, false
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}

// Offender is the id under which failures of an id count: its prefix, where the jail's offenders
// are that wide, else itself.
func (j *Jail) Offender(id string) string {
	a, err := netip.ParseAddr(id)
	if err != nil {
		return id
	}
	if p, ok := j.o.Width.of(a); ok {
		return p.String()
	}
	return id
}

// widen makes a failure of an address one of its prefix. Where the prefix must not be banned as
// a whole, the failure stays the address's own, and why is returned.
func (j *Jail) widen(f event.Failure) (wide event.Failure, prefix, why string) {
	if f.Kind != event.Address {
		return f, "", ""
	}
	id := j.Offender(f.ID)
	if id == f.ID {
		return f, "", ""
	}
	if why, shielded := j.shielded(id); shielded {
		return f, id, why
	}
	if f.IP == f.ID {
		f.IP = "" // actions ban by the id then
	}
	f.ID, f.Kind = id, event.Network
	return f, "", ""
}

// shielded says whether a prefix holds somebody who must not be banned.
func (j *Jail) shielded(id string) (why string, shielded bool) {
	if j.o.Protected != nil {
		if why, ok := j.o.Protected(id, event.Network); ok {
			return why, true
		}
	}
	if j.o.Shields == nil {
		return "", false
	}
	p, err := netip.ParsePrefix(id)
	if err != nil {
		return "", false
	}
	return j.o.Shields(p)
}

// widened says whether a ban is one of a prefix that widen made of its addresses.
func widened(b event.Ban) bool { return b.Kind == event.Network && !b.Manual && b.IP == "" }
