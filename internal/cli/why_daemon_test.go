package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
)

// oneDaemon is a gaol on a configuration of its own, with the firewall's twin in memory, whose
// clock stands.
type oneDaemon struct {
	t         *testing.T
	dir, sock string
	said      chan string
	seen      strings.Builder
}

type told chan string

func (c told) Write(p []byte) (int, error) { c <- string(p); return len(p), nil }

// startDaemon runs one in which the jails shop and sshd read their logs, jail old waits for one
// that does not exist, and jail broken does not run.
func startDaemon(t *testing.T) *oneDaemon {
	t.Helper()
	dir := t.TempDir()
	d := &oneDaemon{t: t, dir: dir, sock: filepath.Join(dir, "sock"), said: make(chan string, 10000)}
	conf := filepath.Join(dir, "conf")
	if err := os.CopyFS(conf, os.DirFS(goldenConf)); err != nil {
		t.Fatal(err)
	}
	local := "[shop]\nlogpath = " + dir + "/shop.log\n[sshd]\nlogpath = " + dir + "/auth.log\n" +
		"[old]\nenabled = true\nfilter = shop\nlogpath = " + dir + "/old.log\n[broken]\nenabled = true\n"
	d.write("conf/jail.d/here.local", local)
	d.write("conf/fail2ban.local", "[Definition]\ndbfile = None\n")
	d.write("shop.log", "")
	d.write("auth.log", "")
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- engine.Run(ctx, engine.Options{
			Load:     func() (*config.Config, []config.Problem) { return config.Load(config.LoadOptions{Dir: conf}) },
			StateDir: filepath.Join(dir, "state"), Socket: d.sock, Firewall: firewall.NewMemory(), Alone: true, Now: asked, Ready: func() { close(ready) },
			Log: slog.New(engine.NewLogHandler(told(d.said), slog.LevelInfo)),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d.wait("[shop] watches", "[sshd] watches")
	select {
	case <-ready: // the socket is open
	case <-time.After(20 * time.Second):
		t.Fatal("the daemon never was ready")
	}
	return d
}

func (d *oneDaemon) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
}

// wait blocks until the log has said all of the texts, in whatever order.
func (d *oneDaemon) wait(texts ...string) {
	d.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		texts = slices.DeleteFunc(texts, func(text string) bool { return strings.Contains(d.seen.String(), text) })
		if len(texts) == 0 {
			return
		}
		select {
		case line := <-d.said:
			d.seen.WriteString(line)
		case <-deadline:
			d.t.Fatalf("the log never said %q; it said:\n%s", texts, d.seen.String())
		}
	}
}

// why asks the daemon and makes the answer the same everywhere and always.
func (d *oneDaemon) why(args ...string) string {
	d.t.Helper()
	got := ask(d.t, "", append([]string{"why", "--socket", d.sock}, args...)...)
	got = strings.ReplaceAll(got, d.dir, "$WORK")
	return regexp.MustCompile(`for another \S+`).ReplaceAllString(got, "for another TIME")
}

func (d *oneDaemon) do(c control.Command) {
	d.t.Helper()
	if _, err := control.NewClient(d.sock).Do(d.t.Context(), c); err != nil {
		d.t.Fatal(err)
	}
}

// What a running gaol answers of addresses, and of lines that it has counted.
func TestGoldenWhyAddress(t *testing.T) {
	inUTC(t)
	d := startDaemon(t)
	login := func(user, addr string) string { return fmt.Sprintf("%slogin of %q from %s failed\n", shop, user, addr) }
	d.write("shop.log", login("a", "203.0.113.66")+login("\x1b[31mb", "203.0.113.66")+ // banned
		login("a", "203.0.113.67")+ // one of two
		login("a", "198.51.100.9")+ // ignoreip
		strings.Replace(shop, "12", "13", 1)+"basket left by 203.0.113.68\n"+ // helps
		shop+"basket lost by 203.0.113.69\n"+ // matches nothing
		strings.Replace(login("a", "203.0.113.70"), "10:00:00", "08:00:00", 1)+ // an odd stamp: of now
		login("end", "203.0.113.99"))
	d.wait("Found 203.0.113.99")
	d.do(control.Ban{Jail: "sshd", ID: "192.0.2.128/25", Reason: "scans\x1b[2J"})
	d.do(control.Ban{Jail: "sshd", ID: "203.0.113.80"})
	d.do(control.Unban{ID: "203.0.113.80"})
	d.do(control.Allow{ID: "203.0.113.81", Reason: "staff"})
	for name, id := range map[string]string{
		"banned": "203.0.113.66", "counted": "203.0.113.67", "ignored": "198.51.100.9", "helper": "203.0.113.68",
		"unmatched": "203.0.113.69", "never-seen": "203.0.113.6", "in-network": "192.0.2.200", "network": "192.0.2.128/25",
		"lifted": "203.0.113.80", "allowed": "203.0.113.81", "loopback": "127.0.0.1", "trusted": "192.0.2.80",
	} {
		t.Run(name, func(t *testing.T) {
			got := d.why(id)
			golden(t, "daemon-"+name, got)
			if strings.Contains(got, "\x1b") {
				t.Errorf("an escape came through: %q", got)
			}
		})
	}
	golden(t, "daemon-line", d.why("--jail", "shop", shop+`login of "a" from 203.0.113.66 failed`))
	golden(t, "daemon-no-jail", d.why("--jail", "shed", shop+"x"))
}
