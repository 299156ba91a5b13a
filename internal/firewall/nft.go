package firewall

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// NFTOptions says where the table is.
type NFTOptions struct {
	Table   string        // default "gaol"
	NetNS   string        // path of a network namespace; empty: our own
	Timeout time.Duration // of one call; default 10 s
}

// NFT is the Backend that speaks netlink to nf_tables (Linux 5.10 and later). It keeps one
// socket open; after an error the next call opens a new one.
type NFT struct {
	table *nftables.Table
	link  *link

	mu     sync.Mutex
	places map[string]*place
	read   bool // places hold what is in the kernel
	doubt  bool // the last Ensure failed: which rules stand is not known
	laid   bool // an Ensure has succeeded, and nothing of it was dropped since
	frame  frame
	missed []string // losses found and not yet told
	own    uint32   // transactions of ours that the kernel took, for Foreign
}

var _ Backend = (*NFT)(nil)

// NewNFT opens the socket and asks the kernel for our table, so that a missing right or
// kernel shows at start: the error wraps ErrPermission for the former. Nothing is changed; a
// table that exists is adopted by the first Ensure, with all its elements.
func NewNFT(o NFTOptions) (*NFT, error) {
	if o.Table == "" {
		o.Table = "gaol"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	l := &link{timeout: o.Timeout}
	if o.NetNS != "" {
		f, err := os.Open(o.NetNS)
		if err != nil {
			return nil, fmt.Errorf("open network namespace: %w", err)
		}
		l.ns = f
	}
	n := &NFT{
		table:  &nftables.Table{Name: o.Table, Family: nftables.TableFamilyINet},
		link:   l,
		places: map[string]*place{},
	}
	if err := n.adopt(); err != nil {
		return nil, errors.Join(fmt.Errorf("ask the kernel for table inet %s: %w", o.Table, err), n.Close())
	}
	return n, nil
}

// Ensure implements Backend. All targets become true in one transaction; none is sent where
// they are true already.
func (n *NFT) Ensure(targets []Target) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ensure(targets)
}

// Mend is Ensure, and tells in words what of our rules was found missing or changed since it
// was last asked, now or by another call. After an error it still has to be told.
func (n *NFT) Mend(targets []Target) (lacked []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.ensure(targets); err != nil {
		return nil, err
	}
	lacked, n.missed = n.missed, nil
	return lacked, nil
}

func (n *NFT) ensure(targets []Target) error {
	// Somebody may have deleted our table or parts of it since: what is there is asked anew.
	if err := n.adopt(); err != nil {
		return fmt.Errorf("list table inet %s: %w", n.table.Name, err)
	}
	after := clone(n.places)
	ops, err := planTargets(after, targets)
	if err != nil {
		return err
	}
	if len(n.frame.lacks(jumps(after))) > 0 {
		if ops, err = planEnsure(clone(n.places), targets); err != nil {
			return err
		}
	}
	if len(ops) > 0 {
		if err := n.commit(ops); err != nil {
			n.read, n.doubt = false, true
			return fmt.Errorf("make the rules of table inet %s: %w", n.table.Name, err)
		}
	}
	n.places, n.laid = after, true
	return nil
}

// Apply implements Backend.
func (n *NFT) Apply(changes []Change) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wishes, order, err := fold(changes)
	if err != nil {
		return err
	}
	if !n.read {
		if err := n.adopt(); err != nil {
			return fmt.Errorf("list table inet %s: %w", n.table.Name, err)
		}
	}
	var groups [][]op
	for _, jail := range order {
		p := n.places[jail]
		switch {
		case p == nil && wishes[jail].forget:
		case !wishes[jail].forget && (p == nil || !p.ruled):
			n.read = false
			return fmt.Errorf("change the bans of jail %s: %w", jail, ErrGone)
		case wishes[jail].forget:
			groups = append(groups, planForget(n.places, jail))
		default:
			groups = append(groups, planApply(p, wishes[jail], time.Now())...)
		}
	}
	for len(groups) > 0 {
		k := transaction(groups)
		err := n.commitGroups(groups[:k])
		if errors.Is(err, unix.EEXIST) {
			err = n.commitGroups(doubted(groups[:k]))
		}
		if err != nil {
			n.read = false // what we planned is not what is there
			if errors.Is(err, unix.ENOENT) {
				err = errors.Join(err, ErrGone)
			}
			return fmt.Errorf("change elements of table inet %s: %w", n.table.Name, err)
		}
		groups = groups[k:]
	}
	return nil
}

// transaction says how many of the groups fit into one transaction.
func transaction(groups [][]op) int {
	elems := 0
	for i, group := range groups {
		for _, o := range group {
			switch put := o.(type) {
			case putElems:
				if !put.delete {
					elems += len(put.elems)
				}
			case putAddrs:
				if !put.delete {
					elems += len(put.addrs)
				}
			}
		}
		if i > 0 && elems > 2*maxTransaction {
			return i
		}
	}
	return len(groups)
}

// commitGroups sends groups as one transaction. Without CAP_NET_ADMIN in the first user
// namespace the socket's buffer cannot grow and a big one is refused as too long: it is
// halved then.
func (n *NFT) commitGroups(groups [][]op) error {
	var ops []op
	for _, group := range groups {
		ops = append(ops, group...)
	}
	err := n.commit(ops)
	if half := len(groups) / 2; half > 0 && errors.Is(err, unix.EMSGSIZE) {
		if err := n.commitGroups(groups[:half]); err != nil {
			return err
		}
		return n.commitGroups(groups[half:])
	}
	return err
}

// commit sends ops as one transaction.
func (n *NFT) commit(ops []op) error {
	if len(ops) == 0 {
		return nil
	}
	err := n.link.do(func(c *nftables.Conn) error {
		if onlyAddrs(ops) {
			return n.link.transact(func(b *batch) {
				for _, o := range ops {
					o.(putAddrs).write(b, n.table.Name)
				}
			})
		}
		for _, o := range ops {
			if err := o.send(c, n.table); err != nil {
				return err
			}
		}
		return c.Flush()
	})
	if err == nil {
		n.own++
	}
	return err
}

func onlyAddrs(ops []op) bool {
	for _, o := range ops {
		if _, ok := o.(putAddrs); !ok {
			return false
		}
	}
	return len(ops) > 0
}

// Drop implements Backend. It works without Ensure before it: `gaol panic` is a new process.
func (n *NFT) Drop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.places, n.read, n.laid, n.missed = map[string]*place{}, false, false, nil
	// Adding first makes the deletion succeed where there is no table.
	if err := n.commit([]op{addTable{}, delTable{}}); err != nil {
		return fmt.Errorf("delete table inet %s: %w", n.table.Name, err)
	}
	return nil
}

// Close implements Backend.
func (n *NFT) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link.ns != nil {
		_ = n.link.ns.Close() // else the namespace would live on; a second Close finds it closed
	}
	return n.link.close()
}
