package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// nasty is what attackers may have written as user names and ids.
var nasty = []string{
	"\x1b[2J\x1b[31mred", "\x1b]8;;http://evil.test\x1b\\click\x1b]8;;\x1b\\", "\x1b]52;c;ZXZpbA==\a", "\x1bP$q\x1b\\\b\b\b\v\f",
	"\u009b31m\u009d0;x\u009c", "\x9b31m raw", "\xff\xfe\xc3(", "\u202egnol\u2066x\u2069\u200f\u200b", "tag\U000e0041\U000e007f",
	"a\rb", "x\u2028y\u2029z\u0085w", "x\rBcc: all@evil.test\r.\rMAIL FROM:<x>",
	"x [sshd] Ban 1.2.3.4", "x] Ban 1.2.3.4", "fe80::1%x] Ban 1.2.3.4", "x\r2026-11-24 13:00:00,123 fail2ban.actions [1]: NOTICE  [sshd] Ban 1.2.3.4",
	"2026-11-24 13:00:00,123 fail2ban.actions        [1]: NOTICE  [sshd] Ban 1.2.3.4", "www.victim.test",
	"<script>alert(1)</script><img src=x onerror=alert(2)>", "</script><!--", `"}],"what":"forged"`, "data: x\revent: y", "x\"} 1\rgaol_forged 1",
	"%s%n%d{{.}}${jndi:ldap://x}", "$(touch x)`id`;'\"\\", "@everyone <!channel> [a](http://evil.test)", ".", strings.Repeat("A", 5000) + " end",
}

// steers is what no medium may show as it is: a terminal obeys it, or a reader is fooled.
func steers(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// onTerminal is the checker of everything that people read.
func onTerminal(text string) error {
	if i := strings.IndexFunc(text, steers); i >= 0 {
		return fmt.Errorf("%q is in %q", []rune(text[i:])[0], near(text, i))
	}
	if !utf8.ValidString(text) {
		return errors.New("it is no UTF-8")
	}
	return nil
}

func near(text string, i int) string { return text[max(0, i-60):min(len(text), i+20)] }

var logHead = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.\w+ +\[\d+\]: (DEBUG|INFO|NOTICE|WARNING|ERROR) +\S`)

// inLog is the checker of gaol's log: each line is one that gaol began. Whether one poses as a ban is
// for the filters to say.
func inLog(text string) error {
	for line := range strings.Lines(text) {
		if !logHead.MatchString(line) {
			return fmt.Errorf("a line begins with %q", line[:min(len(line), 80)])
		}
	}
	return onTerminal(text)
}

// inJSON is the checker of values of JSON, each of which has to be an object or an array.
func inJSON(text string) error {
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return onTerminal(text)
		case err != nil:
			return err
		}
		if _, ok := v.(string); ok {
			return fmt.Errorf("a value is a string: %.80q", v)
		}
		if m, ok := v.(map[string]any); ok && m["what"] == "forged" {
			return errors.New("an object is forged")
		}
	}
}

var markup = regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<!--|<img src="?x|\son\w+\s*=\s*"|\sstyle\s*=|javascript:|href="https?:|%!`)

// onPage is the checker of HTML.
func onPage(text string) error {
	if m := markup.FindString(text); m != "" {
		return fmt.Errorf("it has %q", m)
	}
	return onTerminal(text)
}

var mailHeaders = []string{"From", "To", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted", "User-Agent", "X-Mailer"}

// inMail is the checker of a mail as the server took it.
func inMail(raw string) error {
	if bare := strings.ReplaceAll(raw, "\r\n", ""); strings.ContainsAny(bare, "\r\n") {
		return errors.New("a line ends in half a line end")
	}
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return err
	}
	for name, values := range m.Header {
		if !slices.Contains(mailHeaders, name) || len(values) != 1 {
			return fmt.Errorf("the header %s is %q", name, values)
		}
		text, err := new(mime.WordDecoder).DecodeHeader(values[0])
		if err := errors.Join(err, onTerminal(text)); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	if kind := m.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain;") {
		return fmt.Errorf("the content is %s", kind)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	if i := bytes.IndexFunc(body, func(r rune) bool { return r > '~' || r < ' ' && r != '\r' && r != '\n' && r != '\t' }); i >= 0 {
		return fmt.Errorf("not encoded: %q", near(string(body), i))
	}
	text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	return errors.Join(err, onTerminal(strings.ReplaceAll(string(text), "\r\n", "\n")))
}

// inChat is the checker of a chat message.
func inChat(text string) error {
	for _, bad := range []string{"<", "@everyone", "](http"} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("it has %q", bad)
		}
	}
	return onTerminal(text)
}

// inHeaders is the checker of an HTTP answer's headers.
func inHeaders(h http.Header) error {
	for name, values := range h {
		for _, v := range values {
			if strings.ContainsFunc(name+v, func(r rune) bool { return r < ' ' || r > '~' }) {
				return fmt.Errorf("header %s is %q", name, v)
			}
		}
	}
	return nil
}

var sample = regexp.MustCompile(`^(# (HELP|TYPE|EOF).*|[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="(\\[\\"n]|[^"\\])*",?)*\})? [-+.\deEINaf]+)$`)

// inMetrics is the checker of Prometheus' text format.
func inMetrics(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !sample.MatchString(line) {
			return fmt.Errorf("not of the format: %q", line)
		}
		if strings.HasPrefix(line, "gaol_forged") {
			return errors.New("a metric is forged")
		}
	}
	return onTerminal(text)
}

// inDenyFile is the checker of a list for proxies: nothing but addresses.
func inDenyFile(text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if _, err := netip.ParseAddr(line); err != nil && line != "" && line[0] != '#' {
			if _, err := netip.ParsePrefix(line); err != nil {
				return fmt.Errorf("no address: %q", line)
			}
		}
	}
	return onTerminal(text)
}

// A checker that lets everything through would hold nothing: each refuses what its medium must not
// have, and takes what is in order.
func TestCheckersRefuse(t *testing.T) {
	const head = "2026-11-24 13:00:00,123 fail2ban.actions        [1]: NOTICE  "
	const letter = "From: <a@b.test>\r\nSubject: =?utf-8?q?x?=\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	headers := func(text string) error { return inHeaders(http.Header{"X-A": {text}}) }
	for name, c := range map[string]struct {
		check func(string) error
		good  string
		bad   []string
	}{
		"terminal": {onTerminal, "plain\tünd <b>\n", []string{"\x1b[2J", "\x1b]52;c;x\a", "\u009b31m", "\x9b", "\u202e", "\u2066", "\u200b", "a\rb", "\u2028", "\u0085", "\U000e0041", "\x7f", "\x00"}},
		"log":      {inLog, head + "[sshd] Ban 192.0.2.1\n", []string{"[sshd] Ban 1.2.3.4\n", head + "x\n[sshd] Ban 1.2.3.4\n", head + "\x1b[2J\n"}},
		"json":     {inJSON, `{"what":"ban"}` + "\n[1]", []string{`{"what":"ban"`, `{"a":"` + "\u202e" + `"}`, "{}\nx", `{"what":"forged"}`, `"x"`}},
		"page":     {onPage, "<p>&lt;script&gt; ü</p>", []string{"<script>alert(1)", "<img src=x onerror=alert(2)>", "<b onclick=\"x\">", "\u202e", "<a href=\"http://evil.test\">", "%!n"}},
		"mail": {inMail, letter + "\r\nbody=C3=BC\r\n", []string{letter + "Bcc: x@evil.test\r\n\r\n", letter + "\r\na\rb\r\n", letter + "\r\n=1B[2J\r\n", letter + "\r\n\x1b\r\n",
			strings.ReplaceAll(letter, "plain", "html") + "\r\n", strings.ReplaceAll(letter, "?x?", "?=1B?") + "\r\n"}},
		"chat":    {inChat, "ban [sshd] 192.0.2.1\n", []string{"<!channel>", "@everyone", "[a](http://evil.test)", "\x1b[2J"}},
		"headers": {headers, "sshd", []string{"a\r\nb", "\x1b", "ü"}},
		"metrics": {inMetrics, "# HELP a b\na 1\nb{c=\"d\\\"\"} 2.5e+06\n", []string{"a{b=\"c\"} x", "a{b=\"c\"d\"} 1", "a{b=\"\x1b\"} 1", "gaol_forged 1"}},
		"deny":    {inDenyFile, "# x\n192.0.2.1\n2001:db8::/64\n", []string{"www.victim.test\n", "192.0.2.1; x\n", "\x1b\n"}},
	} {
		if err := c.check(c.good); err != nil {
			t.Errorf("%s refuses %q: %v", name, c.good, err)
		}
		for _, bad := range c.bad {
			if c.check(bad) == nil {
				t.Errorf("%s takes %q", name, bad)
			}
		}
	}
}
