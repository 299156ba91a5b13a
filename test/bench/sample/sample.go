// Package sample makes the logs that the benchmarks read, from fixed seeds: every run reads the
// same text but for the times.
package sample

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"
)

// Layouts of the time in front of sshd's lines.
const (
	ISO    = "2006-01-02T15:04:05.000000-07:00"
	Syslog = "Jan _2 15:04:05"
)

// Next makes the next line of a log, written at that time.
type Next func(to *bytes.Buffer, r *rand.Rand, at time.Time)

// Write writes a log of so many lines, twelve a second of its own time, which ends now.
func Write(path string, lines int, next Next) error {
	return WriteOver(path, lines, time.Duration(lines)*time.Second/12, next)
}

// WriteOver is Write for a log that was written over some time.
func WriteOver(path string, lines int, span time.Duration, next Next) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	apart := span / time.Duration(lines)
	at := time.Now().Add(-span)
	var line bytes.Buffer
	for range lines {
		at = at.Add(time.Duration(r.Int64N(2 * int64(apart))))
		line.Reset()
		next(&line, r, at)
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return w.Flush()
}

// SSHD makes a log as a jump host under attack has it: seven connections in ten are attackers',
// of 50,000 addresses, each with the lines sshd writes about it; eight connections at a time.
func SSHD(layout string) Next {
	open := make([][]string, 8)
	pids, newest := make([]int, len(open)), 999
	return func(to *bytes.Buffer, r *rand.Rand, at time.Time) {
		n := r.IntN(len(open))
		if len(open[n]) == 0 {
			newest++
			pids[n], open[n] = newest, Connection(r, Attacker(r), 0.7)
		}
		Stamped(to, layout, at, pids[n], open[n][0])
		open[n] = open[n][1:]
	}
}

// Attacker is one of 50,000 addresses of 198.18.0.0/16. As in life few of them do most: 9,000 make
// three quarters of the connections, so that a million lines of sshd's ban about ten thousand.
func Attacker(r *rand.Rand) string {
	n := 9_000 + r.IntN(41_000)
	if r.IntN(4) > 0 {
		n = r.IntN(9_000)
	}
	return netip.AddrFrom4([4]byte{198, 18, byte(n / 250), byte(1 + n%250)}).String()
}

// Stamped is one line of sshd's log at that time.
func Stamped(to *bytes.Buffer, layout string, at time.Time, pid int, text string) {
	to.Write(at.AppendFormat(to.AvailableBuffer(), layout))
	fmt.Fprintf(to, " jumps sshd[%d]: ", pid)
	to.WriteString(text)
	to.WriteByte('\n')
}

// Connection is what sshd says about one client, which attacks as likely as said.
func Connection(r *rand.Rand, addr string, attacks float64) []string {
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

// Nginx makes an access log in nginx's combined form: one line in 200 asks for what only robots
// ask for, six in a hundred for something else that is not there.
func Nginx(to *bytes.Buffer, r *rand.Rand, at time.Time) {
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
	fmt.Fprintf(to, "%s - - [%s] \"GET %s HTTP/1.1\" %d %d \"https://example.org/\" \"%s\"\n",
		Attacker(r), at.Format("02/Jan/2006:15:04:05 -0700"), path, status, r.IntN(60000), agent)
}

// Failures are so many failed logins of one address, now.
func Failures(addr netip.Addr, count int) []byte {
	var out bytes.Buffer
	for range count {
		failure(&out, addr)
	}
	return out.Bytes()
}

func failure(to *bytes.Buffer, addr netip.Addr) {
	Stamped(to, ISO, time.Now(), 1000, "Failed password for invalid user admin from "+addr.String()+" port 22 ssh2")
}

// Mixed is SSHD's log with all stamps within the last ten seconds.
func Mixed(lines int) []byte {
	var out bytes.Buffer
	out.Grow(lines * 130)
	r, next := rand.New(rand.NewPCG(1, 2)), SSHD(ISO)
	began := time.Now().Add(-10 * time.Second)
	for n := range lines {
		next(&out, r, began.Add(10*time.Second*time.Duration(n)/time.Duration(lines)))
	}
	return out.Bytes()
}

// Noise is traffic of this moment: one connection in ten fails, each from an address of its own
// in 100.64.0.0/10, so that it counts and is not banned.
func Noise(r *rand.Rand, lines int) []byte {
	var out bytes.Buffer
	at := time.Now()
	for n := 0; n < lines; {
		addr := netip.AddrFrom4([4]byte{100, byte(64 + r.IntN(64)), byte(r.IntN(256)), byte(r.IntN(256))})
		for _, text := range Connection(r, addr.String(), 0.1) {
			if n++; n <= lines {
				Stamped(&out, ISO, at, 1000+n, text)
			}
		}
	}
	return out.Bytes()
}

// Offender is the nth attacker of 198.18.0.0/15, counted from its start.
func Offender(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + (n>>16)&1), byte(n >> 8), byte(n)})
}

// Each is one failure of each of so many offenders.
func Each(count int) []byte {
	var out bytes.Buffer
	for n := range count {
		failure(&out, Offender(n+1))
	}
	return out.Bytes()
}
