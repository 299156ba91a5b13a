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
	ports    bool      // only the pairs of the jail's port set
	verdict  verdict
}

func (o addRule) send(c *nftables.Conn, t *nftables.Table) error {
	c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: o.source.jail, Table: t}, Exprs: o.exprs()})
	return nil
}

func (o addRule) exprs() []expr.Any {
	exprs := append(matchSource(o.source), matchLocal()...)
	if o.protocol != nil {
		exprs = append(exprs,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{o.protocol.number}})
	}
	if o.ports {
		exprs = append(exprs,
			// Registers 1 and 9: the first and the second 4 bytes of the key.
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Payload{DestRegister: 9, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Lookup{SourceRegister: 1, SetName: setRef{jail: o.source.jail, kind: ports}.name()})
	}
	return append(exprs, &expr.Counter{}, o.verdict.expr())
}

func (o addRule) script(table string) string {
	words := []string{"add rule inet", table, o.source.jail}
	if o.source.kind.v6() {
		words = append(words, "ip6")
	} else {
		words = append(words, "ip")
	}
	words = append(words, "saddr @"+o.source.name(), "fib daddr type local")
	if o.protocol != nil {
		words = append(words, "meta l4proto", o.protocol.name)
	}
	if o.ports {
		words = append(words, "meta l4proto . th dport @"+setRef{jail: o.source.jail, kind: ports}.name())
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
	add := func(p *protocol, ports bool, v verdict) {
		ops = append(ops, addRule{source: source, protocol: p, ports: ports, verdict: v})
	}
	tcp := protocols()[0]
	other := unreachable
	if t.Block == Drop {
		other = drop
	}
	if len(protos) == 0 { // every protocol, all ports
		if t.Block == Reject {
			add(&tcp, false, reset)
		}
		add(nil, false, other)
		return ops
	}
	paired := false // the rule for the port set is there
	for _, p := range protos {
		withPorts := t.Ports != nil && p.ports
		switch {
		case p.number == tcp.number && t.Block == Reject:
			add(&p, withPorts, reset)
		case withPorts && !paired:
			add(nil, true, other)
			paired = true
		case !withPorts:
			add(&p, false, other)
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

// portElems are the elements of the target's port set, and whether one is a range.
func (t Target) portElems(protos []protocol) (elems []elem, span bool) {
	merged := mergePorts(t.Ports)
	span = slices.ContainsFunc(merged, func(r PortRange) bool { return r.First != r.Last })
	for _, r := range merged {
		for _, p := range protos {
			if p.ports {
				elems = append(elems, portElem(p, r, span))
			}
		}
	}
	return elems, span
}
