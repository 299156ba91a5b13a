// Package prometheus has Debian's Prometheus scrape an engine that bans, and runs every query of
// the dashboard against it.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/firewall"
	"gaol/internal/metrics"
	"gaol/internal/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }

const (
	patience = 60 * time.Second
	service  = "203.0.113.1:22"
	token    = "of-the-test"
)

// TestTheDashboardHasData: a client attacks, is banned and its packets are dropped; somebody deletes
// the table; an action fails. Then each query of the dashboard returns what is no NaN.
func TestTheDashboardHasData(t *testing.T) {
	l := start(t)
	p := scrape(t, l.url)
	l.attack()
	p.becomes(`gaol_bans{jail="sshd"} == 1`)
	l.attacker.Dead("tcp", service)
	l.host.Run("nft", "delete table inet gaol")
	asked := queries(t)
	lacking := map[string]string{}
	for _, q := range asked {
		lacking[q] = "never asked"
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); len(lacking) > 0; <-tick.C {
		l.attack() // rates and quantiles are of what changes between two scrapes
		for q := range lacking {
			if v, err := p.query(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			} else if lacking[q] = v.trouble(); lacking[q] == "" {
				delete(lacking, q)
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no data within %s: %q", patience, lacking)
		}
	}
	for l.attacks < 5 {
		l.attack()
	}
	t.Logf("%d queries of the dashboard have data", len(asked))
	for _, q := range []string{
		`up{job="gaol"} == 1`, `f2b_up == 1`, `f2b_jail_count == 2`, `f2b_jail_banned_total{jail="sshd"} > 4`, `f2b_config_jail_max_retries{jail="sshd"} == 3`,
		`gaol_packets_dropped_total{jail="sshd"} > 0`, `gaol_repairs_total > 0`, `gaol_action_failures_total{jail="web",action="bad"} > 0`,
		`gaol_time_to_ban_seconds_count{jail="sshd"} > 4`, `sum(gaol_regex_failures_total{jail="sshd"}) > 14`, `gaol_source_lines_total{jail="sshd"} > 14`,
	} {
		p.becomes(q)
	}
	for _, q := range alerts(t) {
		if _, err := p.query(q); err != nil {
			t.Errorf("docs/metrics.md: %s: %v", q, err)
		}
	}
}

// lab is an engine in front of a service, and who attacks it.
type lab struct {
	t              *testing.T
	host, attacker *netlab.Node
	log, web, url  string
	attacks        int
}

func start(t *testing.T) *lab {
	t.Helper()
	network := netlab.New(t)
	l := &lab{t: t, host: network.Host, attacker: network.NewClient("attacker", "203.0.113.66/24")}
	l.host.Serve("tcp", ":22")
	l.attacker.Alive("tcp", service)
	fw, err := firewall.NewNFT(firewall.NFTOptions{NetNS: l.host.Path()})
	must(t, err)
	dir := t.TempDir()
	l.log, l.web = filepath.Join(dir, "auth.log"), filepath.Join(dir, "web.log")
	for name, text := range map[string]string{
		"auth.log": "", "web.log": "",
		"jail.local": fmt.Sprintf("[sshd]\nenabled = true\nbackend = auto\nport = ssh\nmaxretry = 3\nbanaction = gaol\nlogpath = %s\n"+
			"[web]\nenabled = true\nbackend = auto\nfilter = web\nmaxretry = 1\nlogpath = %s\naction = bad\n", l.log, l.web),
		"filter.d/web.conf":  "[Definition]\nfailregex = ^ denied <HOST>$\n",
		"action.d/bad.local": "[Definition]\nactionban = false\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	ready, ended := make(chan bool), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- engine.Run(ctx, engine.Options{
			Load:     func() (*config.Config, []config.Problem) { return config.Load(config.LoadOptions{Dir: dir}) },
			StateDir: filepath.Join(dir, "state"), Socket: filepath.Join(dir, "sock"), Firewall: fw, Alone: true, Version: "test",
			Log:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			Ready: func() { close(ready) },
			Services: []engine.Service{{Name: "metrics", Start: func(d engine.Door) (func() error, error) {
				s, err := metrics.Open(d, metrics.Options{Listen: "127.0.0.1:0", Token: token, Told: func(msg string, err error) { t.Errorf("%s: %v", msg, err) }})
				if err != nil {
					return nil, err
				}
				l.url = s.URL()
				return s.Close, nil
			}}},
		})
	}()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	if _, err := control.NewClient(filepath.Join(dir, "sock")).Do(t.Context(), control.Version{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// attack writes what a client that fails three times leaves in the log; the first is the attacker.
func (l *lab) attack() {
	l.t.Helper()
	addr := l.attacker.Addr(false).String()
	if l.attacks > 0 {
		addr = fmt.Sprintf("198.51.%d.%d", 100+l.attacks/250%100, 1+l.attacks%250)
	}
	l.attacks++
	stamp := time.Now().Format("Jan _2 15:04:05")
	line := fmt.Sprintf("%s host sshd[%d]: Failed password for root from %s port 4711 ssh2\n", stamp, 1000+l.attacks, addr)
	l.append(l.log, strings.Repeat(line, 3))
	l.append(l.web, fmt.Sprintf("%s denied %s\n", stamp, addr))
}

func (l *lab) append(path, text string) {
	l.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(l.t, err)
	_, err = f.WriteString(text)
	must(l.t, err)
	must(l.t, f.Close())
}

// server is a Prometheus.
type server struct {
	t   *testing.T
	url string
}

// scrape starts Debian's Prometheus on what docs/metrics.md says, with our address and a token.
func scrape(t *testing.T, target string) *server {
	t.Helper()
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("no Prometheus: %v; scripts/packages test", err)
	}
	page, err := os.ReadFile("../../docs/metrics.md")
	must(t, err)
	_, rest, found := strings.Cut(string(page), "```yaml\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/metrics.md has no prometheus.yml")
	}
	u, err := url.Parse(target)
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	conf := "global:\n  scrape_interval: 1s\n" + strings.Replace(text, "127.0.0.1:8482", u.Host, 1) +
		"    authorization:\n      credentials_file: " + filepath.Join(dir, "token") + "\n"
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(conf), 0o600))
	at := free(t)
	cmd := exec.CommandContext(t.Context(), bin, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+at, "--log.level=warn")
	cmd.Stdout, cmd.Stderr, cmd.Dir = t.Output(), t.Output(), dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it writes its storage
	cmd.WaitDelay = 20 * time.Second
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	s := &server{t, "http://" + at}
	s.becomes(`up{job="gaol"} == 1`)
	return s
}

// free is an address on loopback that nobody listens on, in the test's own namespace.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// answer is what the API of Prometheus says to a query.
type answer struct {
	Status, Error string
	Data          struct {
		Result []struct {
			Value [2]any `json:"value"` // time, text
		} `json:"result"`
	} `json:"data"`
}

// trouble says why there is nothing to draw; empty: there is something.
func (a answer) trouble() string {
	for _, r := range a.Data.Result {
		if r.Value[1] != "NaN" {
			return ""
		}
	}
	if len(a.Data.Result) > 0 {
		return "NaN"
	}
	return "no series"
}

func (s *server) query(q string) (answer, error) {
	var a answer
	resp, err := http.PostForm(s.url+"/api/v1/query", url.Values{"query": {q}})
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("%s: %w", resp.Status, err)
	}
	if a.Status != "success" {
		return a, fmt.Errorf("%s: %s", resp.Status, a.Error)
	}
	return a, nil
}

// becomes waits until a query has an answer.
func (s *server) becomes(q string) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		a, err := s.query(q)
		if err == nil && a.trouble() == "" {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: %v, %q", q, err, a.trouble())
		}
	}
}

// queries are those of the dashboard's panels and variables, with Grafana's own words filled in.
func queries(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/grafana/gaol.json")
	must(t, err)
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	must(t, json.Unmarshal(text, &board))
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, filled(target.Expr))
		}
	}
	values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			m := values.FindStringSubmatch(v.Query)
			if m == nil {
				t.Fatalf("variable %s: %s", v.Name, v.Query)
			}
			all = append(all, filled(fmt.Sprintf("count by (%s) (%s)", m[2], m[1])))
		}
	}
	if len(all) < 30 {
		t.Fatalf("the dashboard has %d queries", len(all))
	}
	return all
}

func filled(expr string) string {
	return strings.NewReplacer("$__rate_interval", "10s", "$__range", "60s", "$instance", ".*", "$jail", ".*").Replace(expr)
}

// alerts are the expressions that docs/metrics.md proposes.
func alerts(t *testing.T) (all []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(page), "## What to be woken for")
	rest, _, _ = strings.Cut(rest, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `(.*?)` \\|").FindAllStringSubmatch(rest, -1) {
		all = append(all, m[1])
	}
	if len(all) < 5 {
		t.Fatalf("docs/metrics.md proposes %q", all)
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
