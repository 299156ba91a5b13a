package hook

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

// evil is a bundle about a client that chose its text with care.
func evil() Bundle {
	return Bundle{
		Host: "jumps", Title: "ban a\r\nBcc: all@example.com [sshd]", Lines: []string{"2026-11-24 12:00:00 ban [sshd] 192.0.2.1"},
		Items:  []event.Happening{{What: event.Banned, Jail: "sshd", Ban: &event.Ban{ID: "192.0.2.1"}}},
		Proofs: []Proof{{Jail: "sshd", ID: "192.0.2.1", Lines: []string{"Failed password for <script>alert(1)</script> ünd so", "."}}},
	}
}

// smtpd is Python's own SMTP server, which prints each message it takes.
func smtpd(t *testing.T) (addr string, message func() *mail.Message) {
	t.Helper()
	script := "import asyncore, smtpd\n" +
		"class S(smtpd.SMTPServer):\n" +
		"  def process_message(self, peer, mailfrom, rcpttos, data, **kw):\n" +
		"    print(len(data), ','.join(rcpttos), flush=True); print(data.decode('latin-1'), end='', flush=True)\n" +
		"s = S(('127.0.0.1', 0), None)\nprint(s.socket.getsockname()[1], flush=True)\nasyncore.loop()\n"
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-W", "ignore", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; bring python3 with: scripts/packages test", err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	said := bufio.NewReader(out)
	line := func() string {
		text, err := said.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	addr = "127.0.0.1:" + line()
	return addr, func() *mail.Message {
		head := strings.Fields(line())
		if head[1] != "root@example.com" {
			t.Errorf("sent to %s", head[1])
		}
		var n int
		if err := json.Unmarshal([]byte(head[0]), &n); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(said, data); err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		return m
	}
}

func TestMail(t *testing.T) {
	dir := t.TempDir()
	program := "#!/bin/sh\nprintf 'about %s\\n\\033[2Jnetwork\\n' \"$1\"\n"
	if err := os.WriteFile(filepath.Join(dir, "whois"), []byte(program), 0o700); err != nil { //nolint:gosec // it must run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	addr, message := smtpd(t)
	m := Mail{Server: addr, From: "gaol@jumps.example.com", To: []string{"root@example.com"}, TLS: "auto", Whois: true}
	if err := m.Send(t.Context(), evil()); err != nil {
		t.Fatal(err)
	}
	got := message()
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[gaol] jumps: ban a") {
		t.Errorf("subject %q, %v", subject, err)
	}
	if got.Header.Get("Bcc") != "" || got.Header.Get("Auto-Submitted") != "auto-generated" || got.Header.Get("Date") == "" {
		t.Errorf("header %v", got.Header)
	}
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("content type %q", kind)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ban [sshd] 192.0.2.1", "Log lines of 192.0.2.1 [sshd]:", "<script>alert(1)</script> ünd so", "\n  .", "whois 192.0.2.1:", "about 192.0.2.1", "  [2Jnetwork"} {
		if !strings.Contains(strings.ReplaceAll(string(text), "\r\n", "\n"), want) {
			t.Errorf("the mail lacks %q:\n%s", want, text)
		}
	}
	if bytes.ContainsRune(text, 0x1b) {
		t.Errorf("whois commands the terminal:\n%q", text)
	}
	m.TLS = "starttls"
	if err := m.Send(t.Context(), evil()); err == nil {
		t.Error("mail went out unencrypted, although starttls was asked for")
	}
}

func TestWebHook(t *testing.T) {
	status, calls := http.StatusNoContent, 0
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ = io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer key" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("header %v", r.Header)
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	w := Web{URL: s.URL + "/secret", Secret: "key", Client: s.Client()}
	if err := w.Send(t.Context(), evil()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Host, Title string
		Events      []event.Happening
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Host != "jumps" || len(got.Events) != 1 || got.Events[0].Ban.ID != "192.0.2.1" {
		t.Errorf("%v: %s", err, body)
	}
	var never *finalError
	for code, final := range map[int]bool{404: true, 400: true, 429: false, 500: false} {
		status = code
		err := w.Send(t.Context(), evil())
		if err == nil || asFinal(err, &never) != final {
			t.Errorf("%d: %v, want no further try: %v", code, err, final)
		}
	}
	s.Close()
	if err := w.Send(t.Context(), evil()); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(w.Name(), "secret") {
		t.Errorf("%s: %v", w.Name(), err)
	}
}

func asFinal(err error, to **finalError) bool {
	f, ok := err.(*finalError) //nolint:errorlint // the sender's own
	*to = f
	return ok
}

func TestChat(t *testing.T) {
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "{}") // as ntfy answers: in JSON
		got <- r.URL.Path + " " + r.Header.Get("Title") + " " + string(text)
	}))
	defer s.Close()
	c, err := NewChat("ntfy://" + strings.TrimPrefix(s.URL, "http://") + "/jails?scheme=http")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Send(ctx, Bundle{Host: "jumps", Title: "1 ban", Lines: []string{"ban [sshd] 192.0.2.1"}}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; !strings.HasPrefix(text, "/jails ") || !strings.Contains(text, "gaol on jumps: 1 ban") || !strings.Contains(text, "ban [sshd] 192.0.2.1") {
		t.Errorf("ntfy got %q", text)
	}
	for _, bad := range []string{"nonsense", "nosuch://x/token", "telegram://token"} {
		if _, err := NewChat(bad); err == nil || strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
