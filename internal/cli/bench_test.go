package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchLines is a log of a workload: lines of connections, with texts that take turns.
func benchLines(layout string, stamped func(stamp string, n int) []string) string {
	var b strings.Builder
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for n := range 4000 {
		at = at.Add(time.Duration(n%400) * time.Millisecond)
		for _, line := range stamped(at.Format(layout), n) {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func benchSSHD(stamp string, n int) []string {
	host := fmt.Sprintf("%s jumps sshd[%d]: ", stamp, n)
	who := fmt.Sprintf("198.18.%d.%d", n*7%200, 1+n*13%250)
	switch n % 3 {
	case 0:
		return []string{
			fmt.Sprintf("%sInvalid user admin from %s port %d", host, who, 1024+n),
			fmt.Sprintf("%sConnection closed by invalid user admin %s port %d [preauth]", host, who, 1024+n),
		}
	case 1:
		return []string{
			fmt.Sprintf("%spam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", host, who),
			fmt.Sprintf("%sFailed password for root from %s port %d ssh2", host, who, 1024+n),
			fmt.Sprintf("%sConnection closed by authenticating user root %s port %d [preauth]", host, who, 1024+n),
		}
	}
	return []string{
		fmt.Sprintf("%sAccepted publickey for alice from 10.0.0.%d port %d ssh2: ED25519 SHA256:abcdefgh", host, n%250, 1024+n),
		host + "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
		host + "pam_unix(sshd:session): session closed for user alice",
	}
}

func benchNginx(stamp string, n int) []string {
	path, status := fmt.Sprintf("/articles/%d/page-%d.html", n*31%5000, n%40), 200
	if n%200 == 0 {
		path, status = "/phpmyadmin/index.php", 404
	} else if n%17 == 0 {
		path, status = fmt.Sprintf("/old/%d.html", n), 404
	}
	return []string{fmt.Sprintf(`198.18.%d.%d - - [%s] "GET %s HTTP/1.1" %d %d "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`,
		n*7%200, 1+n*13%250, stamp, path, status, n)}
}

// BenchmarkTest is `gaol test` whole, without the start of a process: ns/line.
func BenchmarkTest(b *testing.B) {
	for _, w := range []struct{ name, filter, text string }{
		{"iso", "sshd", benchLines("2006-01-02T15:04:05.000000-07:00", benchSSHD)},
		{"syslog", "sshd", benchLines("Jan _2 15:04:05", benchSSHD)},
		{"nginx", "nginx-botsearch", benchLines("02/Jan/2006:15:04:05 -0700", benchNginx)},
	} {
		log := filepath.Join(b.TempDir(), w.name)
		if err := os.WriteFile(log, []byte(strings.Repeat(w.text, 25)), 0o600); err != nil {
			b.Fatal(err)
		}
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			lines := 0
			for b.Loop() {
				r, err := testLog(testOptions{config: "/etc/fail2ban", log: log, filter: w.filter, usedns: "warn"})
				if err != nil || r.Failures == 0 || r.Undated > 0 {
					b.Fatalf("%+v, %v", r, err)
				}
				lines += r.Lines
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
		})
	}
}
