package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// onIptables is the article's action written on what Debian's iptables.conf offers today.
const onIptables = "[INCLUDES]\nbefore = iptables.conf\n[Definition]\ntype = multiport\npre-rule = -d <destip> \n" +
	"actionban = <iptables> -I f2b-<name> 1 -s <ip> -d <destip> -j <blocktype>\n" +
	"actionunban = <iptables> -D f2b-<name> -s <ip> -d <destip> -j <blocktype>\n[Init]\ndestip =\n"

// asPrinted has what the article's page prints: an include that Debian no longer ships, and –
// where iptables wants --.
const asPrinted = "[INCLUDES]\n\nbefore = iptables-common.conf\n\n[Definition]\n\n" +
	"actionstart = <iptables> -N f2b-<name>\n              <iptables> -I <chain> -p <protocol> -m multiport –dports <port> -d <destip> -j f2b-<name>\n" +
	"actionstop = <iptables> -D <chain> -p <protocol> -m multiport –dports <port> -d <destip> -j f2b-<name>\n" +
	"actionban = <iptables> -I f2b-<name> 1 -s <ip> -d <destip> -j <blocktype>\n\n[Init]\n"

func article(t *testing.T, variant, action string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata/article", variant))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"jail.local": string(body)}
	if action != "" {
		files["action.d/iptables-docker-multiport.conf"] = action
	}
	return debianTree(t, files)
}

func TestArticleLoadsOverDebiansTree(t *testing.T) {
	for _, c := range []struct {
		variant, action, port, ban string
		comments                   []int // lines of jail.local with a comment behind the value
	}{
		{"1-host-port.local", "", "2222", "<iptables> -I f2b-docker-sshd 1 -s <ip> -j <blocktype>", nil},
		{"2-container-port.local", "", "22", "<iptables> -I f2b-docker-sshd 1 -s <ip> -j <blocktype>", []int{13, 15}},
		{"3-destip.local", onIptables, "22", "<iptables> -I f2b-docker-sshd 1 -s <ip> -d 10.100.0.199 -j <blocktype>", []int{2, 13, 15, 17}},
	} {
		t.Run(c.variant, func(t *testing.T) {
			cfg, problems := Load(LoadOptions{Dir: article(t, c.variant, c.action)})
			var lines []int
			for _, p := range problems {
				if p.Severity != Warning || !strings.HasSuffix(p.Pos.File, "jail.local") || !strings.Contains(p.Msg, "# ") {
					t.Errorf("unexpected: %v", p)
				}
				lines = append(lines, p.Pos.Line)
			}
			if !slices.Equal(lines, c.comments) {
				t.Errorf("comments are reported in lines %v, they stand in %v", lines, c.comments)
			}
			j := jailOf(t, cfg, "docker-sshd")
			got := fmt.Sprint(j.Broken, j.Port, j.Chain, j.MaxRetry, j.BanTime, j.FindTime, j.IgnoreIP, j.LogPath)
			want := fmt.Sprint(false, c.port, "DOCKER-USER", 2, 30*time.Minute, 2*time.Minute, []string{"127.0.0.1/8", "::1"},
				[]string{"/var/log/docker-jumps-auth.log head"})
			if got != want {
				t.Errorf("the jail is\n %s, want\n %s", got, want)
			}
			if ban := j.Actions[0].Props["actionban"].Text(); ban != c.ban {
				t.Errorf("actionban = %s", ban)
			}
			if start := j.Actions[0].Props["actionstart"].Text(); !strings.Contains(start, "-I DOCKER-USER ") || !strings.Contains(start, "--dports "+c.port) {
				t.Errorf("actionstart = %s", start)
			}
			if n := len(j.Filter.Failregex); n != 22 {
				t.Errorf("%d failregexes; filter = sshd without [mode=...] is mode normal, 22", n)
			}
		})
	}
}

func TestCheckFindsWhatThePrintedActionGetsWrong(t *testing.T) {
	cfg, _ := Load(LoadOptions{Dir: article(t, "3-destip.local", asPrinted)})
	found := cfg.Check()
	for _, want := range []string{
		`iptables-docker-multiport.conf:3: warning: included file "iptables-common.conf" does not exist`,
		`iptables-docker-multiport.conf:7: error: actionstart: tag <iptables> has no value`,
		`iptables-docker-multiport.conf:8: error: actionstart: "–dports" begins with a typographic dash (U+2013)`,
		`iptables-docker-multiport.conf:9: error: actionstop: "–dports" begins with a typographic dash (U+2013)`,
		`iptables-docker-multiport.conf:10: warning: actionban: tag <blocktype> has no value`,
		`jail.local:14: warning: filter "sshd" of jail "docker-sshd" expects lines of "sshd" only`,
		`jail.local:12: warning: mode = aggressive of jail "docker-sshd" reaches no filter`,
	} {
		if !slices.ContainsFunc(found, func(p Problem) bool { return strings.Contains(p.String(), want) && p.Hint != "" }) {
			t.Errorf("not found with a hint: %s", want)
		}
	}
	if t.Failed() {
		for _, p := range found {
			t.Logf("%v | %s", p, p.Hint)
		}
	}
}
