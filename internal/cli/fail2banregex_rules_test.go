package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Behaviours that are easily gotten wrong (§9), as command lines: what is printed, and that the
// installed program prints the same.
func TestRulesEasilyGottenWrong(t *testing.T) {
	const iso, year = "2024-01-01 10:00:00", "2024-01-01"
	ids := func(args ...string) []string { return append([]string{"-o", "<ip>"}, args...) }
	cases := []struct {
		row, want string
		argv      []string
	}{
		{"1 brackets stay", "1.2.3.4\n", ids("["+iso+"] fail from 1.2.3.4", `^\[\] fail from <HOST>$`)},
		{"1 a newline ends the text", "", ids(iso+" fail from 1.2.3.4", `^ fail from <HOST>\Z`)},
		{"1 and $ stands before it", "1.2.3.4\n", ids(iso+" fail from 1.2.3.4", `^ fail from <HOST>$`)},
		{"2 the whole pattern is cut", "1.2.3.4\n", ids("-d", "^foo %Y-%m-%d %H:%M:%S", "foo "+iso+" x from 1.2.3.4", `^ x from <HOST>$`)},
		{"2 only the group is cut", "1.2.3.4\n", ids("-d", `^\[({DATE})`, "["+iso+"] x from 1.2.3.4", `^\[\] x from <HOST>$`)},
		{"2 without a group the brackets go", "1.2.3.4\n", ids("-d", `^\[{DATE}\]`, "["+iso+"] x from 1.2.3.4", `^ x from <HOST>$`)},
		{"3 two characters may stand before", "1.2.3.4\n", ids("-d", "{^LN-BEG}", "[["+iso+"]] x from 1.2.3.4", `^\[\[\]\] x from <HOST>$`)},
		{"3 not three", "", ids("-d", "{^LN-BEG}", "[[["+iso+"]]] x from 1.2.3.4", `^\[\[\[\]\]\] x from <HOST>$`)},
		{"3 the defaults look further", "1.2.3.4\n", ids("abc "+iso+" x from 1.2.3.4", `^abc  x from <HOST>$`)},
		{"4 the line's start wins", "1.2.3.4\n", ids("Nov 24 10:00:00 h app: ["+iso+"] fail from 1.2.3.4", `^ h app: \[2024-01-01 10:00:00\] fail from <HOST>$`)},
		{"5 a name of a zone stays", "1.2.3.4|1704067199.0\n", []string{"-o", "<ip>|<time>", "2023-12-31 23:59:59 CEST x 1.2.3.4", `^ CEST x <HOST>$`}},
		{"5 but not an offset", "1.2.3.4|1704063599\n", []string{"-o", "<ip>|<time>", "2023-12-31 23:59:59 +0100 x 1.2.3.4", `^ x <HOST>$`}},
		{"5 an impossible date is cut", "1.2.3.4\n", ids("2023-02-30 10:00:00 x 1.2.3.4", `^ x <HOST>$`)},
		{"13 what is no address is an id", "1.2.3.456\n", ids(year+" x 1.2.3.456", `x <HOST>$`)},
		{"13 times too", "12:34:56\n", ids("x 12:34:56 y", `x <HOST> y`)},
		{"13 mapped addresses", "1.2.3.4\n", ids("x ::ffff:1.2.3.4", `x <HOST>$`)},
		{"13 brackets around an address", "2001:db8::1\n", ids("x [2001:db8::1]:22", `x <HOST>:22`)},
		{"13 networks", "1.2.3.0/24\n", ids("x 1.2.3.4/24", `x <SUBNET>$`)},
		{"13 names and usedns = no", "", ids("--usedns=no", "x from example.org y", `x from <HOST> y`)},
		{"13 names and -r", "example.org\n", ids("-r", "x from example.org y", `x from <HOST> y`)},
		{"14 alternates", "bob\n", []string{"-o", "user", "u= ru=bob 1.1.1.1", `u=<F-USER>\S*</F-USER> ru=<F-ALT_USER>\S*</F-ALT_USER> <HOST>`}},
		{"14 not needed", "al\n", []string{"-o", "user", "u=al ru=bob 1.1.1.1", `u=<F-USER>\S*</F-USER> ru=<F-ALT_USER>\S*</F-ALT_USER> <HOST>`}},
	}
	var argv [][]string
	for _, c := range cases {
		if got, rc := regexUTC(t, c.argv); got != c.want || rc != 0 {
			t.Errorf("%s: %q prints %q, status %d; want %q", c.row, c.argv, got, rc, c.want)
		}
		argv = append(argv, c.argv)
	}
	same(t, argv, nil)
}

// Conversations with sshd (§9.11): one failure for each attempt, none for a login that worked.
func TestConversationsWithSSHD(t *testing.T) {
	line := func(pid, text string) string {
		return "2024-01-01 10:00:0" + pid[:1] + " host sshd[" + pid + "]: " + text + "\n"
	}
	cases := []struct{ name, log, want string }{
		{"a key is refused, another taken", line("1", "Failed publickey for root from 192.0.2.1 port 1001 ssh2: RSA SHA256:x") +
			line("1", "Accepted publickey for root from 192.0.2.1 port 1001 ssh2: RSA SHA256:y"), ""},
		{"one attempt, three lines", line("2", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.2  user=root") +
			line("2", "Failed password for root from 192.0.2.2 port 1002 ssh2") +
			line("2", "Connection closed by authenticating user root 192.0.2.2 port 1002 [preauth]"), "192.0.2.2|root\n"},
		{"the address comes later", line("3", "Disconnecting: Too many authentication failures for root [preauth]") +
			line("3", "Connection closed by 192.0.2.3 port 1003 [preauth]"), "192.0.2.3|root\n"},
		{"two users on one connection", line("4", "Failed publickey for userA from 192.0.2.4 port 1004 ssh2: RSA SHA256:x") +
			line("4", "Failed publickey for userB from 192.0.2.4 port 1004 ssh2: RSA SHA256:x") +
			line("4", "Accepted publickey for userB from 192.0.2.4 port 1004 ssh2: RSA SHA256:x"), "192.0.2.4|userB\n192.0.2.4|userB\n"},
	}
	var argv [][]string
	for _, c := range cases {
		log := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(log, []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, []string{"-o", "<ip>|<F-USER>", log, "sshd.conf"}, []string{"-v", log, "sshd.conf"})
		if got, _ := regexUTC(t, argv[len(argv)-2]); got != c.want {
			t.Errorf("%s: failures %q, want %q", c.name, got, c.want)
		}
	}
	same(t, argv, nil)
}

// Command lines that are wrong, and what does not match anything.
func TestCommandLinesAsFail2ban(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	text := "2024-01-01 10:00:00 one 1.1.1.1\r\n\n# comment\n   \n2024-01-01T10:00:00+01:00 two 1.1.1.1 \n #x\n1704103200.5 one 9.9.9.9\nundated one 8.8.8.8\n\xe9\xe2\x82 x\nno newline one 4.4.4.4"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 60)
	same(t, [][]string{
		{"-V"}, {"x", "foo"}, {"x", "(<HOST>"}, {"x", "<HOST>", "(ign"}, {"x", "nosuchfilter"}, {"x", "a<HOST>"}, {long, long + "<HOST>"},
		{"--usedns=foo", "x", "a<HOST>"}, {"--TZ", "Europe/Berlin", "x", "<HOST>"},
		{log, "(?:one|two) <HOST>$"}, {"-v", "--print-all-matched", "-r", log, "one <HOST>", "9.9"}, {"--print-no-missed", log, "one <HOST>"},
		{"-e", "latin1", log, "one <HOST>"}, {"-e", "ascii", log, "one <HOST>"}, {"-L", "3", "-d", "{DATE}", log, "one <HOST>$"}, {"-d", "^%Y", log, "one <HOST>"},
		{"--TZ", "UTC+0100", "-o", "row", "2024-01-01 10:00:00 x 1.1.1.1", "x <HOST>"}, {"-o", "<ip-rev>|<family>|<fid>|<nope>|<F-NONE>|<F-IP4>|<restored>", log, "one <HOST>$"},
		{"2024-01-01 10:00:00 x 1.2.3.4\n2024-01-01 10:00:00 y", "x <HOST>", "ignoreme"}, {log, "sshd.conf"}, {log, "sshd[mode=extra]"}, {log, installed + "/filter.d/sshd.conf"},
	}, nil)
}

func TestOptionsThatDoNotExist(t *testing.T) {
	for _, c := range []struct {
		args []string
		rc   int
		says string
	}{
		{[]string{"--nope"}, 2, "nope"}, {[]string{"a"}, 255, "provide both"}, {[]string{"a", "b", "c", "d"}, 255, "provide both"},
		{[]string{"--print-no-missed", "--print-all-missed", "x", "<HOST>"}, 255, "exclusive"},
		{[]string{"systemd-journal", "sshd"}, 255, "journalctl"}, {[]string{"-e", "utf-99", "x", "<HOST>"}, 255, "utf-99"}, {[]string{"-d", "%Q", "x", "<HOST>"}, 255, "%Q"}, {[]string{"x", "<HOST> <HOST>"}, 255, "redefinition of group name 'ip4'"}, {[]string{"--help"}, 0, ""},
	} {
		var out bytes.Buffer
		rc := Fail2banRegex(append([]string{"-c", installed}, c.args...), strings.NewReader(""), &out, &out)
		if rc != c.rc || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: status %d, %q; want %d, %q", c.args, rc, out.String(), c.rc, c.says)
		}
	}
}

// `gaol test` counts what the daemon would, and shows nothing that could command a terminal.
func TestGaolTest(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	text := "2024-01-01 10:00:00 one 192.0.2.1\n2024-01-01 10:00:09 one 192.0.2.1\n2024-01-01 10:00:01 one 192.0.2.2\nundated \x1b[31m\n# x\n"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := testLog(testOptions{config: installed, log: log, filter: "one <HOST>$", usedns: "no"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Lines != 4 || r.Failures != 3 || r.Missed != 1 || r.Undated != 1 || len(r.IDs) != 2 || r.Rules[0].Hits != 3 {
		t.Errorf("report %+v", r)
	}
	if id := r.IDs[0]; id.ID != "192.0.2.1" || id.Hits != 2 || id.Last.Sub(id.First) != 9*time.Second {
		t.Errorf("first id %+v", id)
	}
	var out bytes.Buffer
	if rc := Main([]string{"gaol", "test", "-c", installed, log, "one <HOST>$"}, nil, &out, &out); rc != 0 {
		t.Fatal(out.String())
	}
	if !strings.Contains(out.String(), "4 lines: 3 failures of 2 ids") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("report %q", out.String())
	}
	out.Reset()
	if rc := Main([]string{"gaol", "test", "-c", installed, "--json", log, "one <HOST>$"}, nil, &out, &out); rc != 0 || !strings.Contains(out.String(), `"failures": 3`) {
		t.Errorf("status %d: %s", rc, out.String())
	}
}

func TestEachLineCutsLongOnes(t *testing.T) {
	var got []int
	long := strings.Repeat("x", 3<<20)
	err := eachLine(strings.NewReader("a\n"+long+"\nb\r\n\nhalf"), func(text string) { got = append(got, len(text)) })
	if want := []int{1, 64 << 10, 1, 0}; err != nil || len(got) != len(want) || got[1] != want[1] || got[2] != 1 || got[3] != 0 {
		t.Errorf("lengths %v, %v, want %v", got, err, want)
	}
}

// What 1.1 has and 1.0.2 has not (§0): a name is a jail's first, with all that the jail says of its
// filter; -i prints what is no failure.
func TestRegexOfNewerFail2ban(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"jail.conf":          "[DEFAULT]\nbackend = systemd\nfilter = %(__name__)s[word=worse]\n[demo]\nusedns = no\nfailregex = %(known/failregex)s\n  ^ also <HOST>$\nlogtimezone = UTC+01:00\n[broken]\nfilter = nope\n",
		"filter.d/demo.conf": "[Definition]\nfailregex = ^ <word> <logtype> <HOST>$\n[Init]\nword = bad\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const at = "2024-01-01 10:00:00"
	log := at + " worse file 192.0.2.1\n" + at + " also 192.0.2.2\n" + at + " bad file 192.0.2.3\n" + at + " also localhost"
	for _, c := range []struct {
		argv []string
		want string
		rc   int
	}{
		{[]string{"-o", "<ip> <time>", log, "demo"}, "192.0.2.1 1704099600\n192.0.2.2 1704099600\n", 0},
		{[]string{"-o", "<ip> <time>", "--TZ", "UTC", log, "demo"}, "192.0.2.1 1704103200\n192.0.2.2 1704103200\n", 0},
		{[]string{"-o", "ip", log, "demo.conf"}, "192.0.2.3\n", 0},
		{[]string{"-o", "ip", log, "filter.d/demo"}, "192.0.2.3\n", 0},
		{[]string{"-o", "ip", log, "demo[word=worse]"}, "192.0.2.1\n", 0},
		{[]string{"-i", "-o", "ip", log, "demo"}, at + " bad file 192.0.2.3\n" + at + " also localhost\n", 0},
		{[]string{"-o", "ip", log, "broken"}, `filter "nope" has no file`, 255},
		{[]string{log, "demo"}, "Use             jail : demo\nUse      multi line", 0},
	} {
		got, rc := regexUTC(t, append([]string{"-c", dir}, c.argv...))
		if rc != c.rc || got != c.want && (c.argv[0] == "-o" && rc == 0 || !strings.Contains(got, c.want)) {
			t.Errorf("%q prints %q, status %d; want %q, %d", c.argv, got, rc, c.want, c.rc)
		}
	}
}
