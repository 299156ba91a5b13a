package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// goldenConf is the configuration of the questions, on top of the embedded one.
const goldenConf = "testdata/why/conf"

// asked is when the questions are asked: half a minute after most of their lines.
func asked() time.Time { return time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC) }

// ask runs `gaol why` or `gaol explain` and returns what it prints.
func ask(t *testing.T, in string, args ...string) string {
	t.Helper()
	root := &cobra.Command{Use: "gaol", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(whyCommand(asked), explainCommand(asked))
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.Execute(); err != nil {
		printError(&out, err)
	}
	return out.String()
}

// golden compares an answer with testdata/why/NAME.golden; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "why", name+".golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: UPDATE_GOLDEN=1 go test ./internal/cli -run Golden", err)
	}
	if got != string(want) {
		t.Errorf("%s\n--- got\n%s--- want\n%s", path, got, want)
	}
}

// inUTC has times shown in UTC.
func inUTC(t *testing.T) {
	t.Helper()
	zone := time.Local
	t.Cleanup(func() { time.Local = zone })
	time.Local = time.UTC
}

// The lines of questions. The first two are those of an admin whom the second one cost an hour.
const (
	invalidUser = "2025-07-25T11:14:14.410785+08:00 jumps-new sshd[556171]: Invalid user tmp from 203.0.113.68 port 8946"
	closedBy    = "2025-07-25T11:14:14.443162+08:00 jumps-new sshd[556171]: Connection closed by invalid user tmp 203.0.113.68 port 8946 [preauth]"
	ssh         = "Nov 24 10:00:00 host sshd[7]: "
	shop        = "2026-11-24 10:00:00 host shopd[12]: "
)

// question is one that `gaol explain` answers: lines against a filter.
type question struct {
	name   string
	filter string
	lines  []string
}

func questions() []question {
	return []question{
		{"article", "sshd[mode=normal]", []string{invalidUser, closedBy}},
		{"article-aggressive", "sshd[mode=aggressive]", []string{invalidUser, closedBy}},
		{"helper", "sshd", []string{ssh + "Connection closed by 203.0.113.66 port 4711 [preauth]"}},
		{"success", "sshd", []string{ssh + "Failed publickey for root from 203.0.113.66 port 4711 ssh2: RSA SHA256:abc", ssh + "Accepted publickey for root from 203.0.113.66 port 4711 ssh2"}},
		{"waits", "sshd", []string{ssh + "Disconnecting: Too many authentication failures [preauth]"}},
		{"waits-then-told", "sshd", []string{ssh + "Disconnecting: Too many authentication failures [preauth]", ssh + "Connection closed by 203.0.113.66 port 4711 [preauth]"}},
		{"evidence", "sshd", []string{ssh + "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.66  user=root", ssh + "Failed password for root from 203.0.113.66 port 4711 ssh2"}},
		{"near-miss", "sshd", []string{ssh + "Failed password for root with 203.0.113.66 port 4711 ssh2"}},
		{"other-program", "sshd", []string{"Nov 24 10:00:00 host cron[7]: Failed password for root from 203.0.113.66 port 4711 ssh2"}},
		{"daemon-name", "shop", []string{`2026-11-24 10:00:00 host shop-worker[3]: login of "bob" from 203.0.113.66 failed`}},
		{"ignoreregex", "shop", []string{shop + `login of "monitor" from 203.0.113.66 failed`}},
		{"ignoreip", "shop", []string{shop + `login of "bob" from 198.51.100.9 failed`}},
		{"mode", "shop", []string{shop + "basket left by 203.0.113.66"}},
		{"alternatives", "shop", []string{shop + "order refused for 203.0.113.66: borrowed card"}},
		{"undated", "shop", []string{`host shopd[12]: login of "bob" from 203.0.113.66 failed`}},
		{"outdated", "shop", []string{`2026-11-24 08:00:00 host shopd[12]: login of "bob" from 203.0.113.66 failed`}},
		{"future", "shop", []string{`2026-11-24 18:00:10 host shopd[12]: login of "bob" from 203.0.113.66 failed`}},
		{"no-such-date", "shop", []string{`2026-02-30 10:00:00 host shopd[12]: login of "bob" from 203.0.113.66 failed`}},
		{"own-datepattern", "trail", []string{"<1795514400>begin j7 of 203.0.113.66", "<1795514401>step", "<1795514402>fail j7"}},
		{"banned", "shop", []string{shop + `login of "a" from 203.0.113.66 failed`, shop + `login of "b" from 203.0.113.66 failed`}},
		{"too-slow", "shop", []string{`2026-11-24 09:00:00 host shopd[12]: login of "a" from 203.0.113.66 failed`, shop + `login of "b" from 203.0.113.66 failed`}},
		{"escapes", "sshd", []string{ssh + "Failed password for \x1b]0;owned\a\u009b31m\u202e from 203.0.113.66 port 4711 ssh2"}},
		{"forged", "sshd", []string{ssh + "Failed password for root from 198.51.100.1 port 22 ssh2 from 203.0.113.66 port 4711 ssh2"}},
		{"host-name", "shop", []string{shop + `login of "bob" from mail.example.org failed`}},
		{"unicode", `^ größe <HOST> zu klein`, []string{"2026-11-24 10:00:00 größe 203.0.113.66 zu groß"}},
		{"no-address", `^no address`, []string{"2026-11-24 10:00:00 no address"}},
		{"broken-jail", "broken", []string{"2026-11-24 10:00:00 bad 203.0.113.66"}},
	}
}

// Each question has one right answer. Whether it is right was read, once, by people.
func TestGoldenExplain(t *testing.T) {
	inUTC(t)
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			got := ask(t, "", append(append([]string{"explain", "-c", goldenConf}, q.lines...), q.filter)...)
			golden(t, q.name, got)
			if strings.ContainsAny(got, "\x1b\a\u009b\u202e") {
				t.Errorf("control characters of the line came through: %q", got)
			}
		})
	}
}

// Without a filter all enabled jails are asked; without a daemon their configuration.
func TestGoldenWhyLines(t *testing.T) {
	inUTC(t)
	nobody := filepath.Join(t.TempDir(), "sock")
	for name, lines := range map[string][]string{
		"jails":         {shop + `login of "bob" from 203.0.113.66 failed`},
		"jails-none":    {ssh + "Failed password for root with 203.0.113.66 port 4711 ssh2"},
		"trusted-proxy": {shop + `login of "bob" from 192.0.2.80 failed`},
		"floor":         {shop + `login of "bob" from 127.0.0.1 failed`},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "why-"+name, ask(t, "", append([]string{"why", "-c", goldenConf, "--socket", nobody}, lines...)...))
		})
	}
	lines := strings.Join([]string{shop + `login of "a" from 203.0.113.66 failed`, shop + "nothing"}, "\n") + "\n"
	golden(t, "why-stdin", ask(t, lines, "why", "-c", goldenConf, "--socket", nobody, "--jail", "shop", "-"))
	golden(t, "why-no-jail", ask(t, lines, "why", "-c", goldenConf, "--offline", "--jail", "shed", "-"))
	golden(t, "explain-all", ask(t, "", "explain", "-c", goldenConf, "--all", shop+"nothing of it", "shop"))
	golden(t, "explain-json", ask(t, "", "explain", "-c", goldenConf, "--json", shop+"basket left by 203.0.113.66", "shop"))
}

// The stock filter of fail2ban's package answers the article's question in three lines.
func TestWhyArticle(t *testing.T) {
	inUTC(t)
	if _, err := os.Stat(installed + "/filter.d/sshd.conf"); err != nil {
		const text = "fail2ban's filters are not installed: run scripts/packages test"
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	conf := t.TempDir()
	if err := os.CopyFS(conf, os.DirFS(installed)); err != nil {
		t.Fatal(err)
	}
	local := "[DEFAULT]\nmode = normal\n[docker-sshd]\nenabled = true\nport = 2222\nfilter = sshd[mode=%(mode)s]\nbanaction = gaol\n" +
		"logpath = " + conf + "/auth.log\nmaxretry = 2\nfindtime = 2m\nbantime = 30m\n"
	if err := os.WriteFile(filepath.Join(conf, "jail.local"), []byte(local), 0o600); err != nil {
		t.Fatal(err)
	}
	got := ask(t, "", "why", "-c", conf, "--offline", "--jail", "docker-sshd", invalidUser, closedBy)
	head := strings.SplitN(strings.ReplaceAll(got, conf, "ETC"), "\n", 4)
	for i, want := range []string{
		"line 1 in jail docker-sshd counts: failregex ETC/filter.d/sshd.conf:46 takes it for a failure of 203.0.113.68, 1 of 2 within 2m",
		`line 2 in jail docker-sshd is only a helper (F-NOFAIL): failregex ETC/filter.d/sshd.conf:71 matches, but <F-NOFAIL> in it took "Connection closed", so it is no failure by itself`,
		"what counts: line 1 (failregex ETC/filter.d/sshd.conf:46); line 2 too under mode=aggressive or mode=ddos",
	} {
		if head[i] != want {
			t.Errorf("line %d: %s\nwant    %s", i+1, head[i], want)
		}
	}
}
