package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

const stamp = "2006-01-02T15:04:05.000000-07:00"

// stamped is one line of sshd's log at that time.
func stamped(to *bytes.Buffer, at time.Time, pid int, text string) {
	to.WriteString(at.Format(stamp))
	fmt.Fprintf(to, " jumps sshd[%d]: %s\n", pid, text)
}

// failures are so many failed logins of one address, now.
func failures(addr netip.Addr, count int) []byte {
	var out bytes.Buffer
	for range count {
		stamped(&out, time.Now(), 1000, fmt.Sprintf("Failed password for invalid user admin from %s port 22 ssh2", addr))
	}
	return out.Bytes()
}

// mixed is a log as a jump host under attack has it: seven connections in ten are those of
// 50,000 attackers, each with the lines that sshd writes about it; all stamps within the last
// ten seconds. The seed is fixed.
func mixed(lines int) []byte {
	var out bytes.Buffer
	out.Grow(lines * 110)
	r := rand.New(rand.NewPCG(1, 2))
	began := time.Now().Add(-10 * time.Second)
	for n, pid := 0, 1000; n < lines; pid++ {
		at := began.Add(10 * time.Second * time.Duration(n) / time.Duration(lines))
		for _, text := range connection(r, fmt.Sprintf("198.18.%d.%d", r.IntN(200), 1+r.IntN(250)), 0.7) {
			if n++; n <= lines {
				stamped(&out, at, pid, text)
			}
		}
	}
	return out.Bytes()
}

// connection is what sshd says about one client, which attacks as likely as said.
func connection(r *rand.Rand, addr string, attacks float64) []string {
	port := 1024 + r.IntN(60000)
	user := []string{"admin", "tmp", "oracle", "git", "test"}[r.IntN(5)]
	switch p := r.Float64(); {
	case p < attacks/2:
		return []string{
			fmt.Sprintf("Invalid user %s from %s port %d", user, addr, port),
			fmt.Sprintf("Connection closed by invalid user %s %s port %d [preauth]", user, addr, port),
		}
	case p < attacks:
		return []string{
			fmt.Sprintf("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", addr),
			fmt.Sprintf("Failed password for root from %s port %d ssh2", addr, port),
			fmt.Sprintf("Connection closed by authenticating user root %s port %d [preauth]", addr, port),
		}
	}
	return []string{
		fmt.Sprintf("Accepted publickey for alice from 10.0.0.%d port %d ssh2: ED25519 SHA256:abcdefgh", 1+r.IntN(250), port),
		"pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
		"pam_unix(sshd:session): session closed for user alice",
	}
}

// noise is a tenth of a second of traffic: one connection in ten fails, each from an address of
// its own, so that it counts and is not banned.
func noise(r *rand.Rand, lines int) []byte {
	var out bytes.Buffer
	at := time.Now()
	for n := 0; n < lines; {
		for _, text := range connection(r, fmt.Sprintf("100.%d.%d.%d", 64+r.IntN(64), r.IntN(256), r.IntN(256)), 0.1) {
			if n++; n <= lines {
				stamped(&out, at, 1000+n, text)
			}
		}
	}
	return out.Bytes()
}

// offender is the nth attacker of 198.18.0.0/15, of those that the mixed log does not name.
func offender(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + (n>>16)&1), byte(n >> 8), byte(n)})
}

// each is one failure of each of so many offenders.
func each(count int) []byte {
	var out bytes.Buffer
	for n := range count {
		stamped(&out, time.Now(), 1000, fmt.Sprintf("Failed password for invalid user admin from %s port 22 ssh2", offender(n+1)))
	}
	return out.Bytes()
}
