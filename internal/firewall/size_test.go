package firewall_test

import (
	"net/netip"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// many are n bans of an hour, one in ten of them IPv6.
func many(n int) []firewall.Change {
	c := firewall.Change{Jail: "sshd"}
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if i%10 == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		}
		c.Add = append(c.Add, firewall.Element{Prefix: netip.PrefixFrom(a, a.BitLen()), Timeout: time.Hour})
	}
	return []firewall.Change{c}
}

func BenchmarkSize(b *testing.B) {
	for name, n := range map[string]int{"1e4": 10_000, "1e5": 100_000} {
		bans := many(n)
		target := []firewall.Target{{Jail: "sshd", Ports: ports(b, "22")}}
		fw := open(b, netlab.New(b).Host)
		ok(b, fw.Ensure(target))
		b.Run("apply-"+name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				ok(b, fw.Drop())
				ok(b, fw.Ensure(target))
				b.StartTimer()
				ok(b, fw.Apply(bans))
			}
		})
		b.Run("again-"+name, func(b *testing.B) {
			for b.Loop() {
				ok(b, fw.Apply(bans))
			}
		})
		b.Run("list-"+name, func(b *testing.B) {
			for b.Loop() {
				found, err := fw.List()
				ok(b, err)
				if len(found["sshd"]) != n {
					b.Fatalf("%d of %d bans are listed", len(found["sshd"]), n)
				}
			}
		})
	}
}
