package output

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func attacker(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(10 + i)}) }

// What attackers write leaves gaol as text, wherever it leaves it.
func TestNothingNastyLeaves(t *testing.T) {
	w := newWorld(t)
	w.run()
	page := w.login()
	go w.follow(page)
	for i, text := range nasty {
		w.id(text)
		w.user(text, attacker(i))
	}
	last := netip.MustParseAddr("203.0.113.250")
	w.user("the end", last)
	w.id("the end")
	for _, p := range []*pile{w.events, w.hooked} {
		p.wait(t, `"id":"the end"`, nil)
		p.wait(t, `"id":"`+last.String()+`"`, nil)
	}
	w.mails.wait(t, last.String(), nil)
	w.chats.wait(t, "more", nil) // it gets the first lines of many
	t.Run("terminal", func(t *testing.T) { w.commands(t) })
	t.Run("page", func(t *testing.T) { w.pages(t, page) })
	t.Run("forward auth", w.headers)
	t.Run("metrics", func(t *testing.T) {
		holds(t, "/metrics", inMetrics(get(t, http.DefaultClient, "http://"+metricsAddr+"/metrics")))
	})
	w.stop()
	for name, p := range map[string]*pile{"mail": w.mails, "chat": w.chats, "web hook": w.hooked, "events": w.events, "live page": w.lively} {
		check := map[string]func(string) error{"mail": inMail, "chat": inChat, "web hook": parses, "events": inJSON, "live page": inStream}[name]
		if name == "events" || name == "live page" { // a text may be part of one
			p.all = []string{p.text()}
		}
		if !strings.Contains(p.text(), "begin") && name != "live page" {
			t.Errorf("%s: nothing was told", name)
		}
		for _, text := range p.all {
			holds(t, name, check(text))
		}
	}
	deny := read(t, w.dir+"/deny")
	holds(t, "deny file", inDenyFile(deny))
	if !strings.Contains(deny, last.String()) {
		t.Errorf("deny file: %q", deny)
	}
	log := read(t, w.dir+"/gaol.log")
	holds(t, "log", inLog(log))
	if !strings.Contains(log, "alert(1)") {
		t.Error("the log never names the ids")
	}
	t.Run("recidive", w.recidive)
}

func holds(t *testing.T, where string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parses is for programs alone: JSON's own rules are enough.
func parses(text string) error { return json.Unmarshal([]byte(text), &map[string]any{}) }

// inStream is the checker of server-sent events.
func inStream(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !regexp.MustCompile(`^(:|(event|data|id|retry): ?)`).MatchString(line) {
			return fmt.Errorf("a line begins with %.80q", line)
		}
		if line == "event: y" {
			return fmt.Errorf("an event is forged")
		}
	}
	return onTerminal(text)
}

// commands runs whatever prints, with text of the attackers as arguments too.
func (w *world) commands(t *testing.T) {
	ids, users := w.dir+"/ids.log", w.dir+"/users/"+oddName
	shows := [][]string{ // alert(1) has to be in it, so that the test looks at something
		{"status", "ids"}, {"status", "users"}, {"status"}, {"status", "--json"}, {"status", "ids", "--json"}, {"banned"}, {"banned", "--json"},
		{"why", attacker(18).String()}, {"why", "--json", attacker(18).String()},
	}
	line := func(i int) string { return stamp() + " host shop[1]: user " + nasty[i] + " from 203.0.113.66" }
	alone := [][]string{
		{"test", ids, "ids", "-c", w.conf}, {"test", ids, "ids", "-c", w.conf, "--json"}, {"test", users, "ids", "-c", w.conf},
		{"replay", ids, "--jail", "ids", "-c", w.conf, "--top", "100", "--bans"}, {"replay", users, "--jail", "users", "-c", w.conf, "--json"},
		{"explain", line(18), "users", "-c", w.conf}, {"explain", line(18), "users", "-c", w.conf, "--json"},
	}
	silent := [][]string{{"allow"}, {"reload"}, {"metrics"}, {"status", "nowhere"}}
	for _, text := range nasty {
		silent = append(silent, []string{"why", text}, []string{"banned", text}, []string{"status", text}, []string{"ban", "users", text}, []string{"allow", text}, []string{"why", "--jail", text, line(0)}, []string{text})
		alone = append(alone, []string{"explain", stamp() + " host shop[1]: user alert(1)" + text, "users", "-c", w.conf})
	}
	silent = append(silent, []string{"unban", "ids", nasty[18]}, []string{"unban", "--all", nasty[0]})
	try := func(args []string, got string, must bool) {
		check := onTerminal
		if slices.Contains(args, "--json") {
			check = inJSON
		}
		holds(t, fmt.Sprintf("%.200q", args), check(got))
		if must && !strings.Contains(got, "alert(1)") {
			t.Errorf("%.200q does not show what it is about: %.600q", args, got)
		}
	}
	for _, args := range shows {
		try(args, w.gaol(args...), true)
	}
	for _, args := range alone {
		try(args, command(append([]string{"gaol"}, args...)...), args[len(args)-1] != "--json")
	}
	for _, args := range [][]string{{"check", "-c", w.conf}, {"check", "-c", w.conf, "--json"}} {
		try(args, command(append([]string{"gaol"}, args...)...), false)
	}
	w.likeFail2ban(try)
	for _, args := range silent {
		try(args, w.gaol(args...), false)
	}
}

// likeFail2ban is commands in fail2ban's words.
func (w *world) likeFail2ban(try func(args []string, got string, must bool)) {
	client := []string{"fail2ban-client", "-c", w.conf, "-s", w.dir + "/f2b.sock"}
	for _, args := range [][]string{{"status", "ids"}, {"status", "users"}, {"banned"}, {"get", "ids", "banip"}, {"get", "ids", "banip", "--with-time"}, {"get", "users", "logpath"}} {
		try(args, command(slices.Concat(client, args)...), true)
	}
	for _, text := range nasty {
		args := slices.Concat(client, []string{"get", "ids", "banned", text})
		try(args, command(args...), false)
		args = []string{"fail2ban-regex", "-c", w.conf, "-v", stamp() + " host shop[1]: user " + text + " from 203.0.113.66", "users"}
		try(args, command(args...), false)
	}
	for _, o := range [][]string{{"-v", "--print-all-matched"}, {"-o", "row"}, {"-o", "id"}, {"-o", "<F-ID> <matches>"}} {
		args := slices.Concat([]string{"fail2ban-regex", "-c", w.conf}, o, []string{w.dir + "/ids.log", "ids"})
		try(args, command(args...), true)
	}
}

// login is a browser that may see the page.
func (w *world) login() *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	c := &http.Client{Jar: jar}
	token := strings.TrimSpace(read(w.t, filepath.Join(w.dir, "state", "web.token")))
	w.post(c, "/login", url.Values{"secret": {token}})
	return c
}

func (w *world) post(c *http.Client, target string, form url.Values) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+pageAddr+target, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://"+pageAddr)
	res, err := c.Do(r)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("POST %s: %s", target, res.Status)
	}
	return string(text)
}

func get(t *testing.T, c *http.Client, target string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, "headers of "+target, inHeaders(res.Header))
	return string(text)
}

// follow keeps what an open page is sent.
func (w *world) follow(c *http.Client) {
	res, err := c.Get("http://" + pageAddr + "/live") //nolint:noctx // ends with the daemon
	if err != nil {
		w.t.Error(err)
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(w.lively, res.Body)
}

func (w *world) pages(t *testing.T, c *http.Client) {
	pages := map[string]bool{"/": true, "/jail?name=ids": true, "/jail?name=users": true, "/check?now=1": false, "/allowed": false, "/offender?id=" + attacker(18).String(): true}
	for _, text := range nasty {
		text = url.QueryEscape(text)
		for _, p := range []string{"/offender?id=", "/jail?name=", "/act?do=unban&id=", "/nowhere/"} {
			pages[p+text] = false
		}
	}
	for p, shows := range pages {
		text := get(t, c, "http://"+pageAddr+p)
		holds(t, fmt.Sprintf("%.200q", p), onPage(text))
		if shows && !strings.Contains(text, "alert(1)") {
			t.Errorf("%s does not show what it is about", p)
		}
	}
	word := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(get(t, c, "http://"+pageAddr+"/bench"))
	for _, text := range nasty {
		form := url.Values{"csrf": {word[1]}, "lines": {stamp() + " host shop[1]: user " + text}, "filter": {"users"}}
		holds(t, fmt.Sprintf("bench: %.200q", text), onPage(w.post(c, "/bench", form)))
	}
}

// headers are those of what a proxy is answered, whatever it asks.
func (w *world) headers(t *testing.T) {
	for _, text := range append(slices.Clone(nasty), attacker(0).String()) {
		c, err := net.Dial("tcp", gateAddr) //nolint:noctx // of loopback
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /?jail=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: %s\r\n\r\n", url.QueryEscape("users"), text)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.200q: %v", text, err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		c.Close()
		holds(t, fmt.Sprintf("%.200q", text), inHeaders(res.Header))
		holds(t, fmt.Sprintf("%.200q", text), onTerminal(string(body)))
		if text == attacker(0).String() && res.StatusCode != http.StatusForbidden {
			t.Errorf("the banned gets %s", res.Status)
		}
	}
}

// recidive holds what filters read in gaol's log against whom it banned. They are told to leave
// host names as they are, so that one that is taken for an offender is seen.
func (w *world) recidive(t *testing.T) {
	real := map[string]int{}
	for line := range strings.Lines(w.events.text()) {
		var h struct {
			What string
			Ban  *struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatal(err)
		}
		if h.What != "ban" {
			continue
		}
		if _, err := netip.ParseAddr(h.Ban.ID); err == nil && !strings.Contains(h.Ban.ID, "%") {
			real[h.Ban.ID]++
		}
	}
	if len(real) != len(nasty)+1 {
		t.Errorf("%d addresses were banned, %d wrote: %v", len(real), len(nasty)+1, slices.Sorted(maps.Keys(real)))
	}
	log := w.dir + "/gaol.log"
	ask := []string{"--usedns", "raw", "-o", "id", log}
	debian, err := exec.CommandContext(t.Context(), "/usr/bin/fail2ban-regex", append(ask, "/etc/fail2ban/filter.d/recidive.conf")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s; bring fail2ban with: scripts/packages test", err, debian)
	}
	for name, out := range map[string]string{
		"fail2ban with Debian's filter": string(debian),
		"gaol with Debian's filter":     command(append([]string{"fail2ban-regex"}, append(ask, "/etc/fail2ban/filter.d/recidive.conf")...)...),
		"gaol with its own filter":      command(append([]string{"fail2ban-regex", "-c", w.conf}, append(ask, "recidive")...)...),
	} {
		found := map[string]int{}
		for _, id := range strings.Fields(out) {
			found[id]++
		}
		if !maps.Equal(found, real) {
			t.Errorf("%s finds %v, banned were %v", name, found, real)
		}
	}
}
