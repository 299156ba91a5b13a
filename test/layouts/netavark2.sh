#!/bin/sh -e
# Podman's netavark 2: one table for both families. Run again it is `podman network reload`.
nft -f - <<'END'
add table inet netavark
delete table inet netavark
table inet netavark {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		ip saddr 172.17.0.0/16 meta l4proto { tcp, udp } th dport 53 accept
		ip6 saddr fd00:17::/64 meta l4proto { tcp, udp } th dport 53 accept
	}
	chain FORWARD {
		type filter hook forward priority filter; policy accept;
		ct state invalid drop
		jump NETAVARK-ISOLATION-1
		ip daddr 172.17.0.0/16 ct state established,related accept
		ip saddr 172.17.0.0/16 accept
		ip6 daddr fd00:17::/64 ct state established,related accept
		ip6 saddr fd00:17::/64 accept
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00002000 == 0x00002000 masquerade
		ip saddr 172.17.0.0/16 jump nv_lab_4
		ip6 saddr fd00:17::/64 jump nv_lab_6
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump NETAVARK-HOSTPORT-DNAT
	}
	chain OUTPUT {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump NETAVARK-HOSTPORT-DNAT
	}
	chain NETAVARK-HOSTPORT-DNAT {
		tcp dport 2222 jump nv_box_dnat
		tcp dport 2223 jump nv_other_dnat
	}
	chain NETAVARK-HOSTPORT-SETMARK {
		meta mark set meta mark | 0x00002000
	}
	chain NETAVARK-ISOLATION-1 {
		iifname "br-lab" oifname != "br-lab" jump NETAVARK-ISOLATION-2
	}
	chain NETAVARK-ISOLATION-2 {
		oifname "br-none" drop
	}
	chain nv_lab_4 {
		ip daddr 172.17.0.0/16 accept
		ip daddr != 224.0.0.0/4 masquerade
	}
	chain nv_lab_6 {
		ip6 daddr fd00:17::/64 accept
		ip6 daddr != ff00::/8 masquerade
	}
	chain nv_box_dnat {
		ip saddr 172.17.0.0/16 jump NETAVARK-HOSTPORT-SETMARK
		ip saddr 127.0.0.1 jump NETAVARK-HOSTPORT-SETMARK
		meta nfproto ipv4 tcp dport 2222 dnat ip to 172.17.0.2:22
		meta nfproto ipv6 tcp dport 2222 dnat ip6 to [fd00:17::2]:22
	}
	chain nv_other_dnat {
		meta nfproto ipv4 tcp dport 2223 dnat ip to 172.17.0.3:22
		meta nfproto ipv6 tcp dport 2223 dnat ip6 to [fd00:17::3]:22
	}
}
END
