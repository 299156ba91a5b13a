// Command daemon measures the running daemon, beside Debian's fail2ban and the kernel's own
// limit where that can be done in the time: bursts, the way from a write to a refused
// connection, many bans at once, a start with many bans, many jails, memory, idling, start-up.
// It makes two network namespaces (the machine under attack and the attackers), so the machine's
// own firewall is never touched, and a namespace of processes, so that no daemon outlives it,
// however it ends. It judges nothing, and a row that fails does not keep the others from being
// measured.
//
// usage: go run ./test/bench/daemon [-full] [-only NAME,...] [-rounds N] [-write FILE] [-gaol FILE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gaol/test/bench/record"
)

// inside tells the program that it already runs in the namespaces, and where its folder is.
const inside = "GAOL_BENCH_INSIDE"

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	full, tiny          bool
	only, write, binary string
	rounds              int
}

func read(args []string) (o options, err error) {
	flags := flag.NewFlagSet("daemon", flag.ContinueOnError)
	flags.BoolVar(&o.full, "full", false, "the sizes of fail2ban's longer measurements too: half an hour")
	flags.BoolVar(&o.tiny, "tiny", false, "each row once and small: seconds, and figures that say nothing")
	flags.StringVar(&o.only, "only", "", "names of rows, with commas between them, instead of all")
	flags.IntVar(&o.rounds, "rounds", 3, "runs of what is short")
	flags.StringVar(&o.write, "write", "", "document that takes the table")
	flags.StringVar(&o.binary, "gaol", "", "the gaol to measure; empty: built from this tree")
	return o, flags.Parse(args)
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := read(args)
	if err != nil {
		return err
	}
	dir := os.Getenv(inside)
	if dir == "" {
		return enter(args, o, stdout, stderr)
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, unix.SIGINT, unix.SIGTERM)
	go func() {
		<-stopped
		os.Exit(1) // the kernel ends all processes of the namespace with its first
	}()
	b := &bench{dir: dir, gaol: o.binary, size: sizesOf(o), progress: stderr}
	if b.gaol == "" {
		b.gaol = filepath.Join(dir, "gaol")
	}
	if b.table, err = record.Open(o.write, "daemon", o.only != "", b.about, "what", "unit", "gaol", "fail2ban, same run", "ratio", "fail2ban, measured before", "goal", ""); err != nil {
		return err
	}
	if err := b.lay(); err != nil {
		return err
	}
	err = b.measure(o.only)
	fmt.Fprint(stdout, b.table.Text())
	return err
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

func (b *bench) measure(only string) error {
	var failed []error
	for _, r := range b.all() {
		if only != "" && !slices.Contains(strings.Split(only, ","), r.name) {
			continue
		}
		fmt.Fprintf(b.progress, "== %s\n", r.name)
		began := time.Now()
		b.table.Drop(failedRow(r.name))
		err := r.do()
		b.killAll()
		if err != nil {
			err = fmt.Errorf("%s: %w", r.name, err)
			failed = append(failed, err)
			fmt.Fprintf(b.progress, "   failed: %v\n", err)
			why, _, _ := strings.Cut(err.Error(), "\n")
			err = b.table.Put(failedRow(r.name), "", "not measured to its end", "", "", "", "", fmt.Sprintf("%.160s", why))
		}
		if err := errors.Join(err, wipe()); err != nil {
			failed = append(failed, err)
		}
		fmt.Fprintf(b.progress, "   took %s\n", time.Since(began).Round(time.Second))
	}
	return errors.Join(failed...)
}

// failedRow is what the table says of a row that could not be measured.
func failedRow(name string) string { return "(" + name + ")" }

// enter runs this program once more as the first process of namespaces of its own: of the
// network, of processes, of mounts (proc(5) shows one namespace's processes).
func enter(args []string, o options, stdout, stderr io.Writer) error {
	// Not in /tmp: gaol watches the folders above its logs, and others' files would wake it.
	dir, err := os.MkdirTemp("/var/tmp", "gaol-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.binary == "" {
		fmt.Fprintln(stderr, "== building gaol")
		if err := record.Build(filepath.Join(dir, "gaol")); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends
	defer runtime.UnlockOSThread()
	measuring, measured := record.CPUs()
	words := record.Pinned(measuring, append([]string{self}, args...)...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), inside+"="+dir, onCPU+"="+measured, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL,
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, unix.SIGINT, unix.SIGTERM)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("make namespaces (needs root): %w", err)
	}
	go func() {
		for range stopped {
			_ = cmd.Process.Signal(unix.SIGTERM)
		}
	}()
	return cmd.Wait()
}
