// Command logs measures `gaol test` beside Debian's fail2ban-regex and `rg -c` of what the filter
// looks for: the same generated lines and the same filter, the programs in turn in one run, each
// on one processor, because a shared machine drifts. What gaol finds is held against what
// fail2ban-regex finds. It judges no speed.
//
// usage: go run ./test/bench/logs [-full] [-only NAME,...] [-write FILE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gaol/test/bench/record"
	"gaol/test/bench/sample"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	lines, peerLines int // of the log that gaol and rg read, and of that fail2ban-regex reads
	rounds           int // of fail2ban-regex; the others run twice as often
	dir, gaol, cpu   string
	table            *record.Table
}

func run(args []string) error {
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	full := flags.Bool("full", false, "fail2ban-regex reads a million lines too: ten minutes")
	lines := flags.Int("lines", 1_000_000, "lines that gaol and rg read")
	peer := flags.Int("peer-lines", 100_000, "lines that fail2ban-regex reads")
	rounds := flags.Int("rounds", 3, "runs of fail2ban-regex; the others run twice as often")
	only := flags.String("only", "", "names of logs, with commas between them, instead of all")
	write := flags.String("write", "", "document that takes the table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gaol-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, unix.SIGINT, unix.SIGTERM)
	go func() {
		<-stopped
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}()
	b := &bench{lines: *lines, peerLines: *peer, rounds: *rounds, dir: dir, gaol: filepath.Join(dir, "gaol")}
	if *full {
		b.peerLines, b.rounds = *lines, 2
	}
	_, b.cpu = record.CPUs()
	b.table, err = record.Open(*write, "logs", *only != "", b.about, "log, filter", "gaol, 1000 lines/s", "fail2ban-regex", "gaol / fail2ban",
		"rg -c union", "gaol / rg", "rg -c literals", "failures", "goal", "")
	if err != nil {
		return err
	}
	if err := record.Build(b.gaol); err != nil {
		return err
	}
	var failed []error
	for _, w := range workloads() {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), w.name) {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "== %s, filter %s\n", w.name, w.filter)
		if err := b.measure(w); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
			fmt.Fprintf(os.Stderr, "   failed: %v\n", err)
		}
		fmt.Fprintf(os.Stderr, "   took %s\n", time.Since(began).Round(time.Second))
	}
	if *only == "" || slices.Contains(strings.Split(*only, ","), "replay") {
		if err := b.replay(*full); err != nil {
			failed = append(failed, fmt.Errorf("replay: %w", err))
		}
	}
	fmt.Print(b.table.Text())
	return errors.Join(failed...)
}

func (b *bench) about() string {
	return fmt.Sprintf("%s\n\nThousand lines a second of processor time, start-up included: minimum / **median** / maximum (runs). "+
		"gaol and rg read %d lines, fail2ban-regex %d; each program on one processor.", record.Machine(), b.lines, b.peerLines)
}

// workload is a log and the filter that reads it.
type workload struct {
	name, filter, goal string
	next               func() sample.Next
	union              string   // what rg counts: the lines that the filter matches, as one expression
	literals           []string // and one of these stands in each of them
}

// union is the lines of sample.SSHD that sshd's failregexes match.
const union = `sshd\[\d+\]: (?:Invalid user \S* from|Connection closed by (?:invalid|authenticating) user \S+|Failed \S+ for \S+ from|Accepted \S+ for \S+ from` +
	`|pam_unix\(sshd:auth\): authentication failure;.* rhost=) ?\d+\.\d+\.\d+\.\d+`

// bots are the pages that nginx-botsearch looks for. Its failregexes are two: of the access log and
// of the error log.
const bots = `(?:roundcube|horde|(?:ext|(?:v-?)?web)?mail|(?:typo3/|xampp/|admin/)?(?:pma|(?:php)?[Mm]y[Aa]dmin)|wp-(?:login|signup|admin)\.php|cgi-bin|mysqladmin)`

func workloads() []workload {
	iso := func() sample.Next { return sample.SSHD(sample.ISO) }
	syslog := func() sample.Next { return sample.SSHD(sample.Syslog) }
	literals := []string{"Invalid user ", "Connection closed by ", "Failed ", "Accepted ", "authentication failure"}
	const sshd = "30x, aim 60x fail2ban and half of rg"
	return []workload{
		{"sshd-iso", "sshd", sshd, iso, union, literals},
		{"sshd-iso-aggressive", "sshd[mode=aggressive]", sshd, iso, union, literals},
		{"sshd-syslog", "sshd", sshd, syslog, union, literals},
		{"nginx", "nginx-botsearch", "50x, aim 100x fail2ban and rg", func() sample.Next { return sample.Nginx },
			`^\S+ - \S+ \[[^\]]*\] "(?:GET|POST|HEAD) /?` + bots + `[^,]* \S+" 404 .+$` +
				`|\[error\] \d+#\d+: \*\d+ (?:\S+ )?"\S+" (?:failed|is not found) \(2: No such file or directory\), client: \S+, server: \S*, request: "(?:GET|POST|HEAD) /` + bots,
			[]string{"roundcube", "horde", "mail", "pma", "yadmin", "yAdmin", "wp-", "cgi-bin"}},
	}
}

// measure runs all programs on a workload, in turn, and writes its row.
func (b *bench) measure(w workload) error {
	log, small := filepath.Join(b.dir, w.name+".log"), filepath.Join(b.dir, w.name+".small.log")
	if err := errors.Join(sample.Write(log, b.lines, w.next()), sample.Write(small, b.peerLines, w.next())); err != nil {
		return err
	}
	defer os.Remove(log)
	defer os.Remove(small)
	same, err := b.sameFailures(w, small)
	if err != nil {
		return err
	}
	rg := record.Pinned(b.cpu, "rg", "-j1", "-c")
	literals := append(slices.Clone(rg), "-F")
	for _, l := range w.literals {
		literals = append(literals, "-e", l)
	}
	gaol := &program{lines: b.lines, args: record.Pinned(b.cpu, b.gaol, "test", "-c", "/etc/fail2ban", log, w.filter)}
	peer := &program{lines: b.peerLines, args: record.Pinned(b.cpu, "fail2ban-regex", "--usedns=no", "-o", "ip", small, w.filter)}
	counts := &program{lines: b.lines, args: append(slices.Clone(rg), w.union, log)}
	finds := &program{lines: b.lines, args: append(literals, log)}
	for round := range b.rounds {
		for _, p := range []*program{gaol, counts, finds, peer, gaol, counts, finds} {
			if err := p.run(); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "   %d of %d: gaol %s, fail2ban %s, rg %s\n", round+1, b.rounds, gaol.rates.Range(), peer.rates.Range(), counts.rates.Range())
	}
	speed := gaol.rates.Median()
	return b.table.Put(w.name+", "+w.filter, gaol.rates.Range(), peer.rates.Range(), record.Ratio(speed, peer.rates.Median()),
		counts.rates.Range(), record.Ratio(speed, counts.rates.Median()), finds.rates.Range(), same, w.goal,
		fmt.Sprintf("gaol: wall %.2f s, peak RSS %d MB", gaol.wall.Median(), gaol.rss/1024))
}

// sameFailures runs gaol under fail2ban-regex's name beside it: both must print the same
// addresses in the same order, and `gaol test` must count as many failures.
func (b *bench) sameFailures(w workload, log string) (string, error) {
	twin := filepath.Join(b.dir, "fail2ban-regex")
	if err := os.Symlink(b.gaol, twin); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	var outs [2]string
	for i, name := range []string{"fail2ban-regex", twin} {
		out, err := exec.Command(name, "--usedns=no", "-c", "/etc/fail2ban", "-o", "ip", log, w.filter).Output()
		if err != nil {
			return "", fmt.Errorf("%s -o ip: %w", name, err)
		}
		outs[i] = string(out)
	}
	if outs[0] != outs[1] {
		return "", fmt.Errorf("gaol finds %d failures, fail2ban-regex %d, or other ones", strings.Count(outs[1], "\n"), strings.Count(outs[0], "\n"))
	}
	return fmt.Sprintf("the same %d", strings.Count(outs[0], "\n")), nil
}
