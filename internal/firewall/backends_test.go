package firewall_test

import (
	"testing"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// kernel is a backend that can be asked more than Backend says.
type kernel interface {
	firewall.Backend
	Hits() (map[string]uint64, error)
	Mend(targets []firewall.Target) (lacked []string, err error)
}

type opener func(t testing.TB, n *netlab.Node) kernel

// tables are the places where the iptables backend can have its rules.
func tables() []firewall.IPTablesOptions {
	return []firewall.IPTablesOptions{
		{Variant: "nft", Table: "raw"}, {Variant: "nft", Table: "mangle"},
		{Variant: "legacy", Table: "raw"}, {Variant: "legacy", Table: "mangle"},
	}
}

// everywhere runs a test against nft and against iptables in both of its kinds, one in each
// table; in all four for allTables. What cannot be had on this machine fails: none of them is
// left out in silence.
func everywhere(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	withNFT(t, test)
	withIPTables(t, []firewall.IPTablesOptions{tables()[0], tables()[3]}, test)
}

func allTables(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	withNFT(t, test)
	withIPTables(t, tables(), test)
}

// oneOfEach is everywhere with one kind and table of iptables only, for tests that take long.
func oneOfEach(t *testing.T, in firewall.IPTablesOptions, test func(t *testing.T, open opener)) {
	t.Helper()
	withNFT(t, test)
	withIPTables(t, []firewall.IPTablesOptions{in}, test)
}

func withNFT(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	t.Run("nft", func(t *testing.T) {
		t.Parallel()
		test(t, func(t testing.TB, n *netlab.Node) kernel { t.Helper(); return open(t, n) })
	})
}

func withIPTables(t *testing.T, kinds []firewall.IPTablesOptions, test func(t *testing.T, open opener)) {
	t.Helper()
	for _, o := range kinds {
		t.Run("iptables-"+o.Variant+" "+o.Table, func(t *testing.T) {
			t.Parallel()
			test(t, func(t testing.TB, n *netlab.Node) kernel { t.Helper(); return openIPTables(t, n, o) })
		})
	}
}

func openIPTables(t testing.TB, n *netlab.Node, o firewall.IPTablesOptions) *firewall.IPTables {
	t.Helper()
	o.NetNS = n.Path()
	fw, err := firewall.NewIPTables(o)
	if err != nil {
		t.Fatal(err)
	}
	return fw
}
