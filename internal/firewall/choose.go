package firewall

import (
	"errors"
	"fmt"
)

// ErrNone is wrapped where neither nf_tables nor iptables with ipset can be used.
var ErrNone = errors.New("there is no firewall that gaol can use")

// Choice says which backend is wanted.
type Choice struct {
	Want     string                    // "nft", "iptables", or "auto", which is nft where the kernel has it
	NetNS    string                    // path of a network namespace; empty: our own
	NFT      func() (*NFT, error)      // opens nft; nil: NewNFT
	IPTables func() (*IPTables, error) // opens iptables; nil: NewIPTables
}

// Chosen is an open backend.
type Chosen struct {
	Backend Backend
	Name    string // which it is and why, for people
	Warning string // what an earlier run with the other backend left and cannot be deleted; mostly ""
}

// Choose opens a backend. What an earlier run has laid with the other one is deleted, since
// nobody would lift the bans in it; the store brings them back.
func Choose(c Choice) (Chosen, error) {
	if c.NFT == nil {
		c.NFT = func() (*NFT, error) { return NewNFT(NFTOptions{NetNS: c.NetNS}) }
	}
	if c.IPTables == nil {
		c.IPTables = func() (*IPTables, error) { return NewIPTables(IPTablesOptions{NetNS: c.NetNS}) }
	}
	switch c.Want {
	case "", "auto", "nft":
		nft, err := c.NFT()
		switch {
		case err == nil:
			return chosenNFT(nft, c), nil
		case errors.Is(err, ErrPermission) || c.Want == "nft":
			return Chosen{}, err
		}
		return c.chooseIPTables("the kernel has no nf_tables", err)
	case "iptables":
		return c.chooseIPTables("asked for by firewall = iptables", nil)
	}
	return Chosen{}, fmt.Errorf("read firewall = %q: want auto, nft or iptables", c.Want)
}

func chosenNFT(nft *NFT, c Choice) Chosen {
	why := "the kernel has nf_tables"
	if c.Want == "nft" {
		why = "asked for by firewall = nft"
	}
	chosen := Chosen{Backend: nft, Name: "nft table inet " + nft.table.Name + ", hook prerouting, before NAT: " + why}
	if err := DropIPTables(c.NetNS); err != nil {
		chosen.Warning = fmt.Sprintf("bans that an earlier run made with iptables may still be in force: %v", err)
	}
	return chosen
}

// chooseIPTables opens iptables; without is why nft cannot be used, nil where it is not wanted.
func (c Choice) chooseIPTables(why string, without error) (Chosen, error) {
	fw, err := c.IPTables()
	switch {
	case err != nil && without == nil:
		return Chosen{}, err
	case err != nil:
		return Chosen{}, fmt.Errorf("%w: nft: %w; iptables: %w", ErrNone, without, err)
	}
	chosen := Chosen{Backend: fw, Name: fw.String() + ": " + why}
	if without != nil {
		return chosen, nil
	}
	if err := DropNFT(c.NetNS); err != nil {
		chosen.Warning = fmt.Sprintf("bans that an earlier run made with nft may still be in force: %v", err)
	}
	return chosen, nil
}

// DropNFT deletes table inet gaol in this network namespace, or in the one that a path names.
// Where the kernel has no nf_tables there is none.
func DropNFT(netns string) error {
	nft, err := NewNFT(NFTOptions{NetNS: netns})
	if errors.Is(err, ErrPermission) {
		return err
	}
	if err != nil {
		return nil
	}
	if nft.frame.table {
		err = nft.Drop()
	}
	return errors.Join(err, nft.Close())
}

// DropAll deletes what any backend has laid: the way out when nobody knows which was in use.
func DropAll() error { return errors.Join(DropNFT(""), DropIPTables("")) }
