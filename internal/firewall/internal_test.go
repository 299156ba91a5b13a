package firewall

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gaol/internal/netlab"
)

func TestIdentIsSafeAndReversible(t *testing.T) {
	for _, jail := range []string{"sshd", "nginx-http-auth", "", "drop", "a b", "x;}", "ü", "\xff\x00", "a.2eb", "a_ban4", "..", strings.Repeat("n", 100)} {
		id := ident(jail)
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			t.Errorf("ident(%q) = %q", jail, id)
		}
		if back, ok := jailOf(id); !ok || back != jail {
			t.Errorf("jailOf(ident(%q)) = %q, %v", jail, back, ok)
		}
	}
	long := strings.Repeat("long;", 60)
	one, two := ident(long+"1"), ident(long+"2")
	if one == two || len(one) > identMax+len(identPrefix) {
		t.Errorf("idents of long names: %q, %q", one, two)
	}
	for _, foreign := range []string{"pre", "j_a.2", "j_a.zz"} {
		if jail, ok := jailOf(foreign); ok {
			t.Errorf("jailOf(%q) = %q, want no jail", foreign, jail)
		}
	}
}

func TestLinkOpensAnewAfterItsSocketBroke(t *testing.T) {
	n := openIn(t, netlab.New(t).Host.Path(), 0)
	n.link.raw.Close()
	if err := n.Ensure([]Target{{Jail: "sshd"}}); err == nil {
		t.Error("a call on a broken socket should fail")
	}
	if err := n.Ensure([]Target{{Jail: "sshd"}}); err != nil {
		t.Errorf("the call after that: %v", err)
	}
}

func TestCallsAreBoundedInTime(t *testing.T) {
	lab := netlab.New(t)
	n := openIn(t, lab.Host.Path(), 0)
	n.link.timeout = 1 // the watchdog bites before the kernel answers
	failed := false
	for end := time.Now().Add(5 * time.Second); !failed && time.Now().Before(end); {
		err := n.Ensure([]Target{{Jail: "sshd"}})
		failed = errors.Is(err, ErrTimeout)
		if err != nil && !failed {
			t.Fatalf("Ensure within 1 ns: %v, want ErrTimeout", err)
		}
	}
	if !failed {
		t.Error("no call timed out")
	}
	n.link.timeout = 10 * time.Second
	if err := n.Ensure([]Target{{Jail: "sshd"}}); err != nil {
		t.Errorf("the call after that: %v", err)
	}
}

func openIn(t *testing.T, ns string, limit time.Duration) *NFT {
	t.Helper()
	n, err := NewNFT(NFTOptions{NetNS: ns, Timeout: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// What does not fit into the socket's buffer is halved until it does.
func TestTooLongTransactionsAreHalved(t *testing.T) {
	n := openIn(t, netlab.New(t).Host.Path(), 0)
	if err := n.Ensure([]Target{{Jail: "sshd"}}); err != nil {
		t.Fatal(err)
	}
	if err := n.link.raw.SetWriteBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	var c Change
	c.Jail = "sshd"
	for i := range 20_000 {
		c.Add = append(c.Add, Element{Prefix: mustPrefix(byte(i>>8), byte(i))})
	}
	if err := n.Apply([]Change{c}); err != nil {
		t.Fatal(err)
	}
	bans, err := n.List()
	if err != nil || len(bans["sshd"]) != len(c.Add) {
		t.Errorf("%d of %d bans are there, %v", len(bans["sshd"]), len(c.Add), err)
	}
}
