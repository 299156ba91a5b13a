package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"gaol/test/bench/record"
)

// bench is the lab: this process is in the namespace of the machine under attack; a child
// holds that of the attackers, which own all of 198.18.0.0/15 and 100.64.0.0/10.
type bench struct {
	dir      string
	gaol     string // program
	cpu      string // that daemons run on, in taskset(1)'s words; "": any
	size     sizes
	others   *exec.Cmd // lives in the attackers' namespace
	table    *record.Table
	progress io.Writer
	running  []*server
}

// onCPU hands the processor for the daemons to the program inside.
const onCPU = "GAOL_BENCH_CPU"

// target is where the attackers knock.
const target = "10.99.0.1"

// lay joins the two machines by a wire and opens the port that is attacked.
func (b *bench) lay() error {
	b.cpu = os.Getenv(onCPU)
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return fmt.Errorf("mount proc(5): %w", err)
	}
	b.others = exec.Command("unshare", "--net", "cat")
	if _, err := b.others.StdinPipe(); err != nil { // cat(1) ends with this process
		return err
	}
	if err := b.others.Start(); err != nil {
		return err
	}
	for { // unshare(1) execs in its new namespace
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", b.others.Process.Pid))
		if err != nil || strings.HasPrefix(string(comm), "cat") {
			break
		}
		runtime.Gosched()
	}
	pid := fmt.Sprint(b.others.Process.Pid)
	there := "nsenter --target " + pid + " --net "
	for _, c := range []string{
		"ip link set lo up", "ip link add v0 type veth peer name v1 netns " + pid,
		"ip addr add " + target + "/24 dev v0", "ip link set v0 up",
		there + "ip link set lo up", there + "ip addr add 10.99.0.2/24 dev v1", there + "ip link set v1 up",
		there + "ip route add local 198.18.0.0/15 dev lo",
		"ip route add 198.18.0.0/15 via 10.99.0.2", "ip route add 100.64.0.0/10 via 10.99.0.2",
	} {
		if err := command(c); err != nil {
			return err
		}
	}
	return serve()
}

// serve opens the port that is attacked.
func serve() error {
	server, err := net.Listen("tcp", target+":22")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return nil
}

func command(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return nil
}

// among runs do on a thread in the attackers' namespace, which ends with it.
func (b *bench) among(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not come back to others
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", b.others.Process.Pid))
		if err == nil {
			err = errors.Join(unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET), ns.Close())
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}
