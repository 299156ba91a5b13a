package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// writeLog writes a log as a jump host under attack has it: seven connections in ten are
// attackers', of 50,000 addresses, each with the lines sshd writes about it. The seed is
// fixed: every run reads the same bytes.
func writeLog(path string, lines int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Now().Add(-time.Duration(lines) * 80 * time.Millisecond)
	for n, pid := 0, 1000; n < lines; pid++ {
		at = at.Add(time.Duration(r.IntN(400)) * time.Millisecond)
		for _, text := range connection(r) {
			if n++; n > lines {
				break
			}
			fmt.Fprintf(w, "%s jumps sshd[%d]: %s\n", at.Format("2006-01-02T15:04:05.000000-07:00"), pid, text)
		}
	}
	return w.Flush()
}

// connection is what sshd says about one client.
func connection(r *rand.Rand) []string {
	addr := fmt.Sprintf("198.18.%d.%d", r.IntN(200), 1+r.IntN(250))
	port := 1024 + r.IntN(60000)
	user := []string{"admin", "tmp", "oracle", "git", "test"}[r.IntN(5)]
	switch p := r.Float64(); {
	case p < 0.35:
		return []string{
			fmt.Sprintf("Invalid user %s from %s port %d", user, addr, port),
			fmt.Sprintf("Connection closed by invalid user %s %s port %d [preauth]", user, addr, port),
		}
	case p < 0.7:
		return []string{
			fmt.Sprintf("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", addr),
			fmt.Sprintf("Failed password for root from %s port %d ssh2", addr, port),
			fmt.Sprintf("Connection closed by authenticating user root %s port %d [preauth]", addr, port),
		}
	default:
		return []string{
			fmt.Sprintf("Accepted publickey for alice from 10.0.0.%d port %d ssh2: ED25519 SHA256:abcdefgh", 1+r.IntN(250), port),
			"pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
			"pam_unix(sshd:session): session closed for user alice",
		}
	}
}

// rss is a process's peak memory in KiB (getrusage(2)).
func rss(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss
	}
	return 0
}
