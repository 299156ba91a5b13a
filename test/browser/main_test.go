// Package browser opens gaol's web page in a real Chromium, in a network of namespaces where a
// real client attacks a real service, and looks at what a person would see.
package browser

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gaol/internal/cli"
	"gaol/internal/control"
	"gaol/internal/netlab"
)

// asGaol makes a process of this test a gaol: what is tested is the daemon as it is started.
const asGaol = "GAOL_TEST_AS_GAOL"

func TestMain(m *testing.M) {
	if os.Getenv(asGaol) != "" {
		os.Exit(cli.Main(append([]string{"gaol"}, os.Args[1:]...), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(netlab.Main(m))
}

// patience is how long what must happen may take, on two busy cores.
const patience = 20 * time.Second

const page = "http://127.0.0.1:8480"

// world is a host with gaol and a service that is attacked, and who attacks it.
type world struct {
	t        *testing.T
	lab      *netlab.Lab
	attacker *netlab.Node
	dir      string
	log      string
	client   *control.Client
	token    string
	shots    string // directory of screenshots
	mu       sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no chromium; run: scripts/packages test")
		}
		t.Skip("there is no chromium; run: scripts/packages test")
	}
	w := &world{t: t, lab: netlab.New(t), dir: t.TempDir(), shots: os.Getenv("GAOL_SCREENSHOTS")}
	if w.shots == "" {
		w.shots = t.ArtifactDir()
	}
	w.attacker = w.lab.NewClient("attacker", "203.0.113.66/24", "2001:db8:1::66/64")
	w.log = filepath.Join(w.dir, "auth.log")
	w.write("auth.log", "")
	w.write("nginx.log", "")
	w.write("conf/gaol.local", "[Definition]\nweb = 127.0.0.1:8480\nlabels = perhaps\n")
	w.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n")
	w.write("conf/jail.local", fmt.Sprintf("[sshd]\nenabled = true\nfilter = sshd\nbackend = auto\nport = 2222\nbanaction = gaol\nlogpath = %s\nmaxretry = 3\nbantime = 1h\n"+
		"[door]\nenabled = true\nfilter = door\nbackend = auto\nport = 2223\nbanaction = gaol\nlogpath = %s/nginx.log\nmaxretry = 2\nbantime = 10m\n", w.log, w.dir))
	w.write("conf/filter.d/door.conf", "[Definition]\nfailregex = ^knock from <HOST>$\n")
	w.serve(":2222")
	w.start()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(os.WriteFile(path, []byte(text), 0o600))
}

// serve is a service of the host that lets nobody in and logs as sshd does: one line of a client is
// the name it wants to be.
func (w *world) serve(addr string) {
	l := w.lab.Host.Listen(addr)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				name, err := bufio.NewReader(c).ReadString('\n')
				if err != nil {
					return
				}
				from := c.RemoteAddr().(*net.TCPAddr)
				w.say(w.log, fmt.Sprintf("sshd[4711]: Failed password for invalid user %s from %s port %d ssh2", strings.TrimSpace(name), from.IP, from.Port))
				_, _ = c.Write([]byte("no\n"))
			}()
		}
	}()
}

// say writes a line to a log.
func (w *world) say(log, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s host %s\n", time.Now().Format("2006-01-02T15:04:05.000-07:00"), text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.t.Error(err)
	}
}

// attack logs in, in vain, as somebody.
func (w *world) attack(name string, times int) {
	w.t.Helper()
	for range times {
		w.must(w.attacker.Do(func() error {
			c, err := net.DialTimeout("tcp", "203.0.113.1:2222", patience)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := fmt.Fprintf(c, "%s\n", name); err != nil {
				return err
			}
			// The answer to the last one may be dropped: it is banned by then.
			_ = c.SetReadDeadline(time.Now().Add(time.Second / 5))
			_, _ = c.Read(make([]byte, 8))
			return nil
		}))
	}
}

// start runs `gaol run` on the host and returns when it watches and serves the page.
func (w *world) start() {
	w.t.Helper()
	self, err := os.Executable()
	w.must(err)
	socket, state := filepath.Join(w.dir, "sock"), filepath.Join(w.dir, "state")
	gaol := exec.CommandContext(context.Background(), "nsenter", "--net="+w.lab.Host.Path(), "--", self, "run", "-c", filepath.Join(w.dir, "conf"), "--state", state, "--socket", socket, "--fail2ban-socket", "none")
	gaol.Env = append(os.Environ(), asGaol+"=1")
	gaol.Stderr = os.Stderr
	out, err := gaol.StdoutPipe()
	w.must(err)
	w.must(gaol.Start())
	serves, ended := make(chan bool), make(chan string, 1)
	go func() {
		var said strings.Builder
		lines := bufio.NewScanner(out)
		for told := false; lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if !told && strings.Contains(lines.Text(), "the web page is at") {
				told = true
				close(serves)
			}
		}
		ended <- said.String()
	}()
	w.t.Cleanup(func() {
		_ = gaol.Process.Signal(syscall.SIGTERM)
		said := <-ended
		if err := gaol.Wait(); err != nil || w.t.Failed() {
			w.t.Logf("gaol ended: %v\n%s", err, said)
		}
	})
	select {
	case <-serves:
	case said := <-ended:
		ended <- said
		w.t.Fatalf("gaol does not run:\n%s", said)
	case <-time.After(patience):
		w.t.Fatal("gaol does not serve its page in time")
	}
	w.client = control.NewClient(socket)
	token, err := os.ReadFile(filepath.Join(state, "web.token"))
	w.must(err)
	w.token = strings.TrimSpace(string(token))
}

func (w *world) do(c control.Command) control.Reply {
	w.t.Helper()
	reply, err := w.client.Do(w.t.Context(), c)
	w.must(err)
	return reply
}

func (w *world) banned(id string) bool {
	w.t.Helper()
	return len(w.do(control.Banned{ID: id}).Bans) > 0
}

// chromium starts a browser on the host, with a profile of its own.
func (w *world) chromium() context.Context {
	w.t.Helper()
	wrapper := filepath.Join(w.dir, "chromium")
	script := fmt.Sprintf("#!/bin/sh\nexec nsenter --net=%s -- chromium \"$@\"\n", w.lab.Host.Path())
	w.must(os.WriteFile(wrapper, []byte(script), 0o700))
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(wrapper), chromedp.DisableGPU,
		chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	w.t.Cleanup(cancel)
	browser, end := chromedp.NewContext(ctx)
	w.t.Cleanup(func() { _ = chromedp.Cancel(browser); end() })
	w.must(chromedp.Do(browser))
	return browser
}
