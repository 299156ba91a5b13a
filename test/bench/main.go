// Command bench measures `gaol test` against Debian's fail2ban-regex and, where it is installed,
// `rg -c` of what the filter looks for: the same generated lines and the same filter, the programs
// in turn in one run, because a shared machine drifts. It prints medians and their ratios, and
// judges nothing. gaol has one core (GOMAXPROCS=1), as the others have.
//
// usage: go run ./test/bench [-lines N] [-rounds N] [-only NAME]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

func main() {
	lines := flag.Int("lines", 100_000, "lines in each log")
	rounds := flag.Int("rounds", 5, "runs of each program")
	only := flag.String("only", "", "one workload instead of all")
	flag.Parse()
	if err := run(*lines, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// workload is a log and the filter that reads it.
type workload struct {
	name, filter string
	next         func(r *rand.Rand, at time.Time, n int) []string
	union        string // what rg counts: the lines that the filter matches, as one expression
}

// union is sshd's lines of log.go that a failregex of sshd matches, as one expression.
const union = `sshd\[\d+\]: (?:Invalid user \S* from|Connection closed by (?:invalid|authenticating) user \S+|Failed \S+ for \S+ from|Accepted \S+ for \S+ from` +
	`|pam_unix\(sshd:auth\): authentication failure;.* rhost=) ?\d+\.\d+\.\d+\.\d+`

func workloads() []workload {
	return []workload{
		{"sshd-iso", "sshd", sshd("2006-01-02T15:04:05.000000-07:00"), union},
		{"sshd-iso-aggressive", "sshd[mode=aggressive]", sshd("2006-01-02T15:04:05.000000-07:00"), union},
		{"sshd-syslog", "sshd", sshd("Jan _2 15:04:05"), union},
		{"nginx", "nginx-botsearch", nginx, `^\d+\.\d+\.\d+\.\d+ - \S+ \[[^\]]*\] "(?:GET|POST|HEAD) /\S*(?:phpmyadmin|wp-login|cgi-bin)\S* [^"]*" 404 `},
	}
}

// program is one of those that are compared.
type program struct {
	name  string
	args  []string
	count *regexp.Regexp // takes the lines read out of its output; nil: not printed
	wall  []time.Duration
	cpu   []time.Duration
	rss   int64 // KiB, the largest
}

func run(lines, rounds int, only string) error {
	dir, err := os.MkdirTemp("", "gaol-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	gaol := filepath.Join(dir, "gaol")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", gaol, "./cmd/gaol")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build gaol: %w\n%s", err, out)
	}
	for _, w := range workloads() {
		if only != "" && only != w.name {
			continue
		}
		if err := w.run(dir, gaol, lines, rounds); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func (w workload) run(dir, gaol string, lines, rounds int) error {
	log := filepath.Join(dir, w.name+".log")
	if err := writeLog(log, lines, w.next); err != nil {
		return err
	}
	all := w.programs(gaol, log)
	for round := range rounds + 1 {
		for _, p := range all {
			if err := p.run(lines, round > 0); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\n== %s: %d lines, filter %s of /etc/fail2ban, median of %d runs in turn, start-up included\n", w.name, lines, w.filter, rounds)
	report(all, lines)
	return nil
}

// programs are gaol and what it is held against.
func (w workload) programs(gaol, log string) []*program {
	all := []*program{
		{name: "gaol test", args: []string{gaol, "test", "-c", "/etc/fail2ban", log, w.filter}, count: regexp.MustCompile(`(?m)(\d+) lines`)},
		{name: "fail2ban-regex", args: []string{"fail2ban-regex", "--usedns=no", log, w.filter}, count: regexp.MustCompile(`Lines: (\d+) lines`)},
		{name: "fail2ban-regex -o ip", args: []string{"fail2ban-regex", "--usedns=no", "-o", "ip", log, w.filter}},
	}
	if rg, err := exec.LookPath("rg"); err == nil {
		all = append(all, &program{name: "rg -c union", args: []string{rg, "-j1", "-c", w.union, log}})
	}
	return all
}

// run runs the program once; the first round only warms caches.
func (p *program) run(lines int, counts bool) error {
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
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

func report(all []*program, lines int) {
	fmt.Printf("%-22s %10s %10s %10s %14s %10s\n", "", "wall", "cpu", "cpu min", "lines/s (cpu)", "peak RSS")
	for _, p := range all {
		cpu := median(p.cpu)
		fmt.Printf("%-22s %10s %10s %10s %14.0f %7d MB\n", p.name, median(p.wall).Round(time.Millisecond), cpu.Round(time.Millisecond),
			slices.Min(p.cpu).Round(time.Millisecond), float64(lines)/cpu.Seconds(), p.rss/1024)
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
