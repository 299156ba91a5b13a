package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// op is one step of a transaction. Each has two faces, side by side so that they stay the
// same: the netlink message that is sent and the nft command that is shown.
type op interface {
	send(c *nftables.Conn, t *nftables.Table) error
	script(table string) string // without line end
}

// addTable makes our table; one that exists is left as it is.
type addTable struct{}

func (addTable) send(c *nftables.Conn, t *nftables.Table) error { c.AddTable(t); return nil }
func (addTable) script(table string) string                     { return "add table inet " + table }

type delTable struct{}

func (delTable) send(c *nftables.Conn, t *nftables.Table) error { c.DelTable(t); return nil }
func (delTable) script(table string) string                     { return "delete table inet " + table }

// baseChain is the name of the chain that the kernel calls: hook prerouting, priority raw
// (-300), before conntrack and before DNAT, so that ports are those the client dialled.
const baseChain = "pre"

// addChain makes a chain; one that exists keeps its rules.
type addChain struct{ name string }

func (o addChain) send(c *nftables.Conn, t *nftables.Table) error {
	chain := &nftables.Chain{Name: o.name, Table: t}
	if o.name == baseChain {
		accept := nftables.ChainPolicyAccept
		chain.Type = nftables.ChainTypeFilter
		chain.Hooknum = nftables.ChainHookPrerouting
		chain.Priority = nftables.ChainPriorityRaw
		chain.Policy = &accept
	}
	c.AddChain(chain)
	return nil
}

func (o addChain) script(table string) string {
	line := fmt.Sprintf("add chain inet %s %s", table, o.name)
	if o.name == baseChain {
		line += " { type filter hook prerouting priority raw; policy accept; }"
	}
	return line
}

type flushChain struct{ name string }

func (o flushChain) send(c *nftables.Conn, t *nftables.Table) error {
	c.FlushChain(&nftables.Chain{Name: o.name, Table: t})
	return nil
}

func (o flushChain) script(table string) string {
	return fmt.Sprintf("flush chain inet %s %s", table, o.name)
}

type delChain struct{ name string }

func (o delChain) send(c *nftables.Conn, t *nftables.Table) error {
	c.DelChain(&nftables.Chain{Name: o.name, Table: t})
	return nil
}

func (o delChain) script(table string) string {
	return fmt.Sprintf("delete chain inet %s %s", table, o.name)
}

// setKind is what a jail's set holds, and the suffix of its name.
type setKind string

const (
	ban4  setKind = "ban4" // single IPv4 addresses: a hash, 7 times quicker to change than an interval set
	ban6  setKind = "ban6"
	net4  setKind = "net4" // networks, cut into pieces; made when the first one is banned
	net6  setKind = "net6"
	ports setKind = "port" // protocol and port pairs that are closed on every local address
	dst4  setKind = "dst4" // address, protocol and port that are closed
	dst6  setKind = "dst6"
)

// banKinds hold who is banned, closedKinds what is closed to them.
func banKinds() []setKind    { return []setKind{ban4, ban6, net4, net6} }
func closedKinds() []setKind { return []setKind{ports, dst4, dst6} }

func (k setKind) v6() bool       { return k == ban6 || k == net6 || k == dst6 }
func (k setKind) interval() bool { return k == net4 || k == net6 }
func (k setKind) closed() bool   { return slices.Contains(closedKinds(), k) }

// setRef is a set of a jail.
type setRef struct {
	jail string // as an identifier
	kind setKind
	span bool // closedKinds only: it holds ranges
}

func (r setRef) name() string { return r.jail + "_" + string(r.kind) }

// set is the set as the library needs it, for every message about it.
func (r setRef) set(t *nftables.Table) *nftables.Set {
	s := &nftables.Set{Table: t, Name: r.name(), KeyByteOrder: binaryutil.BigEndian}
	switch {
	case r.kind.closed():
		parts := []nftables.SetDatatype{nftables.TypeInetProto, nftables.TypeInetService}
		switch r.kind {
		case dst4:
			parts = slices.Insert(parts, 0, nftables.TypeIPAddr)
		case dst6:
			parts = slices.Insert(parts, 0, nftables.TypeIP6Addr)
		}
		s.KeyType = nftables.MustConcatSetType(parts...)
		s.Concatenation = true
		s.Interval = r.span
		return s
	case r.kind.v6():
		s.KeyType = nftables.TypeIP6Addr
	default:
		s.KeyType = nftables.TypeIPAddr
	}
	s.HasTimeout = true
	s.Interval = r.kind.interval()
	return s
}

func (r setRef) definition() string {
	addr := "ipv4_addr"
	if r.kind.v6() {
		addr = "ipv6_addr"
	}
	if r.kind.closed() {
		def := "type inet_proto . inet_service;"
		if r.kind != ports {
			def = "type " + addr + " . inet_proto . inet_service;"
		}
		if r.span {
			def += " flags interval;"
		}
		return def
	}
	def := "type " + addr + "; flags "
	if r.kind.interval() {
		def += "interval,"
	}
	return def + "timeout;"
}

// addSet makes a set; one that exists keeps its elements.
type addSet struct{ setRef }

func (o addSet) send(c *nftables.Conn, t *nftables.Table) error { return c.AddSet(o.set(t), nil) }

func (o addSet) script(table string) string {
	return fmt.Sprintf("add set inet %s %s { %s }", table, o.name(), o.definition())
}

type delSet struct{ setRef }

func (o delSet) send(c *nftables.Conn, t *nftables.Table) error { c.DelSet(o.set(t)); return nil }

func (o delSet) script(table string) string {
	return fmt.Sprintf("delete set inet %s %s", table, o.name())
}

// elem is an element of a set, in both of its faces.
type elem struct {
	keys []nftables.SetElement // two for an interval: where it begins, and behind its end
	text func() string         // rarely asked for
}

// putElems adds or deletes elements; at most maxElems, since one netlink attribute holds 64 KiB.
type putElems struct {
	setRef
	delete bool
	elems  []elem
}

func (o putElems) send(c *nftables.Conn, t *nftables.Table) error {
	all := make([]nftables.SetElement, 0, 2*len(o.elems))
	for _, e := range o.elems {
		all = append(all, e.keys...)
	}
	if o.delete {
		return c.SetDeleteElements(o.set(t), all)
	}
	return c.SetAddElements(o.set(t), all)
}

func (o putElems) script(table string) string {
	var texts []string
	for _, e := range o.elems {
		texts = append(texts, e.text())
	}
	verb := "add"
	if o.delete {
		verb = "delete"
	}
	return fmt.Sprintf("%s element inet %s %s { %s }", verb, table, o.name(), strings.Join(texts, ", "))
}

// putAddrs adds or deletes single addresses; at most maxElems.
type putAddrs struct {
	setRef
	delete bool
	fresh  bool // an address that is there is an error; else it is left as it is
	bare   bool // without timeouts
	addrs  []timed
}

func (o putAddrs) send(c *nftables.Conn, t *nftables.Table) error {
	all := make([]nftables.SetElement, len(o.addrs))
	for i, a := range o.addrs {
		all[i].Key = a.addr.AsSlice()
		if !o.bare {
			all[i].Timeout = a.timeout
		}
	}
	if o.delete {
		return c.SetDeleteElements(o.set(t), all)
	}
	if o.fresh { // the library cannot refuse what is there
		if err := errors.Join(c.SetAddElements(o.set(t), all), c.SetDeleteElements(o.set(t), all)); err != nil {
			return err
		}
	}
	return c.SetAddElements(o.set(t), all)
}

// write is send without the library.
func (o putAddrs) write(b *batch, table string) {
	switch {
	case o.delete:
		b.elements(unix.NFT_MSG_DELSETELEM, 0, table, o.name(), o.addrs, true)
	case o.fresh:
		b.elements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE|unix.NLM_F_EXCL, table, o.name(), o.addrs, o.bare)
	default:
		b.elements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, table, o.name(), o.addrs, o.bare)
	}
}

func (o putAddrs) script(table string) string {
	verb := "add"
	if o.delete {
		verb = "delete"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s element inet %s %s {", verb, table, o.name())
	for i, a := range o.addrs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(a.addr.String())
		if !o.bare {
			b.WriteString(timeoutText(a.timeout))
		}
	}
	b.WriteString(" }")
	return b.String()
}

// pieceElem is a piece of a network. One that is only a part names its network in its
// comment, so that List finds the ban that was asked for.
func pieceElem(p piece, timeout time.Duration) elem {
	begin := nftables.SetElement{Key: p.first.AsSlice(), Timeout: timeout}
	text := func() string { return p.String() + timeoutText(timeout) }
	if !p.whole() {
		begin.Comment = p.owner.String()
		text = func() string { return fmt.Sprintf("%s%s comment %q", p, timeoutText(timeout), p.owner) }
	}
	behind := p.last.Next()
	if !behind.IsValid() { // up to the last address there is: no end marker
		begin.IntervalOpen = true
		return elem{keys: []nftables.SetElement{begin}, text: text}
	}
	return elem{keys: []nftables.SetElement{begin, {Key: behind.AsSlice(), IntervalEnd: true}}, text: text}
}

// timeoutText is a timeout as nft reads it: " timeout 1h2m3s4ms" with zeros left out.
func timeoutText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" timeout ")
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	return b.String()
}

// keyRange is the interval [first, behind) of the kernel as first and last address.
func keyRange(first, behind netip.Addr) netipx.IPRange {
	if !behind.IsValid() {
		return netipx.IPRangeFrom(first, netipx.PrefixLastIP(netip.PrefixFrom(first, 0)))
	}
	return netipx.IPRangeFrom(first, behind.Prev())
}
