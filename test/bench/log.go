package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// writeLog writes a log of so many lines that next makes, a few at once. The seed is fixed: every
// run reads the same text but for the times, which end now.
func writeLog(path string, lines int, next func(r *rand.Rand, at time.Time, n int) []string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Now().Add(-time.Duration(lines) * 80 * time.Millisecond)
	for n, group := 0, 0; n < lines; group++ {
		at = at.Add(time.Duration(r.IntN(400)) * time.Millisecond)
		for _, text := range next(r, at, group) {
			if n++; n > lines {
				break
			}
			fmt.Fprintln(w, text)
		}
	}
	return w.Flush()
}

// sshd makes a log as a jump host under attack has it: seven connections in ten are attackers',
// of 50,000 addresses, each with the lines sshd writes about it.
func sshd(layout string) func(r *rand.Rand, at time.Time, n int) []string {
	return func(r *rand.Rand, at time.Time, n int) []string {
		texts := connection(r)
		for i, text := range texts {
			texts[i] = fmt.Sprintf("%s jumps sshd[%d]: %s", at.Format(layout), 1000+n, text)
		}
		return texts
	}
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

// nginx makes an access log in nginx's combined form: one line in 200 asks for what only robots
// ask for, six in a hundred for something else that is not there.
func nginx(r *rand.Rand, at time.Time, _ int) []string {
	agent := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"curl/7.88.1",
	}[r.IntN(3)]
	path, status := fmt.Sprintf("/articles/%d/page-%d.html", r.IntN(5000), r.IntN(40)), 200
	switch p := r.Float64(); {
	case p < 0.005:
		path, status = []string{"/phpmyadmin/index.php", "/wp-login.php", "/cgi-bin/test.cgi"}[r.IntN(3)], 404
	case p < 0.065:
		path, status = fmt.Sprintf("/old/%d.html", r.IntN(1000)), 404
	case p < 0.4:
		path = fmt.Sprintf("/static/img/%d.png", r.IntN(900))
	}
	return []string{fmt.Sprintf(`198.18.%d.%d - - [%s] "GET %s HTTP/1.1" %d %d "https://example.org/" "%s"`,
		r.IntN(200), 1+r.IntN(250), at.Format("02/Jan/2006:15:04:05 -0700"), path, status, r.IntN(60000), agent)}
}

// rss is a process's peak memory in KiB (getrusage(2)).
func rss(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss
	}
	return 0
}
