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
)

// server is a daemon that is measured.
type server struct {
	b     *bench
	dir   string // configuration, state and log
	cmd   *exec.Cmd
	began time.Time // just before exec
	ready time.Time
	ended chan struct{}
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
func (b *bench) gaolAt(dir string) (*server, error) {
	path := filepath.Join(dir, "notify")
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	s := &server{b: b, dir: dir}
	err = s.exec(append(os.Environ(), "NOTIFY_SOCKET="+path), b.gaol, "run", "-c", filepath.Join(dir, "conf"),
		"--state", filepath.Join(dir, "state"), "--socket", filepath.Join(dir, "gaol.sock"), "--fail2ban-socket", "none")
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return nil, err
	}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("gaol is not ready: %w: %s", err, s.said()), s.stop())
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			s.ready = time.Now()
			return s, nil
		}
	}
}

// fail2banAt starts fail2ban on a folder and waits until it says that it is ready.
func (b *bench) fail2banAt(dir string) (*server, error) {
	s := &server{b: b, dir: dir}
	if err := s.exec(os.Environ(), "fail2ban-server", "-f", "-c", filepath.Join(dir, "conf"), "--logtarget", filepath.Join(dir, "said"), "start"); err != nil {
		return nil, err
	}
	return s, s.until("Server ready", time.Minute)
}

// until waits for a word in what the daemon said. It polls: a daemon's log has no event.
func (s *server) until(word string, atMost time.Duration) error {
	for end := time.Now().Add(atMost); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(s.dir, "said")); bytes.Contains(text, []byte(word)) {
			s.ready = time.Now()
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%s: no %q after %s: %s", s.cmd.Path, word, atMost, s.said()), s.stop())
}

func (s *server) exec(env []string, name string, args ...string) error {
	out, err := os.Create(filepath.Join(s.dir, "said"))
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command(name, args...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = env, out, out
	s.ended = make(chan struct{})
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	return nil
}

func (s *server) said() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "said"))
	return string(text[max(0, len(text)-1500):])
}

// stop ends the daemon; gaol leaves its bans in the kernel.
func (s *server) stop() error {
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

// inKernel counts the elements of gaol's sets until there are enough: a listing while the
// kernel grows its hash table may lack some, and the last ban is not in force later than others.
func inKernel(want int) (n int, err error) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("nft", "-n", "list", "table", "inet", "gaol").Output()
		if n = bytes.Count(out, []byte("expires")); err != nil || n >= want {
			return n, err
		}
	}
	return n, fmt.Errorf("%d bans in the kernel, want %d", n, want)
}

// wipe deletes what daemons left in the kernel.
func wipe() error { return command("nft flush ruleset") }
