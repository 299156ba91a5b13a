package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/firewall"
)

// BenchmarkReader is what a line costs with so many jails on one file, in CPU time of the whole
// process: half of the lines are of attacks, and each jail counts each failure.
func BenchmarkReader(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("same-%d", n), func(b *testing.B) { benchReader(b, n, func(int) string { return "sshd" }) })
	}
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("different-%d", n), func(b *testing.B) { benchReader(b, n, differentFilter) })
	}
}

// differentFilter is one of the stock filters that stand on one line each, sshd the first.
func differentFilter(n int) string {
	all := []string{"sshd"}
	files, _ := filepath.Glob("/etc/fail2ban/filter.d/*.conf")
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".conf")])
		if text, err := os.ReadFile(f); err == nil && name != "sshd" && bytes.Contains(text, []byte("\nfailregex")) {
			all = append(all, name)
		}
	}
	return all[n%len(all)]
}

func benchReader(b *testing.B, jails int, filterOf func(int) string) {
	dir := b.TempDir()
	r := &running{t: &testing.T{}, dir: dir}
	if err := os.CopyFS(filepath.Join(dir, "conf"), os.DirFS("/etc/fail2ban")); err != nil {
		b.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "conf", "jail.d")); err != nil {
		b.Fatal(err)
	}
	// The native ban alone, which goes to the twin in memory: commands would change this machine.
	conf := "[DEFAULT]\nbackend = auto\nusedns = no\nignoreself = false\nbanaction = gaol\naction = %(banaction)s\nmaxretry = 5\nlogpath = " + dir + "/auth.log\n"
	for n := range jails {
		conf += fmt.Sprintf("[j%d]\nenabled = true\nfilter = %s\n", n, filterOf(n))
	}
	r.write("conf/jail.local", conf)
	r.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n")
	r.write("auth.log", "")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	load := func() (*config.Config, []config.Problem) {
		return config.Load(config.LoadOptions{Dir: filepath.Join(dir, "conf")})
	}
	loaded, _ := load()
	for _, j := range loaded.Jails {
		for _, a := range j.Actions {
			if !a.Native {
				b.Fatalf("jail %s would run the commands of %s", j.Name, a.Name)
			}
		}
	}
	e, closeAll, err := start(ctx, Options{StateDir: filepath.Join(dir, "state"), Alone: true, Firewall: firewall.NewMemory(),
		Log: slog.New(NewLogHandler(io.Discard, Notice)), Load: load})
	if err != nil {
		b.Fatal(err)
	}
	if len(e.workers) != jails {
		b.Fatalf("%d jails, want %d: %v", len(e.workers), jails, e.broken)
	}
	lines := uint64(0)
	var used time.Duration
	b.ResetTimer()
	for n := range b.N {
		text, count := burst(n)
		lines += count
		before := cpu()
		f, err := os.OpenFile(filepath.Join(dir, "auth.log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(text); err != nil {
			b.Fatal(err)
		}
		f.Close()
		for !allRead(e, lines) {
			<-time.After(time.Millisecond)
		}
		used += cpu() - before
	}
	b.StopTimer()
	b.ReportMetric(float64(used.Nanoseconds())/float64(lines), "cpu-ns/line")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/1e6, "MB")
	cancel()
	if err := closeAll(); err != nil {
		b.Fatal(err)
	}
}

// allRead says whether all jails have taken so many lines.
func allRead(e *engine, lines uint64) bool {
	reply, err := e.Do(context.Background(), control.Status{Brief: true})
	if err != nil {
		return false
	}
	for _, j := range reply.Status.Jails {
		if j.Lines < lines {
			return false
		}
	}
	return true
}

// burst is 20,000 lines of sshd, of connections that are its own.
func burst(n int) (text []byte, lines uint64) {
	var b bytes.Buffer
	at := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
	for i := 0; lines < 20000; i++ {
		head := fmt.Sprintf("%s host sshd[%d]: ", at, n*20000+i)
		addr := fmt.Sprintf("198.18.%d.%d", i/250%200, 1+i%250)
		if i%2 == 0 {
			b.WriteString(head + "Invalid user admin from " + addr + " port 4711\n")
			b.WriteString(head + "Connection closed by invalid user admin " + addr + " port 4711 [preauth]\n")
			lines += 2
			continue
		}
		b.WriteString(head + "Accepted publickey for alice from 10.0.0.7 port 4711 ssh2: ED25519 SHA256:abcdefgh\n")
		b.WriteString(head + "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)\n")
		lines += 2
	}
	return b.Bytes(), lines
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
