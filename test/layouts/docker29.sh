#!/bin/sh -e
# Docker 29 with its nftables backend: a table for each family, no DOCKER-USER.
# Run again it is what an engine does that restarts: its tables are made anew.
lay() { # FAMILY SUBNET BOX OTHER DNAT-BOX DNAT-OTHER LOOPBACK
	nft -f - <<END
add table $1 docker-bridges
delete table $1 docker-bridges
table $1 docker-bridges {
	map filter-forward-in-jumps {
		type ifname : verdict
		elements = { "br-lab" : jump filter-forward-in__br-lab }
	}
	map filter-forward-out-jumps {
		type ifname : verdict
		elements = { "br-lab" : jump filter-forward-out__br-lab }
	}
	chain filter-FORWARD {
		type filter hook forward priority filter; policy accept;
		oifname vmap @filter-forward-in-jumps
		iifname vmap @filter-forward-out-jumps
	}
	chain filter-forward-in__br-lab {
		ct state established,related counter accept
		iifname "br-lab" counter accept comment "ICC"
		$1 daddr $3 tcp dport 22 counter accept
		$1 daddr $4 tcp dport 22 counter accept
		counter drop comment "UNPUBLISHED PORT DROP"
	}
	chain filter-forward-out__br-lab {
		ct state established,related counter accept
		counter accept comment "OUTGOING"
	}
	chain nat-OUTPUT {
		type nat hook output priority -100; policy accept;
		$1 daddr != $7 fib daddr type local counter jump nat-prerouting-and-output
	}
	chain nat-PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump nat-prerouting-and-output
	}
	chain nat-prerouting-and-output {
		iifname != "br-lab" tcp dport 2222 counter dnat to $5 comment "DNAT"
		iifname != "br-lab" tcp dport 2223 counter dnat to $6 comment "DNAT"
	}
	chain nat-POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "br-lab" $1 saddr $2 counter masquerade comment "MASQUERADE"
	}
	chain raw-PREROUTING {
		type filter hook prerouting priority raw; policy accept;
		$1 daddr $3 iifname != "br-lab" counter drop comment "DROP DIRECT ACCESS"
		$1 daddr $4 iifname != "br-lab" counter drop comment "DROP DIRECT ACCESS"
	}
}
END
}
lay ip 172.17.0.0/16 172.17.0.2 172.17.0.3 172.17.0.2:22 172.17.0.3:22 127.0.0.0/8
lay ip6 fd00:17::/64 fd00:17::2 fd00:17::3 '[fd00:17::2]:22' '[fd00:17::3]:22' ::1
