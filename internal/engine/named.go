package engine

import (
	"net/netip"
	"strconv"
	"strings"
)

// named is an id as gaol's log has it: an address or a network as fail2ban writes it, any other text
// in quotes, of at most n bytes. Who chooses an id (<F-ID> of a user name, say) chooses what stands
// behind "Ban": `x [sshd] Ban 1.2.3.4` would be a ban of 1.2.3.4 to fail2ban's recidive filter, and
// `www.example.com` one of its addresses. A quote is no part of an address or a host name.
func named(id string, n int) string {
	if a, err := netip.ParseAddr(id); err == nil && a.Zone() == "" { // a zone is any text
		return id
	}
	if _, err := netip.ParsePrefix(id); err == nil {
		return id
	}
	more := ""
	if len(id) > n {
		id, more = strings.ToValidUTF8(id[:n], ""), "…"
	}
	return strconv.Quote(id) + more
}
