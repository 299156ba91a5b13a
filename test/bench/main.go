// Command bench measures `gaol test` against Debian's fail2ban-regex: the same generated sshd
// lines, the same filter, the two in turn in one run, because a shared machine drifts. It
// prints medians and their ratio, and judges nothing.
//
// usage: go run ./test/bench [-lines N] [-rounds N]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

func main() {
	lines := flag.Int("lines", 100_000, "lines in the log")
	rounds := flag.Int("rounds", 5, "runs of each program")
	flag.Parse()
	if err := run(*lines, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// program is one of the two that are compared.
type program struct {
	name  string
	args  []string
	count *regexp.Regexp // takes the lines read out of its output; nil: not printed
	wall  []time.Duration
	cpu   []time.Duration
	rss   int64 // KiB, the largest
}

func run(lines, rounds int) error {
	dir, err := os.MkdirTemp("", "gaol-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	gaol, log := filepath.Join(dir, "gaol"), filepath.Join(dir, "auth.log")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", gaol, "./cmd/gaol")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build gaol: %w\n%s", err, out)
	}
	if err := writeLog(log, lines); err != nil {
		return err
	}
	all := []*program{
		{name: "gaol test", args: []string{gaol, "test", "-c", "/etc/fail2ban", log, "sshd"}, count: regexp.MustCompile(`(?m)(\d+) lines`)},
		{name: "fail2ban-regex", args: []string{"fail2ban-regex", "--usedns=no", log, "sshd"}, count: regexp.MustCompile(`Lines: (\d+) lines`)},
		{name: "fail2ban-regex -o ip", args: []string{"fail2ban-regex", "--usedns=no", "-o", "ip", log, "sshd"}},
	}
	for round := range rounds + 1 {
		for _, p := range all {
			if err := p.run(lines, round > 0); err != nil {
				return err
			}
		}
	}
	report(all, lines, rounds)
	return nil
}

// run runs the program once; the first round only warms caches.
func (p *program) run(lines int, counts bool) error {
	cmd := exec.Command(p.args[0], p.args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	took := time.Since(began)
	if p.count != nil {
		m := p.count.FindSubmatch(out.Bytes())
		if m == nil || string(m[1]) != fmt.Sprint(lines) {
			return fmt.Errorf("%s did not read %d lines:\n%.600s", p.name, lines, out.Bytes())
		}
	}
	if counts {
		p.wall = append(p.wall, took)
		p.cpu = append(p.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		p.rss = max(p.rss, rss(cmd.ProcessState))
	}
	return nil
}

func report(all []*program, lines, rounds int) {
	fmt.Printf("%d sshd lines, filter sshd (mode normal) of /etc/fail2ban, median of %d runs in turn, start-up included\n", lines, rounds)
	fmt.Printf("%-22s %10s %10s %14s %10s\n", "", "wall", "cpu", "lines/s (wall)", "peak RSS")
	for _, p := range all {
		fmt.Printf("%-22s %10s %10s %14.0f %7d MB\n", p.name, median(p.wall).Round(time.Millisecond), median(p.cpu).Round(time.Millisecond),
			float64(lines)/median(p.wall).Seconds(), p.rss/1024)
	}
	for _, p := range all[1:] {
		fmt.Printf("ratio to %-22s wall %.1f, cpu %.1f\n", p.name+":",
			median(p.wall).Seconds()/median(all[0].wall).Seconds(), median(p.cpu).Seconds()/median(all[0].cpu).Seconds())
	}
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}
