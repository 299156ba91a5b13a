package firewall

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
)

// closed is one of the sets that hold what a jail closes, with its elements.
type closed struct {
	set   setRef
	elems []elem
}

// closed are the sets of what the target closes. Those of a scoped target are always there,
// also empty, and always hold ranges: whatever its endpoints become, its rules and the types
// of its sets stay, and with them bans, timers and counters.
func (p *place) closed(t Target, protos []protocol) []closed {
	if !t.Scoped {
		elems, span := t.portElems(protos)
		if len(elems) == 0 {
			return nil
		}
		return []closed{{setRef{p.id, ports, span}, elems}}
	}
	sets := []closed{{set: setRef{p.id, ports, true}}, {set: setRef{p.id, dst4, true}}, {set: setRef{p.id, dst6, true}}}
	for _, e := range t.Endpoints {
		into := &sets[0]
		switch {
		case e.Addr.Is4():
			into = &sets[1]
		case e.Addr.Is6():
			into = &sets[2]
		}
		if proto, err := findProtocol(e.Proto); err == nil { // endpoints has let nothing else pass
			into.elems = append(into.elems, portElem(e.Addr, proto, e.Port, true))
		}
	}
	return sets
}

// close makes the sets of what the target closes, anew: their types may have to change, and
// who closed fewer ports before must not close the old ones still.
func (p *place) close(t Target, protos []protocol) []op {
	var ops []op
	for _, k := range closedKinds() {
		if p.sets[k] {
			ops = append(ops, delSet{p.ref(k)})
			delete(p.sets, k)
		}
	}
	for _, c := range p.closed(t, protos) {
		ops = append(ops, addSet{c.set})
		ops = append(ops, chunks(c.set, false, c.elems)...)
		p.sets[c.set.kind] = true
	}
	return ops
}

// move changes endpoints and nothing else: only elements that differ are sent.
func (p *place) move(t Target) []op {
	var ops []op
	before, after := p.closed(p.target, nil), p.closed(t, nil)
	for i, c := range after {
		had, has := keys(flat(before[i].elems)), keys(flat(c.elems))
		old := slices.DeleteFunc(before[i].elems, func(e elem) bool { return has[e.id()] })
		fresh := slices.DeleteFunc(c.elems, func(e elem) bool { return had[e.id()] })
		// Old ones go first: the kernel refuses ranges that overlap.
		ops = append(ops, chunks(c.set, true, old)...)
		ops = append(ops, chunks(c.set, false, fresh)...)
	}
	return ops
}

// portElems are the elements of an unscoped target's port set, and whether one is a range.
func (t Target) portElems(protos []protocol) (elems []elem, span bool) {
	merged := mergePorts(t.Ports)
	span = slices.ContainsFunc(merged, func(r PortRange) bool { return r.First != r.Last })
	for _, r := range merged {
		for _, p := range protos {
			if p.ports {
				elems = append(elems, portElem(netip.Addr{}, p, r, span))
			}
		}
	}
	return elems, span
}

// portElem is an address, unless it is the zero one, a protocol and a port or a range of
// ports; in a set that holds ranges (span) single ports are ranges too, else nft lists them
// wrongly.
func portElem(a netip.Addr, p protocol, r PortRange, span bool) elem {
	key := func(port uint16) []byte { // each part of a concatenation fills a multiple of 4 bytes
		k := append(a.AsSlice(), p.number, 0, 0, 0)
		return append(append(k, binaryutil.BigEndian.PutUint16(port)...), 0, 0)
	}
	e := nftables.SetElement{Key: key(r.First)}
	if span {
		e.KeyEnd = key(r.Last)
	}
	return elem{keys: []nftables.SetElement{e}, text: func() string {
		if a.IsValid() {
			return fmt.Sprintf("%s . %s . %s", a, p.name, r)
		}
		return p.name + " . " + r.String()
	}}
}

func flat(elems []elem) []nftables.SetElement {
	var all []nftables.SetElement
	for _, e := range elems {
		all = append(all, e.keys...)
	}
	return all
}

// keys are elements in a form that can be compared.
func keys(elems []nftables.SetElement) map[string]bool {
	all := map[string]bool{}
	for _, e := range elems {
		all[keyText(e)] = true
	}
	return all
}

func keyText(e nftables.SetElement) string { return fmt.Sprintf("%x-%x", e.Key, e.KeyEnd) }

// id is what keys calls an element of one key.
func (e elem) id() string { return keyText(e.keys[0]) }
