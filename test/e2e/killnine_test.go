package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKillNine kills gaol in the middle of two attacks, three times, each time right behind a
// line that it may just be counting. One client is banned all the while; the other makes some
// of the failures that its ban takes before each kill and some while nobody watches.
func TestKillNine(t *testing.T) {
	const maxretry, kills, beforeKill, whileDead = 12, 3, 2, 1
	l := newLab(t)
	jumps := l.run(t, "jumps", 2222)
	g := newGaol(t, l.host, fmt.Sprintf(`
[docker-sshd]
enabled   = true
port      = 2222
filter    = sshd
banaction = gaol
logpath   = %s
maxretry  = %d
maxmatches = 100
bantime   = 10m
findtime  = 10m
`, jumps.log.name, maxretry))
	g.start(t)

	attacker := startProbe(t, l.attacker, jumps.at(hostOfAttacker))
	attacker.waitOpen(t, 5*time.Second)
	stopAttack := keepGuessing(l, "root", jumps)
	shut := attacker.waitShut(t, 30*time.Second)
	stopAttack()

	guesses := 0
	// An existing user's wrong password is one failure, one line.
	fails := func(times int) {
		t.Helper()
		attack(t, l.slow, "root", jumps.at(hostOfSlow), times)
		guesses += times
		jumps.log.wait(t, "Failed password for root from "+slowIP, guesses, 5*time.Second)
	}
	for range kills {
		fails(beforeKill)
		g.kill(t)
		fails(whileDead)
		g.start(t)
	}
	slowProbe := startProbe(t, l.slow, jumps.at(hostOfSlow))
	fails(maxretry - guesses - 1)
	if b, early := banned(g.jail(t, "docker-sshd"), slowIP); early {
		t.Fatalf("%s is banned after %d of %d failures: %+v", slowIP, guesses, maxretry, b)
	}
	if err := guess(l.slow, "root", jumps.at(hostOfSlow)); err != nil && !errors.Is(err, errDenied) {
		t.Logf("the last guess was cut off: %v", err)
	}
	slowProbe.waitShut(t, 20*time.Second)

	want := jumps.log.wait(t, "Failed password for root from "+slowIP, maxretry, time.Second)
	got := slices.DeleteFunc(matches(g.ban(t, "docker-sshd", slowIP)), func(line string) bool { return !strings.Contains(line, "Failed password") })
	if !slices.Equal(got, want) {
		t.Errorf("failures that led to the ban of %s:\n%s\nwant those of the log:\n%s", slowIP, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	attacker.mustStayShut(t, shut, time.Now())
	g.stop(t, "--unban")
	attacker.waitOpen(t, 5*time.Second)
}

// TestKillNineArticle kills gaol while the article's iptables action bans, and starts it again
// before or after the end of the ban: either way the ban ends and no rule is left. (fail2ban
// leaves that rule, and the client banned, for ever.)
func TestKillNineArticle(t *testing.T) {
	l := newLab(t)
	jumps := l.run(t, "jumps", 2222)
	g := newGaol(t, l.host, article(t, "jail.local", "/var/log/docker-jumps-auth.log", jumps.log.name,
		"10.100.0.199", jumps.addr.String(), "30m", "6s"))
	before := l.host.Run("iptables-save")
	attacker := startProbe(t, l.attacker, jumps.at(hostOfAttacker))
	g.start(t)
	for _, restart := range []string{"before", "after"} {
		attacker.waitOpen(t, 10*time.Second)
		stopAttack := keepGuessing(l, "tmp", jumps)
		shut := attacker.waitShut(t, 20*time.Second)
		stopAttack()
		end := g.ban(t, "docker-sshd", attackerIP).End
		g.kill(t)
		if !strings.Contains(l.host.Run("iptables-save"), attackerIP) {
			t.Fatalf("restart %s the end: the ban has no rule", restart)
		}
		if restart == "after" {
			attacker.mustStayShut(t, shut, end.Add(time.Second)) // nobody is there to end it
		}
		g.start(t)
		reopened := attacker.waitOpen(t, 20*time.Second)
		if late := reopened.Sub(end); late < -time.Second || late > 5*time.Second {
			t.Errorf("restart %s the end: the attacker got through again %s after the ban's end", restart, late)
		}
		if rules := l.host.Run("iptables-save"); strings.Contains(rules, attackerIP) {
			t.Errorf("restart %s the end: the ban is over and its rule is still there:\n%s", restart, rules)
		}
	}
	g.stop(t)
	if after := l.host.Run("iptables-save"); rulesOnly(after) != rulesOnly(before) {
		t.Errorf("gaol has stopped and left rules:\n%s\nbefore:\n%s", after, before)
	}
}
