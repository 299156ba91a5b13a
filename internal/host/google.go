package host

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// IsGoogle tells whether addr is a crawler of Google's: its host name is below googlebot.com or
// google.com, and that name leads back to addr. The name alone proves nothing, the owner of an
// address may give it any. Where a look-up fails the answer is no. It decides as fail2ban's
// ignorecommands/apache-fakegooglebot does, letter case of names included.
func (r *Resolver) IsGoogle(ctx context.Context, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	name, err := r.NameOf(ctx, addr)
	if err != nil || !strings.HasSuffix(name, ".googlebot.com") && !strings.HasSuffix(name, ".google.com") {
		return false
	}
	back, err := r.Resolve(ctx, name)
	return err == nil && slices.Contains(back, addr)
}
