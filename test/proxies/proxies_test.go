// Package proxies puts real HTTP proxies before a server and has gaol say who may pass: clients
// whose packets gaol never sees, since they end at the proxy. The configurations are those that
// docs/proxies.md shows.
package proxies

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
	"gaol/internal/gate"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

const (
	attacker = "203.0.113.66"
	staff    = "203.0.113.7"
	page     = "../../docs/proxies.md"
	patience = 30 * time.Second
)

// lab is a host with a server behind a proxy, and two clients.
type lab struct {
	t      *testing.T
	dir    string
	host   *netlab.Node
	client map[string]*netlab.Node
	daemon *control.Client
	gate   chan *gate.Gate // what the engine opened
	stop   func()
	said   saying // by the proxy
}

// saying is a log that is read while it grows.
type saying struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *saying) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *saying) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newLab(t *testing.T, o gate.Options) *lab {
	t.Helper()
	net := netlab.New(t)
	l := &lab{t: t, dir: t.TempDir(), host: net.Host, client: map[string]*netlab.Node{}, gate: make(chan *gate.Gate, 1)}
	l.client[attacker] = net.NewClient("attacker", attacker+"/24")
	l.client[staff] = net.NewClient("staff", staff+"/24")
	l.must(os.Chmod(l.dir, 0o755)) // proxies change their user
	l.serve()
	l.run(o)
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// serve is the server that is protected, at 127.0.0.1:9000 of the host.
func (l *lab) serve() {
	var at net.Listener
	l.must(l.host.Do(func() (err error) {
		at, err = (&net.ListenConfig{}).Listen(l.t.Context(), "tcp", "127.0.0.1:9000")
		return err
	}))
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the page") })}
	go func() { _ = s.Serve(at) }()
	l.t.Cleanup(func() { _ = s.Close() })
}

// run starts an engine whose packets nobody needs, with the gate open in the host's namespace.
func (l *lab) run(o gate.Options) {
	l.must(os.WriteFile(filepath.Join(l.dir, "auth.log"), nil, 0o600))
	l.must(os.WriteFile(filepath.Join(l.dir, "jail.local"), fmt.Appendf(nil,
		"[sshd]\nenabled = true\nfilter = sshd\nbackend = auto\nlogpath = %s/auth.log\nmaxretry = 3\n", l.dir), 0o600))
	o.Told = func(msg string, err error) { l.t.Log(msg, err) }
	ready, ended := make(chan bool), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	socket := filepath.Join(l.dir, "sock")
	go func() {
		ended <- engine.Run(ctx, engine.Options{
			Load:     func() (*config.Config, []config.Problem) { return config.Load(config.LoadOptions{Dir: l.dir}) },
			StateDir: filepath.Join(l.dir, "state"), Socket: socket, Firewall: firewall.NewMemory(), Alone: true,
			Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) },
			Services: []engine.Service{{Name: "forward_auth", Start: func(d engine.Door) (stop func() error, err error) {
				var g *gate.Gate
				err = l.host.Do(func() (err error) { g, err = gate.Open(d, o); return err })
				if err != nil {
					return nil, err
				}
				l.gate <- g
				return g.Close, nil
			}}},
		})
	}()
	stopped := false
	l.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
	}
	l.t.Cleanup(l.stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		l.t.Fatal(err)
	}
	l.daemon = control.NewClient(socket)
}

// attack fails three logins in the log of another service, and waits for the ban.
func (l *lab) attack() {
	l.t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, "auth.log"), os.O_APPEND|os.O_WRONLY, 0)
	l.must(err)
	for i := range 3 {
		fmt.Fprintf(f, "%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n", time.Now().Format("2006-01-02T15:04:05-07:00"), 100+i, attacker)
	}
	l.must(f.Close())
}

func (l *lab) unban() {
	l.t.Helper()
	_, err := l.daemon.Do(l.t.Context(), control.Unban{ID: attacker})
	l.must(err)
}

// get is the status that a client gets from a port of the host; 0: none.
func (l *lab) get(from string, port int) int {
	l.t.Helper()
	node := l.client[from]
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		return node.Dial(network, addr, patience)
	}}}
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, fmt.Sprintf("http://%s/", net.JoinHostPort(l.host.Addr(false).String(), fmt.Sprint(port))), nil)
	l.must(err)
	r.Header.Set("X-Forwarded-For", "198.51.100.1") // a client's own words
	res, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// until asks until a client gets a status.
func (l *lab) until(from string, port, want int) {
	l.t.Helper()
	last := 0
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if last = l.get(from, port); last == want {
			return
		}
	}
	l.t.Fatalf("%s gets %d, want %d", from, last, want)
}

// example is a block of the page: the one in language lang that holds text.
func example(t *testing.T, lang, text string) string {
	t.Helper()
	doc, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+lang+"\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		if strings.Contains(m[1], text) {
			return m[1]
		}
	}
	t.Fatalf("%s shows no %s with %q", page, lang, text)
	return ""
}

// proxy starts a server with a configuration of the page and waits until it answers staff.
func (l *lab) proxy(port int, file, text string, command ...string) {
	l.t.Helper()
	path := filepath.Join(l.dir, file)
	l.must(os.WriteFile(path, []byte(text), 0o600))
	if _, err := exec.LookPath(command[0]); err != nil {
		l.t.Fatalf("%v; bring it with: scripts/packages test", err)
	}
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "FILE", path)
	}
	cmd := l.host.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &l.said, &l.said
	cmd.Env = append(os.Environ(), "HOME="+l.dir)
	// A killed master would leave its workers behind.
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, patience
	l.must(cmd.Start())
	l.t.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s", command[0], l.said.String())
		}
	})
	l.until(staff, port, http.StatusOK)
}

func ask() gate.Options {
	return gate.Options{Listen: "127.0.0.1:8481", Header: "X-Forwarded-For", Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// judge has a proxy keep the attacker out, and let him in again; then gaol ends. settled is what a
// proxy says when it has begun, and when it has read its files again: HAProxy loses a signal that
// comes while it does.
func (l *lab) judge(port, down int, settled string) {
	l.t.Helper()
	if got := l.get(attacker, port); got != http.StatusOK {
		l.t.Fatalf("before the ban: %d", got)
	}
	l.attack()
	l.until(attacker, port, http.StatusForbidden)
	if got := l.get(staff, port); got != http.StatusOK {
		l.t.Errorf("staff gets %d", got)
	}
	for end := time.Now().Add(patience); strings.Count(l.said.String(), settled) < 2 && settled != ""; {
		if l.get(staff, port); time.Now().After(end) {
			l.t.Fatalf("the proxy never said %q again", settled)
		}
	}
	l.unban()
	l.until(attacker, port, http.StatusOK)
	l.stop()
	if got := l.get(staff, port); got != down {
		l.t.Errorf("with gaol down staff gets %d, want %d", got, down)
	}
}

func TestNginxAsks(t *testing.T) {
	l := newLab(t, ask())
	l.proxy(8080, "nginx.conf", nginxConf(l.dir, example(t, "nginx", "auth_request")), "nginx", "-c", "FILE", "-p", l.dir, "-e", "stderr")
	l.judge(8080, http.StatusOK, "")
}

// nginxConf is what stands around an example of the page.
func nginxConf(dir, server string) string {
	return fmt.Sprintf("daemon off;\nuser root;\nerror_log stderr;\npid %[1]s/nginx.pid;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b;\n"+
		"proxy_temp_path %[1]s/p;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\n%[2]s}\n", dir, server)
}

func TestCaddyAsks(t *testing.T) {
	l := newLab(t, ask())
	l.proxy(8080, "Caddyfile", "{\nadmin off\nauto_https off\n}\n"+example(t, "caddy", "forward_auth"), "caddy", "run", "--adapter", "caddyfile", "--config", "FILE")
	l.judge(8080, http.StatusOK, "")
}

// HAProxy reads a file that gaol keeps, and is told to read it anew.
func TestHAProxyReadsAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	banned, pid := filepath.Join(dir, "banned.txt"), filepath.Join(dir, "haproxy.pid")
	if err := os.WriteFile(banned, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, gate.Options{Files: []gate.File{{Path: banned, Format: gate.Plain}}, Command: "kill -USR2 $(cat " + pid + ")"})
	conf := strings.ReplaceAll(example(t, "haproxy", "http-request deny"), "/var/lib/gaol/banned.txt", banned)
	l.proxy(8080, "haproxy.cfg", conf, "haproxy", "-W", "-p", pid, "-f", "FILE")
	l.judge(8080, http.StatusOK, "Loading success")
}

// The proxy's question and gaol's answer, measured.
func TestHowLongTheAnswerTakes(t *testing.T) {
	l := newLab(t, ask())
	l.attack()
	g := <-l.gate
	c := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		return l.host.Dial(network, addr, patience)
	}}}
	var took []time.Duration
	for i := range 5000 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr()+"/", nil)
		l.must(err)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", i/250, i%250))
		began := time.Now()
		res, err := c.Do(r)
		l.must(err)
		took = append(took, time.Since(began))
		_, err = io.Copy(io.Discard, res.Body)
		l.must(err)
		l.must(res.Body.Close())
		if res.StatusCode != http.StatusOK {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	slices.Sort(took)
	t.Logf("answer over a kept connection, of %d: p50 %v, p99 %v, max %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
