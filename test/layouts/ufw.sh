#!/bin/sh -e
# ufw: chains of its own in INPUT with a policy of drop; what listens is docker-proxy, or any
# service of the host. Run again it is `ufw reload`.
for t in iptables ip6tables; do
	six= icmp=icmp
	[ $t = iptables ] || { six=6; icmp=ipv6-icmp; }
	t="$t -w"
	$t -F
	$t -P INPUT DROP
	$t -P FORWARD DROP
	for chain in before-logging-input before-input user-input after-input reject-input; do
		$t -N ufw$six-$chain 2>/dev/null || true
		$t -A INPUT -j ufw$six-$chain
	done
	$t -A ufw$six-before-input -i lo -j ACCEPT
	$t -A ufw$six-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	$t -A ufw$six-before-input -m conntrack --ctstate INVALID -j DROP
	$t -A ufw$six-before-input -p $icmp -j ACCEPT
	$t -A ufw$six-user-input -p tcp --dport 2222 -j ACCEPT
	$t -A ufw$six-user-input -p tcp -m multiport --dports 2223,80 -j ACCEPT
done
