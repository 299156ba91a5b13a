// Command daemon measures the running daemon, beside Debian's fail2ban and the kernel's own
// limit where that can be done in the time: bursts, the way from a write to a refused
// connection, many bans at once, a start with many bans, memory, idling, start-up. It makes two
// network namespaces (the machine under attack and the attackers), so the machine's own
// firewall is never touched. It prints a table and, with -write, puts it into a document
// between <!-- daemon --> and <!-- end -->. It judges nothing.
//
// usage: go run ./test/bench/daemon [-full] [-only NAME,...] [-rounds N] [-write FILE]
package main

import (
	"context"
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
)

// inside tells the program that it already runs in the namespace of the machine under attack.
const inside = "GAOL_BENCH_INSIDE"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	full := flag.Bool("full", false, "the sizes of the tracker's table, fail2ban's included: 30 minutes")
	only := flag.String("only", "", "names of rows, with commas between them, instead of all")
	rounds := flag.Int("rounds", 3, "runs of what is short")
	write := flag.String("write", "", "document that takes the table")
	binary := flag.String("gaol", "", "the gaol to measure; empty: built from this tree")
	flag.Parse()
	if os.Getenv(inside) == "" {
		return enter()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "gaol-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, gaol: *binary, full: *full, rounds: *rounds}
	if b.gaol == "" {
		b.gaol = filepath.Join(dir, "gaol")
		if err := build(b.gaol); err != nil {
			return err
		}
	}
	if err := b.lay(); err != nil {
		return err
	}
	defer b.leave()
	for _, r := range b.all() {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", r.name)
		began := time.Now()
		if err := r.do(); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(os.Stderr, "   took %s\n", time.Since(began).Round(time.Second))
	}
	text := b.table()
	fmt.Print(text)
	if *write == "" {
		return nil
	}
	return put(*write, "daemon", text)
}

// row is one measurement.
type row struct {
	name string
	do   func() error
}

func (b *bench) all() []row {
	return []row{
		{"start", b.start}, {"idle", b.idle}, {"burst", b.burst}, {"latency", b.latency},
		{"load", b.load}, {"bans", b.bans}, {"restore", b.restore}, {"jails", b.jails},
	}
}

// enter runs this program once more in a network namespace of its own.
func enter() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command("unshare", append([]string{"--net", self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM}
	return cmd.Run()
}

func build(to string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "gaol/cmd/gaol")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build gaol: %w\n%s", err, out)
	}
	return nil
}
