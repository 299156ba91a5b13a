// Package host knows names and addresses: who is in ignoreip, who must never be banned (the
// floor), and which addresses a host name stands for.
package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"gaol/internal/event"
)

// ParseID reads what a user or a log calls an offender and returns the ban id that gaol uses
// for it: an address in canonical form, a network with its base address masked and /32 or /128
// dropped (§2.5), or the text itself. What is IPv4-mapped becomes IPv4, as its packets are.
func ParseID(text string) (id string, kind event.IDKind) {
	if a, ok := parseAddr(text); ok {
		return a.String(), event.Address
	}
	p, err := parsePrefix(text)
	p = unmapPrefix(p)
	switch {
	case err != nil:
		return text, event.Raw
	case p.IsSingleIP():
		return p.Addr().String(), event.Address
	}
	return p.String(), event.Network
}

// parseAddr reads an address; false for one with a zone, which no log writes about a client
// and no firewall set can hold.
func parseAddr(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// parsePrefix reads address/length and address/netmask (255.255.0.0, ffff:ffff::), and masks
// the address. The base of an IPv4-mapped network stays IPv6, as fail2ban has it: such an
// entry does not match IPv4 (§9, further traps).
func parsePrefix(text string) (netip.Prefix, error) {
	base, length, ok := strings.Cut(text, "/")
	if !ok {
		return netip.Prefix{}, errors.New("not a network: there is no /")
	}
	a, err := netip.ParseAddr(base)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is not an address", base)
	}
	bits, err := prefixLength(length, a.BitLen())
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, bits).Masked(), nil
}

func prefixLength(text string, most int) (int, error) {
	if mask, err := netip.ParseAddr(text); err == nil && mask.BitLen() == most {
		return maskLength(mask)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most || strings.HasPrefix(text, "+") {
		return 0, fmt.Errorf("%q is neither a length from 0 to %d nor a netmask", text, most)
	}
	return n, nil
}

// maskLength counts the leading ones of a netmask and refuses ones behind a zero.
func maskLength(mask netip.Addr) (int, error) {
	length, zero := 0, false
	for _, b := range mask.AsSlice() {
		for bit := 7; bit >= 0; bit-- {
			one := b>>bit&1 == 1
			if one && zero {
				return 0, fmt.Errorf("%s is no netmask: it has ones behind a zero", mask)
			}
			if one {
				length++
			}
			zero = !one
		}
	}
	return length, nil
}
