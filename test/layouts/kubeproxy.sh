#!/bin/sh -e
# kube-proxy with its nftables mode: node ports by a verdict map, a filter of its own before
# its DNAT. Run again it is a restart of kube-proxy.
lay() { # FAMILY BOX OTHER LOOPBACK
	nft -f - <<END
add table $1 kube-proxy
delete table $1 kube-proxy
table $1 kube-proxy {
	map firewall-ips {
		type ${5}_addr . inet_proto . inet_service : verdict
	}
	map service-nodeports {
		type inet_proto . inet_service : verdict
		elements = { tcp . 2222 : goto external-box, tcp . 2223 : goto external-other }
	}
	chain filter-prerouting-pre-dnat {
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new jump firewall-check
	}
	chain firewall-check {
		$1 daddr . meta l4proto . th dport vmap @firewall-ips
	}
	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}
	chain services {
		fib daddr type local $1 daddr != $4 meta l4proto . th dport vmap @service-nodeports
	}
	chain external-box {
		goto endpoint-box
	}
	chain external-other {
		meta mark set meta mark | 0x00004000
		goto endpoint-other
	}
	chain endpoint-box {
		meta l4proto tcp dnat to $2:22
	}
	chain endpoint-other {
		meta l4proto tcp dnat to $3:22
	}
	chain nat-postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00004000 == 0 return
		masquerade fully-random
	}
}
END
}
lay ip 172.17.0.2 172.17.0.3 127.0.0.0/8 ipv4
lay ip6 '[fd00:17::2]' '[fd00:17::3]' ::1 ipv6
