package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestJumpHostNative is the article's jail with gaol's own action: the port is the one that
// clients dial, and nothing about containers is configured.
func TestJumpHostNative(t *testing.T) {
	l := newLab(t)
	jumps, other := l.run(t, "jumps", 2222), l.run(t, "other", 2223)
	g := newGaol(t, l.host, fmt.Sprintf(`
[docker-sshd]
enabled   = true
mode      = aggressive
port      = 2222
filter    = sshd
banaction = gaol
logpath   = %s
maxretry  = 2
bantime   = 8s
findtime  = 2m
`, jumps.log.name))
	g.start(t)
	story(t, l, jumps, other, g)
	g.stop(t, "--unban")
	if tables := l.host.Run("nft", "list", "tables"); strings.Contains(tables, "gaol") {
		t.Errorf("after stop --unban there is still a table of ours:\n%s", tables)
	}
}

// TestJumpHostArticle is the article's last jail.local as printed, but for its log path, the
// container's address and a shorter ban.
func TestJumpHostArticle(t *testing.T) {
	l := newLab(t)
	jumps, other := l.run(t, "jumps", 2222), l.run(t, "other", 2223)
	g := newGaol(t, l.host, article(t, "jail.local", "/var/log/docker-jumps-auth.log", jumps.log.name,
		"10.100.0.199", jumps.addr.String(), "30m", "8s"))
	before := l.host.Run("iptables-save")
	g.start(t)
	story(t, l, jumps, other, g)
	if rules := l.host.Run("iptables-save"); strings.Contains(rules, attackerIP) {
		t.Errorf("the ban is over and its rule is still there:\n%s", rules)
	}
	g.stop(t)
	if after := l.host.Run("iptables-save"); rulesOnly(after) != rulesOnly(before) {
		t.Errorf("gaol has stopped and left rules:\n%s\nbefore:\n%s", after, before)
	}
}

// article is a jail.local of the article with words replaced, as strings.NewReplacer takes them.
func article(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/article/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(oldnew...).Replace(string(text))
}

// story is what has to be true of the jump host, whoever makes the ban.
func story(t *testing.T, l *lab, jumps, other *jump, g *gaol) {
	t.Helper()
	live := open(t, l.attacker, jumps.at(hostOfAttacker))
	attacker := startProbe(t, l.attacker, jumps.at(hostOfAttacker))
	free := []*probe{startProbe(t, l.attacker, other.at(hostOfAttacker)), startProbe(t, l.staff, jumps.at(hostOfStaff))}
	began := attacker.waitOpen(t, 5*time.Second)
	for _, p := range free {
		p.waitOpen(t, 5*time.Second)
	}
	staffEnters := func() {
		t.Helper()
		if err := login(l.staff, l.staffKey, jumps.at(hostOfStaff)); err != nil {
			t.Errorf("staff's login: %v", err)
		}
	}
	staffEnters()

	stopAttack := keepGuessing(l, "tmp", jumps)
	shut := attacker.waitShut(t, 20*time.Second)
	stopAttack()
	ban := g.ban(t, "docker-sshd", attackerIP)
	lines := matches(ban)
	last := logTime(t, lines[len(lines)-1])
	t.Logf("from the log line to the first dropped SYN: %s (%q)", shut.Sub(last).Round(100*time.Microsecond), lines[len(lines)-1])
	if took := shut.Sub(last); took < 0 || took > 5*time.Second {
		t.Errorf("the first SYN was dropped %s after the line that led to the ban", took)
	}

	if live.alive(2 * time.Second) {
		t.Error("the attacker's open connection still answers")
	}
	if err := guess(l.attacker, "tmp", jumps.at(hostOfAttacker)); err == nil || errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh got %v, want no connection", err)
	}
	if err := guess(l.attacker, "tmp", other.at(hostOfAttacker)); !errors.Is(err, errDenied) {
		t.Errorf("the attacker's ssh to %s got %v, want %v", other.name, err, errDenied)
	}
	staffEnters()

	reopened := attacker.waitOpen(t, 20*time.Second)
	if late := reopened.Sub(ban.End); late < -time.Second || late > 4*time.Second {
		t.Errorf("the attacker got through again %s after the ban's end, want about none", late)
	}
	staffEnters()
	for _, p := range free {
		p.mustStayOpen(t, began)
	}
}

// keepGuessing attacks until the returned function is called: a guess that is under way when
// the ban comes would wait for its server for long.
func keepGuessing(l *lab, user string, on *jump) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			_ = guessUntil(ctx, l.attacker, user, on.at(hostOfAttacker))
		}
	})
	return func() { cancel(); running.Wait() }
}

// rulesOnly is iptables-save's output without times and counters.
func rulesOnly(saved string) string {
	var rules []string
	for line := range strings.Lines(saved) {
		if !strings.HasPrefix(line, "#") {
			line, _, _ = strings.Cut(line, " [")
			rules = append(rules, line)
		}
	}
	return strings.Join(rules, "\n")
}
