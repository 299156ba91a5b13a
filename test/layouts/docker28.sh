#!/bin/sh -e
# Docker 28 with its iptables backend: one bridge, two containers, both published.
# Run again it is what an engine does that restarts: its own chains are made anew.
# IPTABLES is iptables (nft) or iptables-legacy.
lay() { # COMMAND SUBNET BOX OTHER
	t=$1 subnet=$2 box=$3 other=$4
	$t -t nat -F; $t -t raw -F; $t -F
	for chain in DOCKER DOCKER-BRIDGE DOCKER-CT DOCKER-FORWARD DOCKER-INTERNAL DOCKER-USER; do
		$t -N $chain 2>/dev/null || true
	done
	$t -t nat -N DOCKER 2>/dev/null || true
	$t -P FORWARD DROP
	$t -A FORWARD -j DOCKER-USER
	$t -A FORWARD -j DOCKER-FORWARD
	$t -A DOCKER-FORWARD -j DOCKER-CT
	$t -A DOCKER-FORWARD -j DOCKER-INTERNAL
	$t -A DOCKER-FORWARD -j DOCKER-BRIDGE
	$t -A DOCKER-FORWARD -i br-lab -j ACCEPT
	$t -A DOCKER-CT -o br-lab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	$t -A DOCKER-BRIDGE -o br-lab -j DOCKER
	$t -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	$t -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
	$t -t nat -A POSTROUTING -s $subnet ! -o br-lab -j MASQUERADE
	publish "$t" $box 2222 22
	publish "$t" $other 2223 22
	$t -A DOCKER ! -i br-lab -o br-lab -j DROP
}
publish() { # COMMAND ADDRESS PORT INNER
	case $2 in *:*) to="[$2]:$4" ;; *) to="$2:$4" ;; esac
	$1 -t nat -A DOCKER ! -i br-lab -p tcp -m tcp --dport $3 -j DNAT --to-destination $to
	$1 -A DOCKER -d $2 ! -i br-lab -o br-lab -p tcp -m tcp --dport $4 -j ACCEPT
	$1 -t raw -A PREROUTING -d $2 ! -i br-lab -j DROP
}
six=$(echo "$IPTABLES" | sed s/ip/ip6/)
lay "$IPTABLES -w" 172.17.0.0/16 172.17.0.2 172.17.0.3
lay "$six -w" fd00:17::/64 fd00:17::2 fd00:17::3
