// Package firewall makes a set of bans true in the kernel.
//
// The native backend, NFT, owns one nftables table, `inet gaol`. Its base chain sits before
// DNAT (hook prerouting, priority raw), where a packet still carries the port its sender
// dialled: one rule closes port 2222 for a host service and for a published container port
// alike, for both families, and for connections that are already open. IPTables does the same
// with iptables and ipset where the kernel has no nf_tables, and Spread adds the namespaces of
// macvlan containers. Nothing is ever written but that table, or chains and sets of our own and
// the one jump to them. Memory is the same without a kernel, for tests of other rooms.
//
// Each ban is an element of a kernel set with its own timeout, so that bans end by themselves
// when gaol is dead. Who is banned, and for how long, is decided elsewhere.
package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Block is what happens to a banned client's packets.
type Block int

// The ways to block.
const (
	Drop   Block = iota // silence
	Reject              // tcp: reset; everything else: ICMP port unreachable. Needs Linux 5.9.
)

func (b Block) String() string {
	if b == Reject {
		return "reject"
	}
	return "drop"
}

// ParseBlock reads a blocktype as fail2ban's configurations write it: "drop", "DROP",
// "reject", "REJECT --reject-with icmp-port-unreachable"; empty means Drop.
func ParseBlock(text string) (Block, error) {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch strings.ToLower(word) {
	case "", "drop":
		return Drop, nil
	case "reject":
		return Reject, nil
	}
	return Drop, fmt.Errorf("read blocktype %q: want drop or reject", text)
}

// Target is what a jail's bans close.
type Target struct {
	Jail      string
	Ports     []PortRange // as the client dials them; nil: all ports
	Protocols []string    // from ParseProtocols; nil: all protocols
	Block     Block

	// Scoped says that Endpoints rule instead of Ports and Protocols. Without any nothing is
	// closed now, and the bans are kept for when there are some again: a container that is down.
	Scoped    bool
	Endpoints []Endpoint
	// Inside are namespaces in which the bans hold as well; Spread carries them there, the
	// other backends know nothing of it.
	Inside []Inside
}

// Element is one banned address or network.
type Element struct {
	Prefix  netip.Prefix  // host bits are ignored, IPv4 in IPv6 is IPv4
	Timeout time.Duration // what is left of the ban; 0: for ever; below 0: over, as if removed
	// Fresh is a hint: it is banned for the first time. That saves two thirds of the work; where
	// it is banned all the same it takes the new timeout as any other, at some cost.
	Fresh bool
}

// Change is what becomes different for one jail. Remove is carried out before Add; several
// changes to one jail in their order.
type Change struct {
	Jail   string
	Add    []Element // an element that is there already takes the new timeout
	Remove []netip.Prefix
	Forget bool // the jail is gone: its rules and all its elements go too, whatever else is said of it in the same call
}

// Backend is a firewall. Its calls return when the kernel has done the work. They may be
// called from several goroutines.
type Backend interface {
	// Ensure makes the rules of these targets exist as given. Elements that exist stay with
	// the time they have left, also when ports or block differ. Jails that are not named keep
	// their rules and elements (bans of a jail that could not be loaded still bite); List
	// shows them, and a Change with Forget ends them.
	Ensure(targets []Target) error
	// Apply makes all changes or none, up to 50,000 elements; more are cut in several
	// transactions. Removing what is not there, or is there no more, is no error.
	Apply(changes []Change) error
	// List returns the jails that have a place in the kernel, all or those that are named,
	// with their elements and what is left of their timeouts, ordered by address.
	List(jails ...string) (map[string][]Element, error)
	// Drop deletes everything that is ours, at once.
	Drop() error
	// Close ends the connection and leaves all bans in place.
	Close() error
}

var (
	// ErrPermission is wrapped in errors of calls that need CAP_NET_ADMIN.
	ErrPermission = errors.New("changing the firewall needs root or CAP_NET_ADMIN")
	// ErrGone is wrapped in errors of Apply when the jail has no place in the kernel: Ensure
	// was not called for it, or somebody deleted the table. Ensure, then Apply every ban.
	ErrGone = errors.New("the jail's sets do not exist in the kernel")
	// ErrTimeout is wrapped in errors of calls the kernel did not answer in time; what they
	// asked for may have happened. List tells.
	ErrTimeout = errors.New("the kernel did not answer in time")
)

// canonical is p as it is kept: IPv4, or IPv6 that is no mapped IPv4, host bits zero.
func canonical(p netip.Prefix) (netip.Prefix, error) {
	if a := p.Addr(); p.IsValid() && a.Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("ban %s: a network that mixes IPv4 and IPv6", p)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if !p.IsValid() {
		return p, fmt.Errorf("ban %v: not an address or network", p)
	}
	return p.Masked(), nil
}

// fold turns the changes into one wish per jail and prefix, the last one standing.
func fold(changes []Change) (map[string]*wish, []string, error) {
	wishes := map[string]*wish{}
	var order []string
	for _, c := range changes {
		w := wishes[c.Jail]
		if w == nil {
			w = newWish(len(c.Add) + len(c.Remove))
			wishes[c.Jail] = w
			order = append(order, c.Jail)
		}
		if c.Forget {
			*w = wish{forget: true, wanted: map[netip.Prefix]want{}}
			continue
		}
		if err := w.take(c); err != nil {
			return nil, nil, fmt.Errorf("jail %s: %w", c.Jail, err)
		}
	}
	return wishes, order, nil
}

// wish is what Apply has to reach for one jail.
type wish struct {
	forget bool
	order  []netip.Prefix
	wanted map[netip.Prefix]want
}

// want is what has to become of one prefix.
type want struct {
	timeout time.Duration // below 0: not there
	fresh   bool
}

const remove = time.Duration(-1)

func newWish(size int) *wish {
	return &wish{order: make([]netip.Prefix, 0, size), wanted: make(map[netip.Prefix]want, size)}
}

func (w *wish) take(c Change) error {
	for _, p := range c.Remove {
		if err := w.set(p, want{timeout: remove}); err != nil {
			return err
		}
	}
	for _, e := range c.Add {
		// A kernel timeout of 0 is for ever; what is left of a ban must never round to that.
		if t := e.Timeout; t > 0 {
			e.Timeout = max(t.Round(time.Millisecond), time.Millisecond)
		}
		if err := w.set(e.Prefix, want{max(e.Timeout, remove), e.Fresh}); err != nil {
			return err
		}
	}
	return nil
}

// set wants it of a prefix. What is fresh when it is named first is so for the whole call.
func (w *wish) set(p netip.Prefix, it want) error {
	p, err := canonical(p)
	if err != nil {
		return err
	}
	if before, known := w.wanted[p]; known {
		it.fresh = before.fresh
	} else {
		w.order = append(w.order, p)
	}
	w.wanted[p] = it
	return nil
}
