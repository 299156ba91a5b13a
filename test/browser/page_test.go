package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gaol/internal/control"
)

// tab is one page that is open.
type tab struct {
	w   *world
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string // errors and warnings
}

func (w *world) tab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	limited, end := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	b := &tab{w: w, t: t, ctx: limited}
	if err := chromedp.Do(limited); err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(limited)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
				b.mu.Lock()
				b.console = append(b.console, m.String())
				b.mu.Unlock()
			}
		}
	}()
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		var text, at string
		text, _ = chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		at, _ = chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("%v\nat %s:\n%.2000s", err, at, text)
	}
}

func get[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(page + path)); b.loaded() }

func (b *tab) text() string {
	b.t.Helper()
	b.loaded()
	return get(b, chromedp.Evaluate[string]("document.body.innerText"))
}

func (b *tab) shows(texts ...string) {
	b.t.Helper()
	shown := b.text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			b.t.Errorf("the page does not show %q:\n%.3000s", text, shown)
		}
	}
}

// until waits for an expression to be true in the page.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body?.innerText"))
			b.t.Fatalf("%s: %v\n%.2000s", expression, err, text)
		}
		// The page that was looked at gave way to the next one: that one is asked.
	}
}

// loaded waits for the page to be there as a whole.
func (b *tab) loaded() {
	b.t.Helper()
	b.until(`document.readyState === 'complete' && document.body !== null`)
}

// press clicks what a selector names, and waits for the page that it leads to.
func (b *tab) press(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	for err != nil && strings.Contains(err.Error(), "Could not find node") {
		// The live page put another in its place between looking for it and pressing it.
		_, err = chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	}
	if err != nil {
		b.t.Fatalf("press %s: %v\n%.2000s", selector, err, b.text())
	}
	b.loaded()
}

func (b *tab) login() {
	b.t.Helper()
	b.open("/login#" + b.w.token)
	b.until(`document.querySelector('h1')?.textContent === 'Overview'`)
}

// shot keeps a picture of the whole page.
func (b *tab) shot(name string) {
	b.t.Helper()
	picture := get(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(b.w.shots, name+".png"), picture, 0o644); err != nil {
		b.t.Error(err)
	}
}

// clean says what the page did that it should not have: errors in the console, and requests to
// anybody else.
func (b *tab) clean() {
	b.t.Helper()
	for _, url := range get(b, chromedp.Evaluate[[]string]("performance.getEntriesByType('resource').map(e => e.name)")) {
		if !strings.HasPrefix(url, page+"/") {
			b.t.Errorf("the page asks for %s", url)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.console {
		b.t.Errorf("the console says: %s", line)
	}
	b.console = nil
}

// readable is what a screen reader or a keyboard would miss, as far as a script can tell.
const readable = `(() => {
  const wrong = [];
  const say = (what, e) => wrong.push(what + ': ' + e.outerHTML.slice(0, 120));
  if (document.documentElement.lang !== 'en') wrong.push('no language');
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
  for (const mark of ['header', 'main']) if (document.querySelectorAll('body > ' + mark).length !== 1) wrong.push('not one ' + mark);
  for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea')) if (!e.labels.length) say('no label', e);
  for (const e of document.querySelectorAll('table')) {
    if (!e.caption) say('no caption', e);
    for (const h of e.querySelectorAll('th')) if (!h.scope) say('no scope', h);
  }
  for (const e of document.querySelectorAll('section')) if (!e.getAttribute('aria-label') && !document.getElementById(e.getAttribute('aria-labelledby'))) say('no name', e);
  for (const e of document.querySelectorAll('svg')) if (!e.querySelector('title') && e.getAttribute('aria-hidden') !== 'true') say('no title', e);
  for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) say('no alt', e);
  for (const e of document.querySelectorAll('a, button')) if (!(e.getAttribute('aria-label') || e.textContent).trim()) say('says nothing', e);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push('twice: ' + id);
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window: ' + document.documentElement.scrollWidth);
  return wrong;
})()`

func (b *tab) readable() {
	b.t.Helper()
	for _, wrong := range get(b, chromedp.Evaluate[[]string](readable)) {
		b.t.Errorf("%s: %s", get(b, chromedp.Location()), wrong)
	}
}

// dark asks for the dark colours, or for the light ones.
func (b *tab) colours(scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

func (b *tab) scripts(on bool) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// TestThePage is one evening with it: the parts build on each other, on one daemon.
func TestThePage(t *testing.T) {
	w := newWorld(t)
	browser := w.chromium()
	for _, part := range []struct {
		name string
		run  func(*tab)
	}{
		{"a wrong token opens nothing", wrongToken},
		{"an attack shows at once", attackShows},
		{"a name in the log stays text", nameStaysText},
		{"ban and unban", banAndUnban},
		{"never banned", neverBanned},
		{"lines are explained", linesExplained},
		{"what gaol check finds", checkFinds},
		{"forms of other sites do nothing", otherSites},
		{"without scripts", withoutScripts},
		{"every page, on every screen", everyPage},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(w.tab(t, browser)) })
	}
}

func wrongToken(b *tab) {
	b.open("/")
	b.shows("Log in")
	b.shot("login")
	b.readable()
	b.do(chromedp.SendKeys(chromedp.CSS("#secret"), "not-the-token"))
	b.press("#login button")
	b.shows("That is not the token.")
	b.open("/jail?name=sshd")
	b.shows("Log in")
	if strings.Contains(b.text(), "maxretry") || get(b, chromedp.Location()) == page+"/jail?name=sshd" {
		b.t.Error("a page is shown without a login")
	}
	b.login()
	if at := get(b, chromedp.Location()); strings.Contains(at, "#") || at != page+"/" {
		b.t.Errorf("the token stays in the address: %s", at)
	}
}

func attackShows(b *tab) {
	b.login()
	b.until(`document.body.classList.contains('live')`)
	b.w.attack("root", 2)
	began := time.Now()
	b.w.attack("root", 1)
	b.until(`document.querySelector('#news')?.textContent.includes('203.0.113.66')`)
	b.t.Logf("from the third failed login to the page: %s", time.Since(began).Round(time.Millisecond))
	b.until(`document.querySelector('#tiles li b').textContent === '1'`)
	b.until(`document.querySelector('#offenders').textContent.includes('203.0.113.66')`)
	b.until(`document.querySelector('#told').textContent.includes('203.0.113.66')`)
	b.w.attacker.Dead("tcp", "203.0.113.1:2222")
	b.clean()
	b.shot("overview")
}

func nameStaysText(b *tab) {
	b.w.do(control.Unban{ID: "203.0.113.66"})
	b.login()
	const name = `<svg/onload=document.title="owned">`
	b.w.attack(name, 3)
	b.until(`document.querySelector('#news li').textContent.includes('203.0.113.66')`)
	b.open("/offender?id=203.0.113.66")
	b.shows("banned since", name, "In the kernel", "drop", "failures led to it")
	if n := get(b, chromedp.Evaluate[int](`document.querySelectorAll('#account svg').length`)); n != 0 || get(b, chromedp.Title()) == "owned" {
		b.t.Error("the name became part of the page")
	}
	b.readable()
	b.clean()
	b.shot("offender")
}

func banAndUnban(b *tab) {
	b.login()
	b.press(`#jails a[href="/jail?name=sshd"]`)
	b.do(chromedp.SendKeys(chromedp.CSS("#b-id"), "203.0.113.80"), chromedp.SendKeys(chromedp.CSS("#b-for"), "2h"),
		chromedp.SendKeys(chromedp.CSS("#b-why"), `<b>so</b>`))
	b.press(`section[aria-labelledby=h-ban] button`)
	b.shows("Ban 203.0.113.80 in the jail sshd, for 2h.", "<b>so</b>")
	if b.w.banned("203.0.113.80") {
		b.t.Error("it was banned before that was confirmed")
	}
	b.shot("confirm")
	b.readable()
	b.press("main form button")
	b.shows("203.0.113.80 is banned in sshd, until", "by hand: <b>so</b>")
	if !b.w.banned("203.0.113.80") {
		b.t.Error("it is not banned")
	}
	b.open("/jail?name=sshd")
	b.shot("jail")
	b.press(`a[aria-label="Unban 203.0.113.80"]`)
	b.press("main form button")
	b.shows("203.0.113.80 is not banned any more.", "not banned")
	if b.w.banned("203.0.113.80") {
		b.t.Error("it is banned")
	}
	b.open("/act?do=ban&jail=sshd&id=127.0.0.1")
	b.press("main form button")
	b.shows("127.0.0.1 is never banned", "That did not work")
	b.mu.Lock()
	b.console = nil // the browser tells of the 409
	b.mu.Unlock()
	b.clean()
}

func neverBanned(b *tab) {
	b.login()
	b.open("/allowed")
	b.do(chromedp.SendKeys(chromedp.CSS("#a-id"), "203.0.113.66"), chromedp.SendKeys(chromedp.CSS("#a-for"), "8h"), chromedp.SendKeys(chromedp.CSS("#a-why"), "the auditors"))
	b.press(`section[aria-labelledby=h-add] button`)
	b.shows("Let nobody ban 203.0.113.66, for 8h.")
	b.press("main form button")
	b.shows("Nobody bans 203.0.113.66 now.", "not banned")
	if b.w.banned("203.0.113.66") {
		b.t.Error("it is still banned")
	}
	b.w.attack("guest", 1)
	b.open("/allowed")
	b.shows("the auditors")
	b.shot("allowed")
	b.press(`a[aria-label="Take 203.0.113.66 off"]`)
	b.press("main form button")
	b.shows("203.0.113.66 may be banned again.", "The list is empty.")
	b.clean()
}

func linesExplained(b *tab) {
	b.login()
	b.open("/bench")
	lines := "2026-11-24T12:00:00+00:00 host sshd[1]: Failed password for root from 203.0.113.9 port 4711 ssh2\n" +
		"2026-11-24T12:00:01+00:00 host sshd[1]: Faild password for <i>root</i> from 203.0.113.9 port 4711 ssh2"
	b.do(chromedp.SetValue(chromedp.CSS("#lines"), lines), chromedp.SetValue(chromedp.CSS("#jail"), "sshd"))
	b.press("form.bench button")
	b.shows("counts", "missed", "Matched by", "Came furthest", "<i>root</i>")
	if again := get(b, chromedp.Value(chromedp.CSS("#lines"))); again != lines {
		b.t.Errorf("the lines came back as %q", again)
	}
	b.readable()
	b.shot("bench")
	b.do(chromedp.SetValue(chromedp.CSS("#regex"), "(unclosed"))
	b.press("form.bench button")
	if get(b, chromedp.Evaluate[int](`document.querySelectorAll('[role=alert]').length`)) != 1 {
		b.t.Errorf("nothing is said of a regex that is none:\n%s", b.text())
	}
	b.clean()
}

func checkFinds(b *tab) {
	b.login()
	b.press(`nav a[href="/check"]`)
	b.shows("perhaps")
	b.press(`a[href="/check?now=1"]`)
	b.shows("labels", "gaol.local:3", "It took")
	b.readable()
	b.shot("check")
	b.clean()
}

// otherSites opens a page of another origin in the browser that is logged in.
func otherSites(b *tab) {
	l := b.w.lab.Host.Listen("127.0.0.1:9999")
	evil := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<title>evil</title><form method=post action="%s/act?do=ban&amp;jail=sshd&amp;id=203.0.113.99"><input name=csrf value=x><button>win</button></form>
			<iframe src="%s/"></iframe>`, page, page)
	})}
	go func() { _ = evil.Serve(l) }()
	b.t.Cleanup(func() { _ = evil.Close() })
	b.login()
	b.do(chromedp.Navigate("http://127.0.0.1:9999/"))
	b.press("button")
	b.shows("another page sent this; nothing was done")
	b.do(chromedp.Navigate("http://evil.example:8480/"))
	b.shows("this name does not lead to gaol's page")
	if b.w.banned("203.0.113.99") {
		b.t.Error("another site's form banned somebody")
	}
}

func withoutScripts(b *tab) {
	b.scripts(false)
	b.open("/login")
	b.do(chromedp.SendKeys(chromedp.CSS("#secret"), b.w.token))
	b.press("#login button")
	b.shows("Overview", "Bans over time", "Not live")
	b.do(chromedp.SendKeys(chromedp.CSS("#find"), "203.0.113.81"))
	b.press(".find button")
	b.shows("203.0.113.81", "not banned")
	b.press(`form:has(#o-jail) button`)
	b.press("main form button")
	b.shows("203.0.113.81 is banned in")
	if !b.w.banned("203.0.113.81") {
		b.t.Error("it is not banned")
	}
	b.press(".leave button")
	b.shows("Log in")
}

func everyPage(b *tab) {
	for i := range 30 { // something to look at
		b.w.do(control.Ban{Jail: []string{"sshd", "door"}[i%2], ID: fmt.Sprintf("198.51.%d.%d", 100+i%3, 10+i)})
	}
	b.login()
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if at := get(b, chromedp.Evaluate[string]("document.activeElement.id")); at != "main" {
		b.t.Errorf("the first Tab and Enter lead to %q, not past the header", at)
	}
	pages := map[string]string{"overview": "/?span=1h", "jail": "/jail?name=sshd", "offender": "/offender?id=203.0.113.66", "allowed": "/allowed", "bench": "/bench", "check": "/check"}
	for _, view := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide-light", 1280, 900, "light"}, {"wide-dark", 1280, 900, "dark"}, {"phone-dark", 390, 844, "dark"}, {"phone-light", 360, 740, "light"}} {
		b.colours(view.scheme)
		b.do(chromedp.EmulateViewport(view.width, view.height))
		for name, path := range pages {
			most := name == "overview" || name == "jail" || name == "offender"
			if !most && view.scheme == "dark" {
				continue
			}
			b.open(path)
			b.readable()
			if most && view.name != "phone-light" {
				b.shot(view.name + "-" + name)
			}
		}
	}
	b.open("/nowhere")
	b.shows("there is no such page")
	b.mu.Lock()
	b.console = nil // the browser tells of the 404
	b.mu.Unlock()
	b.clean()
}
