package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// IPTablesOptions says where the rules go.
type IPTablesOptions struct {
	Variant string        // "nft" or "legacy"; empty: the one that holds Docker's chains, else the one that `iptables` is
	Table   string        // "raw" or "mangle"; empty: raw where the kernel has it, else mangle
	NetNS   string        // path of a network namespace; empty: our own
	Timeout time.Duration // of one command; default 10 s
}

// IPTables is the Backend for kernels without nf_tables, and for who wants no table of its own
// beside iptables: sets of ipset(8), and rules of iptables(8) in PREROUTING of table raw (else
// mangle), where packets still carry the port their sender dialled. It runs iptables-restore
// and ipset, each for many changes at once.
//
// It differs from NFT in four ways. Nothing can be rejected there, so Reject drops (see
// Differs). Elements are not changed in one transaction: when Apply fails, a part of them may
// have been. The kernel keeps no timeout above 2,147,483 s (24.8 days): a longer ban is
// prolonged by Ensure and Mend. And timeouts are whole seconds, rounded up.
type IPTables struct {
	tools    *tools
	v        variant
	table    string
	why      string
	families []family // those of the kernel

	mu     sync.Mutex
	places map[string]*ipPlace // by id
	read   bool                // places hold what is in the kernel
	swept  bool                // what an earlier run left in another table or variant is gone
	chains map[chainRef]laid   // as written by us
	missed []string            // losses found and not yet told
	now    func() time.Time
}

var _ Backend = (*IPTables)(nil)

// ipPlace is what a jail has in the kernel.
type ipPlace struct {
	id     string
	jail   string
	target Target
	ruled  bool // target is what the rules say; false while the place is only adopted
	long   longBans
}

// laid is a chain as we wrote it and as iptables-save prints it, which need not be the same.
type laid struct{ asked, printed []string }

type chainRef struct {
	family family
	chain  string
}

// NewIPTables finds the programs, and asks the kernel for what it needs, so that what is
// missing shows at start: the error wraps ErrPermission, or says which package or module
// brings it. Nothing is changed; rules and sets that exist are adopted by the first Ensure.
func NewIPTables(o IPTablesOptions) (*IPTables, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	n := &IPTables{
		tools:  &tools{ns: o.NetNS, timeout: o.Timeout},
		places: map[string]*ipPlace{}, chains: map[chainRef]laid{}, now: time.Now,
	}
	if err := n.tools.findSets(); err != nil {
		return nil, err
	}
	var err error
	if n.v, n.table, n.why, err = n.tools.choose(o.Variant, o.Table); err != nil {
		return nil, err
	}
	n.families = families()
	return n, nil
}

// String is what the backend is, for people: "iptables (legacy) in mangle PREROUTING, with ipset".
func (n *IPTables) String() string {
	return fmt.Sprintf("iptables (%s: %s) in %s PREROUTING, before NAT, with ipset", n.v.kind, n.why, n.table)
}

// Differs says in words what of a target is carried out otherwise than it asks for; mostly "".
func (n *IPTables) Differs(t Target) string {
	if t.Block == Reject {
		return "blocktype = reject is carried out as drop: iptables cannot reject before NAT"
	}
	return ""
}

// Ensure implements Backend. The rules of one family become true in one transaction.
func (n *IPTables) Ensure(targets []Target) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ensure(targets)
}

// Mend is Ensure, and tells in words what of our rules was found missing or changed since it
// was last asked, now or by another call. After an error it still has to be told.
func (n *IPTables) Mend(targets []Target) (lacked []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.ensure(targets); err != nil {
		return nil, err
	}
	lacked, n.missed = n.missed, nil
	return lacked, nil
}

func (n *IPTables) ensure(targets []Target) error {
	for _, t := range targets {
		if _, err := t.iptables(v4); err != nil {
			return fmt.Errorf("jail %s: %w", t.Jail, err)
		}
	}
	if !n.swept {
		if err := n.tools.sweep(func(v variant, table string) bool { return v.kind == n.v.kind && table == n.table }); err != nil {
			return fmt.Errorf("delete the rules of an earlier run: %w", err)
		}
		n.swept = true
	}
	state, err := n.adopt()
	if err != nil {
		return err
	}
	for _, t := range targets {
		p := n.home(t.Jail)
		p.jail, p.target, p.ruled = t.Jail, t, true
	}
	if err := n.makeSets(state); err != nil {
		return err
	}
	for _, f := range n.families {
		if err := n.makeRules(f, state); err != nil {
			return err
		}
	}
	return n.prolong()
}

// home is the jail's place.
func (n *IPTables) home(jail string) *ipPlace {
	id := shortIdent(jail)
	if n.places[id] == nil {
		n.places[id] = &ipPlace{id: id, jail: jail, long: longBans{}}
	}
	return n.places[id]
}

// sorted are all places in the order of their rules.
func (n *IPTables) sorted() []*ipPlace {
	var all []*ipPlace
	for _, p := range n.places {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *ipPlace) int { return strings.Compare(a.id, b.id) })
	return all
}

// Apply implements Backend, but for its being one transaction. What can be refused is refused
// before anything is changed.
func (n *IPTables) Apply(changes []Change) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wishes, order, err := fold(changes)
	if err != nil {
		return err
	}
	if !n.read {
		if _, err := n.adopt(); err != nil {
			return err
		}
	}
	var script strings.Builder
	var forget []*ipPlace
	for _, jail := range order {
		p := n.places[shortIdent(jail)]
		switch {
		case wishes[jail].forget:
			if p != nil {
				forget = append(forget, p)
			}
		case p == nil || !p.ruled:
			n.read = false
			return fmt.Errorf("change the bans of jail %s: %w", jail, ErrGone)
		default:
			p.script(&script, wishes[jail], n.now())
		}
	}
	if err := n.tools.sets(script.String()); err != nil {
		n.read = false
		return fmt.Errorf("change the sets of ipset: %w", err)
	}
	return n.forget(forget)
}

// List implements Backend.
func (n *IPTables) List(jails ...string) (map[string][]Element, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(jails) == 0 || !n.read {
		if _, err := n.adopt(); err != nil {
			return nil, err
		}
	}
	all := map[string][]Element{}
	for _, p := range n.sorted() {
		if len(jails) > 0 && !slices.Contains(jails, p.jail) {
			continue
		}
		elems, err := n.elements(p)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the bans of jail %s: %w", p.jail, err)
		}
		all[p.jail] = elems
	}
	return all, nil
}

// Drop implements Backend. It works without Ensure before it, and finds what is ours in every
// variant and table.
func (n *IPTables) Drop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.places, n.chains = map[string]*ipPlace{}, map[chainRef]laid{}
	n.read, n.swept, n.missed = false, false, nil
	return dropIPTables(n.tools)
}

// Close implements Backend.
func (n *IPTables) Close() error { return nil }

// DropIPTables deletes what an IPTables backend has laid in this network namespace, or in the
// one that a path names, whichever variant and table it is in. Where iptables or ipset are not
// installed there is nothing.
func DropIPTables(netns string) error {
	return dropIPTables(&tools{ns: netns, timeout: 10 * time.Second})
}

func dropIPTables(t *tools) error {
	err := t.sweep(func(variant, string) bool { return false })
	return errors.Join(err, t.destroyAll())
}

// miss notes a loss for the next Mend to tell.
func (n *IPTables) miss(what string) {
	if !slices.Contains(n.missed, what) {
		n.missed = append(n.missed, what)
	}
}
