package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/firewall"
)

// BenchmarkLines is lines of one log, written at once, to the ban of the last address by each of
// so many jails with the same filter: source, dates, filter, jail and store, with the firewall's twin.
func BenchmarkLines(b *testing.B) {
	for _, jails := range []int{1, 10, 50} {
		b.Run(fmt.Sprint(jails), func(b *testing.B) { benchLines(b, jails, 20_000/jails) })
	}
}

func benchLines(b *testing.B, jails, lines int) {
	dir := b.TempDir()
	r := &running{t: &testing.T{}, dir: dir}
	log := filepath.Join(dir, "auth.log")
	var conf strings.Builder
	for n := range jails {
		conf.WriteString(strings.Replace(fmt.Sprintf(sshdJail, log), "[sshd]", fmt.Sprintf("[j%d]", n), 1))
	}
	r.write("conf/jail.local", conf.String())
	r.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n")
	r.write("auth.log", "")
	said := make(chan string, 1<<16)
	ctx, cancel := context.WithCancel(b.Context())
	e, closeAll, err := start(ctx, Options{
		Load: func() (*config.Config, []config.Problem) {
			return config.Load(config.LoadOptions{Dir: filepath.Join(dir, "conf")})
		},
		StateDir: filepath.Join(dir, "state"), Alone: true, Firewall: firewall.NewMemory(), Log: slog.New(NewLogHandler(saying{said}, Notice)),
	})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(e.serve(), closeAll()) }()
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	read := 0
	for n := 0; b.Loop(); n++ {
		last := fmt.Sprintf("203.0.%d.%d", n>>8, n&255)
		if _, err := f.Write(benchLog(lines, last)); err != nil {
			b.Fatal(err)
		}
		banned(b, said, "Ban "+last, jails)
		read += lines
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "lines/s")
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// benchLog is sshd's: one line in three is a failure, of 500 addresses; the last three are one address's.
func benchLog(lines int, last string) []byte {
	var out bytes.Buffer
	now := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
	for n := range lines {
		text := "pam_unix(sshd:session): session closed for user alice"
		switch {
		case n >= lines-3:
			text = "Failed password for root from " + last + " port 4711 ssh2"
		case n%3 == 0:
			text = fmt.Sprintf("Failed password for root from 198.18.%d.%d port 4711 ssh2", n/3%500/250, n/3%250)
		}
		fmt.Fprintf(&out, "%s host sshd[%d]: %s\n", now, 1000+n, text)
	}
	return out.Bytes()
}

// banned waits until so many jails have said a text.
func banned(b *testing.B, said <-chan string, text string, jails int) {
	deadline := time.After(time.Minute)
	for jails > 0 {
		select {
		case l := <-said:
			if strings.Contains(l, text) {
				jails--
			}
		case <-deadline:
			b.Fatalf("%d jails have not said %q", jails, text)
		}
	}
}
