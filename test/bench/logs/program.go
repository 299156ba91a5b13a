package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"gaol/test/bench/record"
)

// program is one of those that are compared.
type program struct {
	args        []string
	lines       int
	rates, wall record.Samples // thousand lines a second of processor time; seconds
	rss         int64          // KiB, the largest
	all         bool           // on all processors
}

func (p *program) run() error {
	cmd := exec.Command(p.args[0], p.args[1:]...)
	if !p.all {
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %.500s", strings.Join(p.args, " "), err, said.String())
	}
	p.wall = append(p.wall, time.Since(began).Seconds())
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	p.rates = append(p.rates, float64(p.lines)/1000/max(cpu.Seconds(), 1e-4))
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.rss = max(p.rss, u.Maxrss)
	}
	return nil
}
