// Package repair takes gaol's rules away from a running engine, in every way the kernel knows,
// and sends packets.
package repair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

const attackerAddr = "203.0.113.66"

const jails = `
[sshd]
enabled = true
filter = sshd
backend = auto
logpath = %[1]s
port = ssh
banaction = gaol
bantime = 1h

[web]
enabled = true
filter = sshd
backend = auto
logpath = %[1]s
port = http,https
banaction = gaol
bantime = 1h
`

// lab is a host that an engine guards, and an attacker whom it has banned.
type lab struct {
	t        *testing.T
	net      *netlab.Lab
	attacker *netlab.Node
	staff    *netlab.Node
	fw       firewall.Backend
	client   *control.Client
	socket   string
	said     chan string
	seen     []string
}

// saying is a log that a test can wait on.
type saying struct{ to chan string }

// Write takes what a batch of log lines says apart: it comes as one.
func (s saying) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		s.to <- line
	}
	return len(p), nil
}

// start runs an engine; wrap, if not nil, stands between it and the kernel.
func start(t *testing.T, o engine.Options, wrap func(*firewall.NFT) firewall.Backend) *lab {
	t.Helper()
	return startWith(t, o, func(host *netlab.Node) firewall.Backend {
		nft, err := firewall.NewNFT(firewall.NFTOptions{NetNS: host.Path()})
		if err != nil {
			t.Fatal(err)
		}
		if wrap != nil {
			return wrap(nft)
		}
		return nft
	})
}

// startChosen is start with the backend that the engine chooses.
func startChosen(t *testing.T, o engine.Options) *lab {
	t.Helper()
	return startWith(t, o, nil)
}

// startWith is start with any backend.
func startWith(t *testing.T, o engine.Options, open func(host *netlab.Node) firewall.Backend) *lab {
	t.Helper()
	l := &lab{t: t, net: netlab.New(t), said: make(chan string, 10_000)}
	l.attacker = l.net.NewClient("attacker", attackerAddr+"/24")
	l.staff = l.net.NewClient("staff", "203.0.113.7/24")
	l.net.Host.Serve("tcp", ":22")
	if o.Choice.NetNS = l.net.Host.Path(); open != nil {
		l.fw = open(l.net.Host)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "auth.log")
	l.must(os.WriteFile(log, nil, 0o600))
	l.must(os.WriteFile(filepath.Join(dir, "jail.local"), fmt.Appendf(nil, jails, log), 0o600))
	o.Load = func() (*config.Config, []config.Problem) { return config.Load(config.LoadOptions{Dir: dir}) }
	o.StateDir, o.Socket, o.Firewall, o.Alone = filepath.Join(dir, "state"), filepath.Join(dir, "sock"), l.fw, true
	o.Log = slog.New(engine.NewLogHandler(saying{l.said}, slog.LevelInfo))
	ready, ended := make(chan bool), make(chan error, 1)
	o.Ready = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- engine.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	l.client, l.socket = control.NewClient(o.Socket), o.Socket
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) do(c control.Command) control.Reply {
	l.t.Helper()
	reply, err := l.client.Do(l.t.Context(), c)
	l.must(err)
	return reply
}

func (l *lab) ban(id string) { l.t.Helper(); l.do(control.Ban{Jail: "sshd", ID: id}) }

func (l *lab) status() event.Status { l.t.Helper(); return *l.do(control.Status{}).Status }

// wait blocks until the log has said each of the texts, in whatever order, and returns the line
// that was missing last.
func (l *lab) wait(texts ...string) string {
	l.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line := <-l.said:
			l.seen = append(l.seen, line)
			texts = slices.DeleteFunc(texts, func(text string) bool { return strings.Contains(line, text) })
			if len(texts) == 0 {
				return line
			}
		case <-deadline:
			l.t.Fatalf("the log never said %q; it said:\n%s", texts, strings.Join(l.seen, ""))
		}
	}
}

// heard counts the lines that say text, of those waited for so far and those that wait.
func (l *lab) heard(text string) (n int) {
	for len(l.said) > 0 {
		l.seen = append(l.seen, <-l.said)
	}
	for _, line := range l.seen {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// eventually blocks until the condition holds.
func (l *lab) eventually(what string, holds func() bool) {
	l.t.Helper()
	tick, deadline := time.NewTicker(2*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("never: %s", what)
		}
	}
}
