package firewall_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// both runs a test against the kernel and against its twin: what other rooms learn from
// Memory must hold for NFT and for IPTables.
func both(t *testing.T, test func(t *testing.T, fw firewall.Backend)) {
	t.Helper()
	t.Run("nft", func(t *testing.T) { test(t, open(t, netlab.New(t).Host)) })
	t.Run("iptables", func(t *testing.T) { test(t, openIPTables(t, netlab.New(t).Host, tables()[0])) })
	t.Run("memory", func(t *testing.T) { test(t, firewall.NewMemory()) })
}

func list(t *testing.T, fw firewall.Backend) map[string][]firewall.Element {
	t.Helper()
	bans, err := fw.List()
	ok(t, err)
	return bans
}

func elements(timeout time.Duration, ids ...string) []firewall.Element {
	return ban("", timeout, ids...)[0].Add
}

func TestContractOfJails(t *testing.T) {
	both(t, func(t *testing.T, fw firewall.Backend) {
		sameBans(t, list(t, fw), nil)
		if err := fw.Apply(ban("sshd", 0, "203.0.113.66")); !errors.Is(err, firewall.ErrGone) {
			t.Errorf("Apply to a jail that was never ensured: %v, want ErrGone", err)
		}
		ok(t, fw.Ensure(nil))
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}, {Jail: ""}, {Jail: "sshd_ban4"}, {Jail: "a.2eb/ü"}}))
		ok(t, fw.Apply(ban("sshd_ban4", 0, "203.0.113.66", "203.0.113.0/24")))
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}))
		sameBans(t, list(t, fw), map[string][]firewall.Element{
			"sshd": nil, "": nil, "a.2eb/ü": nil, "sshd_ban4": elements(0, "203.0.113.0/24", "203.0.113.66"),
		})
		ok(t, fw.Apply([]firewall.Change{{Jail: "sshd_ban4", Forget: true}, {Jail: "never seen", Forget: true}, ban("", 0, "::1")[0]}))
		sameBans(t, list(t, fw), map[string][]firewall.Element{"sshd": nil, "": elements(0, "::1"), "a.2eb/ü": nil})
		if err := fw.Apply(ban("sshd_ban4", 0, "203.0.113.66")); !errors.Is(err, firewall.ErrGone) {
			t.Errorf("Apply to a jail that was forgotten: %v, want ErrGone", err)
		}
		ok(t, fw.Drop())
		sameBans(t, list(t, fw), nil)
	})
}

func TestContractOfElements(t *testing.T) {
	both(t, func(t *testing.T, fw firewall.Backend) {
		ok(t, fw.Ensure([]firewall.Target{{Jail: "j"}}))
		for _, step := range []struct {
			what   string
			change []firewall.Change
			want   []firewall.Element
		}{
			{"nothing", nil, nil},
			{"removed and never there", unban("j", "203.0.113.66", "10.0.0.0/8", "2001:db8::/32"), nil},
			{"one", ban("j", time.Hour, "203.0.113.66"), elements(time.Hour, "203.0.113.66")},
			{"longer", ban("j", 9*time.Hour, "203.0.113.66"), elements(9*time.Hour, "203.0.113.66")},
			{"shorter", ban("j", 2*time.Hour, "203.0.113.66"), elements(2*time.Hour, "203.0.113.66")},
			{"for ever", ban("j", 0, "203.0.113.66"), elements(0, "203.0.113.66")},
			{"in time again", ban("j", time.Hour, "203.0.113.66"), elements(time.Hour, "203.0.113.66")},
			{"twice in one call, the last counts", append(ban("j", 0, "203.0.113.66"), ban("j", 3*time.Hour, "203.0.113.66")...), elements(3*time.Hour, "203.0.113.66")},
			{"added and then removed", append(ban("j", 0, "203.0.113.66"), unban("j", "203.0.113.66")...), nil},
			{"removed and then added", append(unban("j", "203.0.113.66"), ban("j", time.Hour, "203.0.113.66")...), elements(time.Hour, "203.0.113.66")},
			{"over already", ban("j", -time.Second, "203.0.113.66"), nil},
			{"IPv4 in IPv6, host bits", ban("j", time.Hour, "::ffff:203.0.113.66", "10.1.2.3/8", "::ffff:192.0.2.1/120"),
				append(elements(time.Hour, "10.0.0.0/8", "192.0.2.0/24"), elements(time.Hour, "203.0.113.66")...)},
			{"nested, longer", ban("j", 2*time.Hour, "10.1.0.0/16"), append(elements(time.Hour, "10.0.0.0/8"),
				append(elements(2*time.Hour, "10.1.0.0/16"), elements(time.Hour, "192.0.2.0/24", "203.0.113.66")...)...)},
			{"all of IPv4, for ever", append(ban("j", 0, "0.0.0.0/0"), unban("j", "203.0.113.66", "192.0.2.0/24")...), append(elements(0, "0.0.0.0/0"),
				append(elements(time.Hour, "10.0.0.0/8"), elements(2*time.Hour, "10.1.0.0/16")...)...)},
			{"and back", unban("j", "0.0.0.0/0"), append(elements(time.Hour, "10.0.0.0/8"), elements(2*time.Hour, "10.1.0.0/16")...)},
			{"out", unban("j", "10.0.0.0/8", "10.1.0.0/16"), nil},
		} {
			if err := fw.Apply(step.change); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			t.Log(step.what)
			sameBans(t, list(t, fw), map[string][]firewall.Element{"j": step.want})
		}
	})
}

// A ban that ends while we work with it must not make a batch fail, nor come back.
func TestContractOfExpiry(t *testing.T) {
	both(t, func(t *testing.T, fw firewall.Backend) {
		ok(t, fw.Ensure([]firewall.Target{{Jail: "j"}}))
		ids := []string{"10.0.0.0/8", "203.0.113.66", "2001:db8::/32", "2001:db8::1"}
		ok(t, fw.Apply(ban("j", time.Microsecond, ids...))) // not 0, which is for ever
		for end := time.Now().Add(5 * time.Second); len(list(t, fw)["j"]) > 0; {
			if time.Now().After(end) {
				t.Fatalf("still there: %v", list(t, fw))
			}
		}
		ok(t, fw.Apply(unban("j", ids...)))
		ok(t, fw.Apply(ban("j", 20*time.Millisecond, ids...)))
		for len(list(t, fw)["j"]) > 0 {
			ok(t, fw.Apply(unban("j", ids[0], ids[1])))
		}
		ok(t, fw.Apply(ban("j", time.Hour, ids...)))
		sameBans(t, list(t, fw), map[string][]firewall.Element{"j": elements(time.Hour, ids...)})
	})
}

// Random changes to few networks, so that they nest and meet in every way: kernel and twin
// must say the same after each, and a second daemon, which has only the kernel, must find
// everything that is not hidden under a longer ban.
func TestTwinsAgreeOnRandomNetworks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lab := netlab.New(t)
	nft, memory := open(t, lab.Host), firewall.NewMemory()
	iptables := openIPTables(t, lab.Host, tables()[0]) // beside nft, without a word to each other
	for _, fw := range []firewall.Backend{nft, iptables, memory} {
		ok(t, fw.Ensure([]firewall.Target{{Jail: "j"}}))
	}
	for i := range 120 {
		c := firewall.Change{Jail: "j"}
		for range 1 + r.IntN(3) {
			id := fmt.Sprintf("255.255.255.%d/%d", r.IntN(256), 26+r.IntN(7))
			if r.IntN(2) == 0 {
				id = fmt.Sprintf("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff%02x/%d", r.IntN(256), 120+r.IntN(9))
			}
			p := netip.MustParsePrefix(id)
			if r.IntN(3) == 0 {
				c.Remove = append(c.Remove, p)
			} else {
				c.Add = append(c.Add, firewall.Element{Prefix: p, Timeout: time.Duration(r.IntN(5)) * time.Hour})
			}
		}
		ok(t, nft.Apply([]firewall.Change{c}))
		ok(t, memory.Apply([]firewall.Change{c}))
		ok(t, iptables.Apply([]firewall.Change{c}))
		want := list(t, memory)
		sameBans(t, list(t, nft), want)
		sameBans(t, list(t, iptables), want)
		if t.Failed() {
			t.Fatalf("after %v", c)
		}
		stranger := open(t, lab.Host)
		sameGround(t, list(t, stranger)["j"], want["j"])
		ok(t, stranger.Close())
		if i%20 == 0 {
			sameBans(t, list(t, openIPTables(t, lab.Host, tables()[0])), want)
		}
	}
}

// sameGround compares what is banned and until when, address by address.
func sameGround(t *testing.T, got, want []firewall.Element) {
	t.Helper()
	longest := func(elems []firewall.Element, a netip.Addr) time.Duration {
		best := time.Duration(-1)
		for _, e := range elems {
			left := e.Timeout
			if left == 0 {
				left = 1000 * time.Hour
			}
			if e.Prefix.Contains(a) {
				best = max(best, left.Round(time.Hour))
			}
		}
		return best
	}
	for i := range 256 {
		for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{255, 255, 255, byte(i)}),
			netip.MustParseAddr(fmt.Sprintf("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff%02x", i))} {
			if g, w := longest(got, a), longest(want, a); g != w {
				t.Fatalf("%s is banned for %v, want %v", a, g, w)
			}
		}
	}
}
