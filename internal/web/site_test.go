package web

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// hostile is what an attacker may have brought into every text that a log can fill.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[2J\u202egnol {{.CSRF}}"

// fake answers as a daemon whose every text is hostile, and keeps what it was told to do.
type fake struct {
	done  []control.Command
	told  chan event.Happening
	heard chan bool
}

func newFake() *fake { return &fake{told: make(chan event.Happening, 10), heard: make(chan bool, 10)} }

func (f *fake) Subscribe(ctx context.Context, _ int) <-chan event.Happening {
	out := make(chan event.Happening)
	go func() {
		defer close(out)
		for {
			select {
			case h := <-f.told:
				select {
				case out <- h:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	f.heard <- true
	return out
}

func (f *fake) Do(_ context.Context, c control.Command) (control.Reply, error) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ban := event.Ban{Jail: "sshd", ID: "203.0.113.66", Start: now, End: now.Add(time.Hour), Count: 3, Times: 2, Regex: hostile,
		Matches: []string{hostile}, Fields: event.FieldsOf(map[string]string{"user": hostile}), Source: "/var/log/auth.log"}
	behind, packets := int64(2048), uint64(12345)
	jail := event.JailStatus{Name: "sshd", Running: true, Problem: hostile, Filter: "sshd", MaxRetry: 3, FindTime: 10 * time.Minute, BanTime: time.Hour,
		Port: "ssh", Actions: []string{"gaol"}, CurrentlyBanned: 2, Packets: &packets, Bans: []event.Ban{ban, {Jail: "sshd", ID: hostile, Kind: event.Raw, Start: now}},
		Sources: []event.SourceStatus{{Name: "/var/log/auth.log", Found: true, Lines: 10, Behind: &behind}},
		Leaks:   []event.Leak{{ID: "203.0.113.66", Why: hostile, Hint: hostile}}}
	switch c := c.(type) {
	case control.Status:
		if c.Jail != "" {
			return control.Reply{Status: &event.Status{Jails: []event.JailStatus{jail}}}, nil
		}
		return control.Reply{Status: &event.Status{Version: "1", Jails: []event.JailStatus{jail, {Name: "web", Problem: hostile}}, Problems: []string{hostile}, FirewallProblem: hostile}}, nil
	case control.History:
		return control.Reply{History: &event.History{Since: now, Step: c.Step, Jails: map[string][]int{"sshd": {1, 0, 4}, hostile: {2, 2, 2}}, IDs: 2,
			Offenders: []event.Offender{{ID: "203.0.113.66", Bans: 5, Jails: []string{"sshd"}, Now: true}, {ID: hostile, Bans: 1, Jails: []string{hostile}}}}}, nil
	case control.Why:
		if c.ID == "none" {
			return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: "no " + hostile, Hint: hostile}
		}
		return control.Reply{Account: &event.Account{ID: c.ID, Banned: true, Protected: hostile, Because: []event.Because{{Jail: "sshd", Why: hostile, Hint: hostile}},
			Jails: []event.JailAccount{{Jail: "sshd", Bans: []event.Ban{ban}, Kernel: []event.KernelBan{{Set: "s", Element: "203.0.113.66", Left: time.Hour, Rules: []event.KernelRule{{Text: "drop", Packets: 7}}}},
				Lacks: hostile, Count: &event.Tally{Matches: []string{hostile}}, Past: []event.PastBan{{Ban: ban, Reason: hostile}}, Newest: []event.Explanation{{Line: hostile}}}}}}, nil
	case control.Explain:
		return control.Reply{Explained: []event.Explanation{{Line: hostile, Outcome: event.LineMissed, Nearest: &event.RuleStep{Expr: hostile, Stop: &event.Stop{Text: hostile, Done: hostile, Rest: hostile}},
			Fields: ban.Fields, Cures: []event.Cure{{What: hostile, Write: hostile}}}}}, nil
	case control.Allowed:
		return control.Reply{Allowed: []event.Allowance{{ID: "203.0.113.9", Reason: hostile}}}, nil
	}
	f.done = append(f.done, c)
	return control.Reply{Bans: []event.Ban{ban}, Outcome: control.Imposed}, nil
}

const testToken = "a-token-that-nobody-guesses"

// visit is a browser with cookies and without JavaScript.
type visit struct {
	t    *testing.T
	site *site
	fake *fake
	jar  map[string]string
	now  time.Time
}

func newVisit(t *testing.T, o Options) *visit {
	t.Helper()
	v := &visit{t: t, fake: newFake(), jar: map[string]string{}, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return v.now }
	s, err := newSite(v.fake, o, testToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	v.site = s
	return v
}

// ask sends a request; set changes it before.
func (v *visit) ask(method, target string, form url.Values, set ...func(*http.Request)) *httptest.ResponseRecorder {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(v.t.Context(), method, "http://127.0.0.1:8480"+target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://127.0.0.1:8480")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, f := range set {
		f(r)
	}
	w := httptest.NewRecorder()
	v.site.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if v.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.jar, c.Name)
		}
	}
	return w
}

func (v *visit) login() *visit {
	v.t.Helper()
	if w := v.ask("POST", "/login", url.Values{"secret": {testToken}}); w.Code != http.StatusSeeOther || len(v.jar) != 1 {
		v.t.Fatalf("login: %d %s", w.Code, w.Body)
	}
	return v
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf is the word that the forms of a page hold.
func (v *visit) csrf(page string) string {
	v.t.Helper()
	m := csrfField.FindStringSubmatch(v.ask("GET", page, nil).Body.String())
	if m == nil {
		v.t.Fatalf("%s has no form", page)
	}
	return m[1]
}

func TestNobodySeesAnythingWithoutTheToken(t *testing.T) {
	v := newVisit(t, Options{})
	for _, page := range []string{"/", "/jail?name=sshd", "/offender?id=203.0.113.66", "/check?now=1", "/bench", "/allowed", "/nowhere"} {
		w := v.ask("GET", page, nil)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?next=%2F") {
			t.Errorf("GET %s: %d to %q, want to the login", page, w.Code, w.Header().Get("Location"))
		}
	}
	for _, page := range []string{"/act?do=unban&id=203.0.113.66", "/bench", "/logout"} {
		if w := v.ask("POST", page, url.Values{}); w.Code != http.StatusUnauthorized {
			t.Errorf("POST %s: %d", page, w.Code)
		}
	}
	if w := v.ask("GET", "/live", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("GET /live: %d", w.Code)
	}
	v.jar["gaol"] = random(32)
	if w := v.ask("GET", "/", nil); w.Code != http.StatusSeeOther {
		t.Errorf("with a made up session: %d", w.Code)
	}
	if len(v.fake.done) != 0 {
		t.Errorf("was done: %v", v.fake.done)
	}
}

func TestLoginIsSlowedDownAndTheTokenAlwaysOpens(t *testing.T) {
	hash, err := Hash("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	v := newVisit(t, Options{PasswordHash: hash, Refused: func(string) { refused++ }})
	try := func(secret string) int { return v.ask("POST", "/login", url.Values{"secret": {secret}}).Code }
	for range maxWrong {
		if code := try("wrong"); code != http.StatusForbidden {
			t.Fatalf("wrong password: %d", code)
		}
	}
	if code := try("correct horse battery"); code != http.StatusTooManyRequests || len(v.jar) != 0 {
		t.Errorf("after %d wrong ones: %d", maxWrong, code)
	}
	if code := try(testToken); code != http.StatusSeeOther {
		t.Errorf("the token: %d", code)
	}
	v.now = v.now.Add(wrongWithin + time.Second)
	if code := try("correct horse battery"); code != http.StatusSeeOther {
		t.Errorf("a minute later: %d", code)
	}
	if refused != maxWrong {
		t.Errorf("%d refusals were told, want %d", refused, maxWrong)
	}
	if w := v.ask("POST", "/login", url.Values{"secret": {testToken}, "next": {"//evil.example/"}}); w.Header().Get("Location") != "/" {
		t.Errorf("a login leads to %q", w.Header().Get("Location"))
	}
}

func TestSessionsEnd(t *testing.T) {
	v := newVisit(t, Options{}).login()
	open := func() bool { return v.ask("GET", "/", nil).Code == http.StatusOK }
	for range int(oldSession/time.Hour) - 1 {
		v.now = v.now.Add(time.Hour)
		if !open() {
			t.Fatal("a session that is used ended")
		}
	}
	v.now = v.now.Add(time.Hour + time.Second)
	if open() {
		t.Error("a session is older than it may be")
	}
	v.login()
	v.now = v.now.Add(idleSession + time.Second)
	if open() {
		t.Error("a session that nobody uses goes on")
	}
	v.login()
	word := v.csrf("/")
	kept := v.jar["gaol"]
	if v.ask("POST", "/logout", url.Values{"csrf": {word}}); open() {
		t.Error("logged in after the logout")
	}
	if v.jar["gaol"] = kept; open() {
		t.Error("the cookie opens the page after the logout")
	}
	first := newVisit(t, Options{}).login()
	for range maxSessions {
		first.now = first.now.Add(time.Second)
		other := &visit{t: t, site: first.site, fake: first.fake, jar: map[string]string{}}
		other.login()
	}
	if n := len(first.site.sessions.all); n != maxSessions {
		t.Errorf("%d sessions, %d at most", n, maxSessions)
	}
}

// What another page in the same browser sends does nothing, whatever of these it lacks.
func TestAnotherSitesFormsDoNothing(t *testing.T) {
	v := newVisit(t, Options{Hosts: []string{"gaol.example"}}).login()
	word := v.csrf("/")
	form := url.Values{"csrf": {word}}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	gone := func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }
	const deed = "/act?do=ban&jail=sshd&id=203.0.113.66"
	for _, tt := range []struct {
		name string
		form url.Values
		set  []func(*http.Request)
		code int
	}{
		{"no word", url.Values{}, nil, http.StatusForbidden},
		{"a wrong word", url.Values{"csrf": {word + "x"}}, nil, http.StatusForbidden},
		{"another site", form, []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, http.StatusForbidden},
		{"another port", form, []func(*http.Request){header("Sec-Fetch-Site", "same-site")}, http.StatusForbidden},
		{"another origin", form, []func(*http.Request){gone, header("Origin", "http://127.0.0.1:9999")}, http.StatusForbidden},
		{"no origin", form, []func(*http.Request){gone, header("Origin", "null")}, http.StatusForbidden},
		{"another name", form, []func(*http.Request){host("evil.example:8480")}, http.StatusMisdirectedRequest},
		{"a name like ours", form, []func(*http.Request){host("127.0.0.1.evil.example")}, http.StatusMisdirectedRequest},
	} {
		if w := v.ask("POST", deed, tt.form, tt.set...); w.Code != tt.code {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.code)
		}
	}
	if w := v.ask("GET", deed, nil); w.Code != http.StatusOK || len(v.fake.done) != 0 {
		t.Errorf("a link: %d; was done: %v", w.Code, v.fake.done)
	}
	for _, name := range []string{"localhost:8480", "[::1]:8480", "192.0.2.7", "GAOL.example"} {
		if w := v.ask("GET", "/", nil, host(name)); w.Code != http.StatusOK {
			t.Errorf("asked for as %s: %d", name, w.Code)
		}
	}
	if w := v.ask("POST", deed, form); w.Code != http.StatusSeeOther || len(v.fake.done) != 1 {
		t.Errorf("the page's own form: %d; was done: %v", w.Code, v.fake.done)
	}
}

func TestDeedsAreConfirmedAndDone(t *testing.T) {
	v := newVisit(t, Options{}).login()
	hour := time.Hour
	odd := "a b&id=c<\"\x1b\u202e"
	for _, tt := range []struct {
		query url.Values
		says  string
		want  control.Command
	}{
		{url.Values{"do": {"ban"}, "jail": {"sshd"}, "id": {"203.0.113.66"}, "for": {"1h"}, "reason": {"so"}}, "Ban 203.0.113.66 in the jail sshd, for 1h.",
			control.Ban{Jail: "sshd", ID: "203.0.113.66", For: &hour, Reason: "so"}},
		{url.Values{"do": {"unban"}, "id": {odd}}, "Lift every ban of a b&amp;id=c", control.Unban{ID: odd}},
		{url.Values{"do": {"allow"}, "id": {"203.0.113.9"}}, "Let nobody ban 203.0.113.9", control.Allow{ID: "203.0.113.9"}},
		{url.Values{"do": {"disallow"}, "id": {"203.0.113.9"}}, "Take 203.0.113.9 off", control.Disallow{ID: "203.0.113.9"}},
	} {
		v.fake.done = nil
		page := v.ask("GET", "/act?"+tt.query.Encode(), nil).Body.String()
		if !strings.Contains(page, tt.says) || len(v.fake.done) != 0 {
			t.Errorf("%v: the page does not say %q, or it was done already", tt.query, tt.says)
		}
		action := regexp.MustCompile(`action="(/act[^"]+)"`).FindStringSubmatch(page)
		if action == nil {
			t.Fatalf("%v: no form", tt.query)
		}
		target := html.UnescapeString(action[1])
		w := v.ask("POST", target, url.Values{"csrf": {csrfField.FindStringSubmatch(page)[1]}})
		if w.Code != http.StatusSeeOther || len(v.fake.done) != 1 {
			t.Fatalf("%v: %d, done %v", tt.query, w.Code, v.fake.done)
		}
		switch got := v.fake.done[0].(type) {
		case control.Ban:
			if want := tt.want.(control.Ban); got.ID != want.ID || got.Jail != want.Jail || *got.For != *want.For || got.Reason != want.Reason {
				t.Errorf("%+v, want %+v", got, want)
			}
		default:
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		}
		if after := v.ask("GET", w.Header().Get("Location"), nil).Body.String(); !strings.Contains(after, `<p class="flash" role="status">`) {
			t.Errorf("%v: the next page does not say what was done", tt.query)
		}
	}
	for _, bad := range []string{"do=ban&jail=sshd", "do=ban&jail=sshd&id=192.0.2.1&for=soon", "do=drop&id=192.0.2.1"} {
		if w := v.ask("GET", "/act?"+bad, nil); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

// Whatever a log says stays text: on no page is there an element, an attribute or a control
// character of it, nor anything that the policy would have to stop.
func TestHostileTextStaysText(t *testing.T) {
	v := newVisit(t, Options{Check: func(context.Context) ([]Finding, []string) {
		return []Finding{{Where: hostile, Message: hostile, Hint: hostile, Jail: hostile}}, []string{hostile}
	}}).login()
	for _, h := range []event.Happening{{What: event.Banned, Jail: hostile, Ban: &event.Ban{ID: hostile}}, {What: event.SourceFails, Reason: hostile}} {
		v.site.news.add(h)
	}
	pages := map[string]string{}
	for _, p := range []string{"/", "/jail?name=sshd", "/offender?id=203.0.113.66", "/offender?id=" + url.QueryEscape(hostile), "/offender?id=none",
		"/check?now=1", "/allowed", "/act?do=ban&jail=" + url.QueryEscape(hostile) + "&id=" + url.QueryEscape(hostile)} {
		pages[p] = v.ask("GET", p, nil).Body.String()
	}
	pages["bench"] = v.ask("POST", "/bench", url.Values{"csrf": {v.csrf("/bench")}, "lines": {hostile}, "regex": {hostile}, "filter": {hostile}}).Body.String()
	inline := regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|<img src="?x|\son\w+\s*=\s*"|\sstyle\s*=|javascript:`)
	for name, page := range pages {
		if !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;") {
			t.Errorf("%s does not show the text", name)
		}
		if m := inline.FindString(page); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		if strings.ContainsAny(page, "\x1b\u202e") || !strings.Contains(page, "␛") || !strings.Contains(page, "⟨U+202E⟩") {
			t.Errorf("%s hides control characters, or lets them through", name)
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	v := newVisit(t, Options{})
	for _, target := range []string{"/", "/login", "/static/gaol.css", "/static/", "/nowhere"} {
		h := v.ask("GET", target, nil).Result().Header
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s is %q", target, name, h.Get(name))
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy lets more in than it has to: %s", target, csp)
		}
	}
	w := v.ask("POST", "/login", url.Values{"secret": {testToken}})
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("cookie %v", c)
	}
	secure := newVisit(t, Options{Cert: "c.pem", Key: "k.pem"})
	if c := secure.ask("POST", "/login", url.Values{"secret": {testToken}}).Result().Cookies()[0]; !c.Secure || c.Name != "__Host-gaol" {
		t.Errorf("cookie over TLS %v", c)
	}
}

func TestTokenFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.token")
	made, err := Token(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || len(made) < 40 {
		t.Errorf("%v %v, %d characters", info.Mode(), err, len(made))
	}
	if again, err := Token(path); err != nil || again != made {
		t.Errorf("read again: %q %v, want %q", again, err, made)
	}
	for name, spoil := range map[string]func() error{
		"others can read it": func() error { return os.Chmod(path, 0o644) },
		"too short":          func() error { return os.WriteFile(path, []byte("abc\n"), 0o600) },
		"a link":             func() error { return os.Rename(path, path+"2") },
	} {
		if err := os.WriteFile(path, []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if name == "a link" {
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Token(path); err == nil {
			t.Errorf("%s: it is taken", name)
		}
		_ = os.Remove(path)
	}
}
