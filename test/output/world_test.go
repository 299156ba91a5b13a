// Package output feeds a running gaol with what attackers may write, and looks at everything that
// leaves it: log, terminal, JSON, mail, chat, web hook, page, headers, metrics, deny files.
package output

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gaol/internal/cli"
	"gaol/internal/control"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

// patience is how long what must happen may take, on two busy cores.
const patience = 20 * time.Second

// Of a network namespace of the test's own.
const pageAddr, gateAddr, metricsAddr = "127.0.0.1:8480", "127.0.0.1:8481", "127.0.0.1:8482"

// oddName is a log whose name its service's users may choose (a virtual host, say).
const oddName = "odd \x1b[2J\u202e<script>alert(1).log"

const jailConf = `
[ids]
enabled = true
filter = ids
backend = auto
logpath = %[1]s/ids.log
maxretry = 1
banaction = gaol
action = %%(action_)s
         loud
[users]
enabled = true
filter = users
backend = auto
logpath = %[1]s/users/*.log
maxretry = 1
port = ssh
banaction = gaol
action = %%(action_)s
         loud
`

const gaolConf = `[Definition]
web = 127.0.0.1:8480
forward_auth = 127.0.0.1:8481
metrics = 127.0.0.1:8482
deny_files = plain:%[1]s/deny
webhooks = %[2]s/hook
notify = ntfy://%[3]s/chat?scheme=http
mail_to = root@example.com
mail_from = gaol@example.com
mail_server = %[4]s
mail_tls = none
notify_every = 1s
notify_events = ban unban spare leak hold jail-broken source-trouble action-failed firewall-trouble
`

// world is a running gaol and all who are told by it.
type world struct {
	t              *testing.T
	dir, conf      string
	sock           string
	mails          *pile
	hooked, chats  *pile
	events, lively *pile
	ended          chan int
}

// pile keeps texts; who waits for one is woken.
type pile struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func newPile() *pile { return &pile{more: make(chan struct{}, 1)} }

func (p *pile) add(text string) {
	p.mu.Lock()
	p.all = append(p.all, text)
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func (p *pile) Write(b []byte) (int, error) { p.add(string(b)); return len(b), nil }

func (p *pile) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.all, "")
}

// wait blocks until the pile has text. again, if not nil, is done twice a second until then.
func (p *pile) wait(t *testing.T, text string, again func()) {
	t.Helper()
	tick, deadline := time.NewTicker(time.Second/2), time.After(patience)
	defer tick.Stop()
	for !strings.Contains(p.text(), text) {
		select {
		case <-p.more:
		case <-tick.C:
			if again != nil {
				again()
			}
		case <-deadline:
			t.Fatalf("never came: %q; there was %.2000q", text, p.text())
		}
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), mails: newPile(), hooked: newPile(), chats: newPile(), events: newPile(), lively: newPile(), ended: make(chan int, 1)}
	w.conf, w.sock = filepath.Join(w.dir, "conf"), filepath.Join(w.dir, "sock")
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/hook" {
			w.hooked.add(string(body))
		} else {
			w.chats.add(r.Header.Get("Title") + "\n" + string(body) + "\n")
		}
		_, _ = io.WriteString(rw, "{}")
	}))
	t.Cleanup(web.Close)
	w.write("conf/jail.local", fmt.Sprintf(jailConf, w.dir))
	w.write("conf/filter.d/ids.conf", "[Definition]\nfailregex = shop\\[\\d+\\]: id <F-ID>.+</F-ID>$\n")
	w.write("conf/filter.d/users.conf", "[Definition]\nfailregex = shop\\[\\d+\\]: user <F-USER>.*</F-USER> from <ADDR>$\n")
	w.write("conf/action.d/loud.conf", "[Definition]\nactionban = printf '%%s\\n' \"<ip>\" \"<F-USER>\" \"<matches>\"; exit 1\nactionunban = true\n")
	w.write("conf/fail2ban.local", "[Definition]\ndbfile = None\nsocket = "+w.dir+"/f2b.sock\n")
	w.write("conf/gaol.local", fmt.Sprintf(gaolConf, w.dir, web.URL, strings.TrimPrefix(web.URL, "http://"), w.smtpd()))
	w.write("ids.log", "")
	w.write("users/"+oddName, "")
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	w.must(err)
	_, err = f.WriteString(text)
	w.must(err)
	w.must(f.Close())
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// id and user write what a service would log of an attacker.
func (w *world) id(id string) { w.t.Helper(); w.write("ids.log", stamp()+" host shop[1]: id "+id+"\n") }

func (w *world) user(name string, from netip.Addr) {
	w.t.Helper()
	w.write("users/"+oddName, stamp()+" host shop[1]: user "+name+" from "+from.String()+"\n")
}

func stamp() string { return time.Now().Format("2006-01-02T15:04:05-07:00") }

// run starts the daemon, which logs to the file gaol.log, and listens to its events and to the page's.
func (w *world) run() {
	w.t.Helper()
	go func() {
		w.ended <- cli.Main([]string{"gaol", "run", "-c", w.conf, "--state", w.dir + "/state", "--socket", w.sock, "--logtarget", w.dir + "/gaol.log"}, nil, io.Discard, io.Discard)
	}()
	w.t.Cleanup(func() {
		if w.ended != nil {
			w.stop()
		}
	})
	answers := newPile()
	answers.wait(w.t, "gate", func() {
		if c, err := net.Dial("tcp", gateAddr); err == nil { //nolint:noctx // of loopback
			c.Close()
			answers.add("gate")
		}
	})
	go cli.Main([]string{"gaol", "events", "--json", "--socket", w.sock}, nil, w.events, io.Discard)
	n := 0
	w.events.wait(w.t, `"id":"begin`, func() { n++; w.id(fmt.Sprintf("begin %d", n)) })
}

// stop ends the daemon in order.
func (w *world) stop() {
	w.t.Helper()
	// Not `gaol stop`, which waits for the end of the daemon's process: it is this one.
	if _, err := control.NewClient(w.sock).Do(context.WithoutCancel(w.t.Context()), control.Stop{}); err != nil {
		w.t.Fatal(err)
	}
	if code := <-w.ended; code != 0 {
		w.t.Errorf("gaol run: exit %d", code)
	}
	w.ended = nil
}

// gaol is all that a command prints. What it returns is its own affair.
func (w *world) gaol(args ...string) string {
	return command(append([]string{"gaol", args[0], "--socket", w.sock}, args[1:]...)...)
}

func command(args ...string) string {
	var both bytes.Buffer
	cli.Main(args, strings.NewReader(""), &both, &both)
	return both.String()
}

// smtpd is a mail server that takes everything, each mail as it came over the wire.
func (w *world) smtpd() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of loopback
	w.must(err)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.converse(c)
		}
	}()
	return l.Addr().String()
}

func (w *world) converse(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 test\r\n")
	var letter strings.Builder
	data := false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case data && line == ".\r\n":
			data = false
			w.mails.add(letter.String())
			letter.Reset()
			fmt.Fprint(c, "250 taken\r\n")
		case data:
			letter.WriteString(strings.TrimPrefix(line, "."))
		case word == "DATA":
			data = true
			fmt.Fprint(c, "354 go\r\n")
		case word == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		case strings.Contains("EHLO HELO MAIL RCPT RSET NOOP", word): //nolint:gocritic // a list of words
			fmt.Fprint(c, "250 ok\r\n")
		default:
			w.t.Errorf("the mail server was told %q", line)
			fmt.Fprint(c, "500 what\r\n")
		}
	}
}
