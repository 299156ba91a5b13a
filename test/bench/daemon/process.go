package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gaol/test/bench/record"
)

// server is a daemon that is measured.
type server struct {
	b     *bench
	dir   string    // configuration, state and log
	cmd   *exec.Cmd // taskset(1) execs it
	began time.Time // just before exec
	ready time.Time
	ended chan struct{}
	ours  bool // it is gaol
}

// killAll ends what a row left behind.
func (b *bench) killAll() {
	for _, s := range b.running {
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	b.running = nil
}

// home makes a daemon's folder: a copy of Debian's configuration with jail.local on top.
func (b *bench) home(jailLocal string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "home-")
	if err != nil {
		return "", err
	}
	conf := filepath.Join(dir, "conf")
	own := fmt.Sprintf("[Definition]\ndbfile = %[1]s/f2b.db\nsocket = %[1]s/f2b.sock\npidfile = %[1]s/f2b.pid\n", dir)
	return dir, errors.Join(
		os.CopyFS(conf, os.DirFS("/etc/fail2ban")), os.RemoveAll(filepath.Join(conf, "jail.d")),
		os.WriteFile(filepath.Join(conf, "fail2ban.local"), []byte(own), 0o600),
		os.WriteFile(filepath.Join(conf, "jail.local"), []byte(strings.ReplaceAll(jailLocal, "DIR", dir)), 0o600),
		os.WriteFile(filepath.Join(dir, "log"), nil, 0o600), os.WriteFile(filepath.Join(dir, "second"), nil, 0o600))
}

// gaolAt starts gaol on a folder and waits until it is ready (sd_notify(3)).
func (b *bench) gaolAt(dir string) (*server, error) { return b.gaolOn(b.cpu, dir) }

// gaolOn is gaolAt on the named processors.
func (b *bench) gaolOn(cpus, dir string) (*server, error) {
	path := filepath.Join(dir, "notify")
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	s := &server{b: b, dir: dir, ours: true}
	err = s.exec(append(os.Environ(), "NOTIFY_SOCKET="+path), record.Pinned(cpus, b.gaol, "run", "-c", filepath.Join(dir, "conf"),
		"--state", filepath.Join(dir, "state"), "--socket", filepath.Join(dir, "gaol.sock"), "--fail2ban-socket", "none"))
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end) && s.alive(); {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return nil, err
		}
		if n, err := conn.Read(buf); err == nil && bytes.Contains(buf[:n], []byte("READY=1")) {
			s.ready = time.Now()
			return s, nil
		}
	}
	return nil, fmt.Errorf("gaol is not ready: %s", s.said())
}

// fail2banAt starts fail2ban on a folder and waits until it says that it is ready.
func (b *bench) fail2banAt(dir string) (*server, error) {
	s := &server{b: b, dir: dir}
	err := s.exec(os.Environ(), record.Pinned(b.cpu, "fail2ban-server", "-f", "-c", filepath.Join(dir, "conf"), "--logtarget", filepath.Join(dir, "said"), "start"))
	if err != nil {
		return nil, err
	}
	err = s.until("Server ready", 1, time.Minute)
	s.ready = time.Now()
	return s, err
}

// alive reports that the daemon has not ended.
func (s *server) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// until waits until the daemon has said a word so often. It polls: a daemon's log has no event.
func (s *server) until(word string, times int, atMost time.Duration) error {
	for end := time.Now().Add(atMost); time.Now().Before(end) && s.alive(); time.Sleep(5 * time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(s.dir, "said")); bytes.Count(text, []byte(word)) >= times {
			return nil
		}
	}
	return fmt.Errorf("%s: no %q after %s: %s", s.cmd.Args, word, atMost, s.said())
}

func (s *server) exec(env, words []string) error {
	out, err := os.Create(filepath.Join(s.dir, "said"))
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command(words[0], words[1:]...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = env, out, out
	s.ended = make(chan struct{})
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.b.running = append(s.b.running, s)
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	return nil
}

func (s *server) said() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "said"))
	return string(text[max(0, len(text)-1500):])
}

// stop ends the daemon; gaol leaves its bans in the kernel.
func (s *server) stop() error {
	if !s.alive() {
		return fmt.Errorf("%s has ended: %s", s.cmd.Args, s.said())
	}
	_ = s.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(3 * time.Minute):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("%s does not end", s.cmd.Path)
	}
}

// append writes text to one of the daemon's logs in one write, and returns when it had.
func (s *server) append(name string, text []byte) (time.Time, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return time.Time{}, err
	}
	_, err = f.Write(text)
	return time.Now(), errors.Join(err, f.Close())
}

// rss is a value of /proc/PID/status in MB: VmRSS, VmHWM.
func (s *server) rss(key string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	_, behind, _ := strings.Cut(string(text), key+":")
	kb, _ := strconv.ParseFloat(strings.Fields(behind + " 0")[0], 64)
	return kb / 1024
}

// spent is the CPU time of all threads and how often they went to sleep: proc(5) schedstat
// counts nanoseconds, where stat counts ticks of ten milliseconds.
func (s *server) spent() (cpu time.Duration, naps int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.cmd.Process.Pid))
	for _, t := range threads {
		stat, _ := os.ReadFile(filepath.Join(t, "schedstat"))
		if f := strings.Fields(string(stat)); len(f) > 0 {
			ns, _ := strconv.ParseInt(f[0], 10, 64)
			cpu += time.Duration(ns)
		}
		status, _ := os.ReadFile(filepath.Join(t, "status"))
		_, behind, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		n, _ := strconv.Atoi(strings.Fields(behind + " 0")[0])
		naps += n
	}
	return cpu, naps
}

// hasAll checks that gaol has so many bans in the kernel.
func (s *server) hasAll(want int) error {
	if !s.ours {
		return nil
	}
	_, err := inKernel(want)
	return err
}

// inKernel counts the elements of gaol's sets until there are enough: a listing while the
// kernel grows its hash table may lack some, and the last ban is not in force later than others.
func inKernel(want int) (n int, err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("nft", "-n", "list", "table", "inet", "gaol").Output()
		if n = bytes.Count(out, []byte("expires")); err != nil || n >= want {
			return n, err
		}
	}
	return n, fmt.Errorf("%d bans in the kernel, want %d", n, want)
}

// wipe deletes what daemons left in the kernel.
func wipe() error { return command("nft flush ruleset") }
