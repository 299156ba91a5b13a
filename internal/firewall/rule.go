package firewall

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// verdict is what a rule does with a packet.
type verdict int

const (
	drop verdict = iota
	reset
	unreachable
)

// addJump sends packets through a jail's chain.
type addJump struct{ to string }

func (o addJump) send(c *nftables.Conn, t *nftables.Table) error {
	c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: baseChain, Table: t}, Exprs: o.exprs()})
	return nil
}

func (o addJump) exprs() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: o.to}}
}

func (o addJump) script(table string) string {
	return fmt.Sprintf("add rule inet %s %s jump %s", table, baseChain, o.to)
}

// addRule closes what a jail closes to the addresses of one of its sets. The source is looked
// up first: innocent packets cost one hash lookup per jail and family.
type addRule struct {
	source   setRef
	protocol *protocol // only this one
	closed   setKind   // only what is in this set of the jail; empty: everything
	verdict  verdict
}

func (o addRule) send(c *nftables.Conn, t *nftables.Table) error {
	c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: o.source.jail, Table: t}, Exprs: o.exprs()})
	return nil
}

func (o addRule) exprs() []expr.Any {
	exprs := matchSource(o.source)
	if o.local() {
		exprs = append(exprs, matchLocal()...)
	}
	if o.protocol != nil {
		exprs = append(exprs,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{o.protocol.number}})
	}
	if o.closed != "" {
		exprs = append(exprs, o.matchClosed()...)
	}
	return append(exprs, &expr.Counter{}, o.verdict.expr())
}

// local says whether only packets to this machine are meant. An address that a client may dial
// need not be one of its own: a container's that is reached without NAT.
func (o addRule) local() bool { return o.closed != dst4 && o.closed != dst6 }

// matchClosed is `meta l4proto . th dport @set`, with `ip daddr . ` before it where the set has
// addresses. A key begins in register 1, of 16 bytes; what follows is in the next register of
// its own size that is free, as nft numbers them (linux/netfilter/nf_tables.h: 1 to 4 are of
// 16 bytes, 8 to 23 the same room as registers of 4).
func (o addRule) matchClosed() []expr.Any {
	var exprs []expr.Any
	proto, port := uint32(1), uint32(9)
	switch o.closed {
	case dst4:
		proto, port = 9, 10
		exprs = append(exprs, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}) // RFC 791
	case dst6:
		proto, port = 2, 13
		exprs = append(exprs, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 24, Len: 16}) // RFC 8200
	}
	return append(exprs,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: proto},
		&expr.Payload{DestRegister: port, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: setRef{jail: o.source.jail, kind: o.closed}.name()})
}

func (o addRule) script(table string) string {
	words := []string{"add rule inet", table, o.source.jail}
	family := "ip"
	if o.source.kind.v6() {
		family = "ip6"
	}
	words = append(words, family, "saddr @"+o.source.name())
	if o.local() {
		words = append(words, "fib daddr type local")
	}
	if o.protocol != nil {
		words = append(words, "meta l4proto", o.protocol.name)
	}
	if o.closed != "" {
		key := "meta l4proto . th dport"
		if !o.local() {
			key = family + " daddr . " + key
		}
		words = append(words, key, "@"+setRef{jail: o.source.jail, kind: o.closed}.name())
	}
	return strings.Join(append(words, "counter", o.verdict.String()), " ")
}

// matchSource is `ip saddr @set`; in an inet table it holds for one family only, which is
// said first, as nft does.
func matchSource(s setRef) []expr.Any {
	family, offset, length := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4) // RFC 791
	if s.kind.v6() {
		family, offset, length = unix.NFPROTO_IPV6, 8, 16 // RFC 8200
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Lookup{SourceRegister: 1, SetName: s.name()},
	}
}

// matchLocal is `fib daddr type local`: the packet was sent to this machine. What it only
// forwards for others is none of a jail's business; published container ports are local
// addresses here, before DNAT.
func matchLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	}
}

func (v verdict) expr() expr.Any {
	switch v {
	case reset:
		return &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}
	case unreachable:
		return &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}
	}
	return &expr.Verdict{Kind: expr.VerdictDrop}
}

func (v verdict) String() string {
	switch v {
	case reset:
		return "reject with tcp reset"
	case unreachable:
		return "reject with icmpx type port-unreachable"
	}
	return "drop"
}

// rules are those that close the target to the addresses of one set.
func (t Target) rules(source setRef, protos []protocol) []op {
	var ops []op
	add := func(p *protocol, closed setKind, v verdict) {
		ops = append(ops, addRule{source: source, protocol: p, closed: closed, verdict: v})
	}
	tcp := protocols()[0]
	other := unreachable
	if t.Block == Drop {
		other = drop
	}
	closed := []setKind{""}
	if t.Scoped {
		closed = []setKind{ports, dst4}
		if source.kind.v6() {
			closed[1] = dst6
		}
	}
	if t.Scoped || len(protos) == 0 { // every protocol
		for _, k := range closed {
			if t.Block == Reject {
				add(&tcp, k, reset)
			}
			add(nil, k, other)
		}
		return ops
	}
	paired := false // the rule for the port set is there
	for _, p := range protos {
		closed, withPorts := setKind(""), t.Ports != nil && p.ports
		if withPorts {
			closed = ports
		}
		switch {
		case p.number == tcp.number && t.Block == Reject:
			add(&p, closed, reset)
		case withPorts && !paired:
			add(nil, closed, other)
			paired = true
		case !withPorts:
			add(&p, "", other)
		}
	}
	return ops
}

// protos are the protocols the target names, tcp first: its rule of a reject must be asked
// before the one for all others. None and with ports means those that have ports.
func (t Target) protos() ([]protocol, error) {
	var found []protocol
	for _, name := range t.Protocols {
		p, err := findProtocol(name)
		if err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(found, p):
		case p.name == "tcp":
			found = append([]protocol{p}, found...)
		default:
			found = append(found, p)
		}
	}
	if len(found) == 0 && t.Ports != nil {
		for _, p := range protocols() {
			if p.ports {
				found = append(found, p)
			}
		}
	}
	return found, nil
}
