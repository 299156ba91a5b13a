package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// trouble is one set-up of docs/troubleshooting.md.
type trouble struct {
	number, title  string
	written, write []string // lines of the jail, or of its action
	says           string   // "..." stands for anything
}

// troubles reads the page that users read: what is tested is what stands there.
func troubles(t *testing.T) []trouble {
	t.Helper()
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("`([^`]+)`")
	var all []trouble
	for _, part := range strings.Split(string(page), "\n## ")[1:] {
		head := regexp.MustCompile(`^(\d+)\. (.*)`).FindStringSubmatch(part)
		if head == nil {
			continue
		}
		one := trouble{number: head[1], title: head[2]}
		for _, item := range strings.Split(part, "\n- ") {
			what, text, _ := strings.Cut(item, ": ")
			switch what {
			case "gaol says":
				one.says = strings.TrimSpace(text)
			case "written", "write":
				for _, m := range line.FindAllStringSubmatch(text, -1) {
					if what == "written" {
						one.written = append(one.written, m[1])
					} else if strings.Contains(m[1], " = ") {
						one.write = append(one.write, m[1])
					}
				}
			}
		}
		if one.says == "" || len(one.written) == 0 {
			t.Errorf("set-up %s of the page has no `written`, or nothing that gaol says", one.number)
		}
		all = append(all, one)
	}
	if len(all) < 12 {
		t.Fatalf("the page has %d set-ups; at least 12 are wanted", len(all))
	}
	return all
}

// said is the page's sentence as an expression.
func (b trouble) said() string {
	return strings.ReplaceAll(regexp.QuoteMeta(b.says), `\.\.\.`, ".*")
}

// jail is the set-up as files: jail.local and action.d/own.conf.
func (b trouble) jail(name, log string, edits ...string) (jail, action string) {
	lines := []string{"enabled = true", "filter = sshd", "banaction = gaol", "port = 2222", "logpath = " + log, "maxretry = 5"}
	put := func(line string) {
		key, _, _ := strings.Cut(line, " = ")
		for i, l := range lines {
			if strings.HasPrefix(l, key+" = ") {
				lines[i] = line
				return
			}
		}
		lines = append(lines, line)
	}
	for _, e := range append(append([]string{}, b.written...), edits...) {
		if strings.HasPrefix(e, "actionban = ") {
			action = "[Definition]\n" + e + "\nactionunban = true\n"
			put("banaction = own")
			continue
		}
		put(e)
	}
	return "[" + name + "]\n" + strings.Join(lines, "\n") + "\n", action
}

// install writes a set-up into the configuration.
func (g *gaol) install(t *testing.T, jail, action string) {
	t.Helper()
	g.write(t, "jail.local", jail)
	if action != "" {
		g.write(t, "action.d/own.conf", action)
	}
}

// failures are lines of an sshd; times without a zone.
func failures(ip string, at time.Time, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%s jumps sshd[%d]: Failed password for root from %s port 40000 ssh2\n", at.Format(time.Stamp), 100+i, ip)
	}
	return text.String()
}

// logWith makes a log.
func logWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(testDir(t), "auth.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTroubleshooting builds every set-up of the page, and finds it by `gaol check`, or by what
// the daemon says after the ban; the page's edit mends it.
func TestTroubleshooting(t *testing.T) {
	t.Setenv("TZ", "UTC") // the page's zones are those of a machine that has this one
	l := newLab(t)
	jumps := l.run(t, "jumps", 2222)
	l.run(t, "other", 2223)
	lan, hostnet, whole := testDir(t), testDir(t), testDir(t)
	for _, dir := range []string{lan, hostnet, whole} {
		if err := os.WriteFile(filepath.Join(dir, "auth.log"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.docker.call("POST", "/networks/create", object{"Name": "lan", "Driver": "macvlan", "Options": object{"parent": l.staff.Device()},
		"IPAM": object{"Config": []object{{"Subnet": "10.9.0.0/24"}}}}, nil); err != nil {
		t.Fatal(err)
	}
	sshd := func(port string) []string { return []string{"/usr/sbin/sshd", "-D", "-p", port} }
	l.docker.make(t, "lan", nil, sshd("22"), object{"NetworkMode": "lan", "Binds": []string{lan + ":/var/log"}})
	l.docker.make(t, "hostnet", nil, sshd("2240"), object{"NetworkMode": "host", "Binds": []string{hostnet + ":/var/log"}})
	folder := publish("", 2224)
	folder["Binds"] = []string{whole + ":/var/log"}
	l.docker.make(t, "whole", nil, sshd("22"), folder)
	l.host.Iptables("iptables", "-I", "DOCKER-USER", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
	g := newGaol(t, l.host, "")
	g.write(t, "gaol.local", "[Definition]\ncontainer_socket = "+filepath.Join(l.docker.dir, "docker.sock")+"\n")

	began := time.Now()
	places := map[string][2]string{ // jail and log, where they are not those of container jumps
		"5":  {"jumps", logWith(t, failures("172.17.0.1", time.Now().UTC(), 5))},
		"12": {"lan", filepath.Join(lan, "auth.log")},
		"13": {"hostnet", filepath.Join(hostnet, "auth.log")},
		"15": {"jumps", logWith(t, failures(attackerIP, time.Now().UTC().Add(8*time.Hour), 2))},
	}
	all := troubles(t)
	for _, b := range all {
		if strings.Contains(b.says, "goes on failing") {
			continue // below: it shows after a ban
		}
		t.Run(b.number+" "+b.title, func(t *testing.T) {
			at, elsewhere := places[b.number]
			if !elsewhere {
				at = [2]string{"jumps", jumps.log.name}
			}
			jail, action := b.jail(at[0], at[1])
			g.install(t, jail, action)
			finding := regexp.MustCompile(`(?m)^\S+/(jail\.local|action\.d/own\.conf):\d+: (error|warning): ` + b.said() + `$`)
			out, _ := g.try(t, "check", "-c", g.conf)
			if !finding.MatchString(out) {
				t.Errorf("gaol check does not say\n%s\nit says\n%s\nof\n%s%s", b.says, out, jail, action)
			}
			if b.number == "11" { // mended at docker run
				jail, action = b.jail("jumps", filepath.Join(whole, "auth.log"))
			} else if len(b.write) > 0 {
				jail, action = b.jail(at[0], at[1], b.write...)
			} else {
				return
			}
			g.install(t, jail, action)
			out, _ = g.try(t, "check", "-c", g.conf)
			if finding.MatchString(out) {
				t.Errorf("after the edit gaol check still says\n%s\nof\n%s%s", out, jail, action)
			}
		})
	}
	t.Logf("gaol check found %d set-ups, and saw them mended, in %s", len(all)-1, time.Since(began).Round(time.Millisecond))
	t.Run("after a ban", func(t *testing.T) { proveBans(t, l, g, jumps, all) })
}

// proveBans has three bans that do not work, by the packets of a real attacker and by lines.
func proveBans(t *testing.T, l *lab, g *gaol, jumps *jump, all []trouble) {
	const shown, spared = "198.51.100.23", "198.51.100.24"
	logs := map[string]string{"proxied": logWith(t, ""), "live": logWith(t, "")}
	g.write(t, "filter.d/web.conf", "[Definition]\nfailregex = ^.*Failed password for root from <HOST> \n")
	var text, own string
	for name, number := range map[string]int{"proxied": 6, "live": 16, "input": 1} {
		log := logs[name]
		if log == "" {
			log = jumps.log.name
		}
		edits := []string{"maxretry = 2", "bantime = 1h"}
		if name == "proxied" {
			edits = append(edits, "filter = web")
		}
		jail, action := all[number-1].jail(name, log, edits...)
		text += jail
		own += action
	}
	g.install(t, text, own)
	g.start(t)

	// Three attacks at once: lines of two, and the packets of the third.
	told := func(jail, ip string) bool {
		return len(g.daemon.out.with("["+jail+"] "+ip+" goes on failing")) > 0
	}
	began, tick := time.Now(), time.NewTicker(300*time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < time.Minute {
		if told("proxied", shown) && told("live", spared) && told("input", attackerIP) {
			break
		}
		more(t, logs["proxied"], failures(shown, time.Now().UTC(), 1))
		more(t, logs["live"], failures(spared, time.Now().UTC(), 1))
		_ = guess(l.attacker, "tmp", jumps.at(hostOfAttacker)) // denied, as often as it likes
		<-tick.C
	}
	t.Logf("all three were told of %s after the first failure", time.Since(began).Round(10*time.Millisecond))

	said := g.daemon.out.with("goes on failing")
	has := func(jail, expr string) {
		t.Helper()
		for _, line := range said {
			if regexp.MustCompile(`\[` + jail + `\] .*` + expr).MatchString(line) {
				return
			}
		}
		t.Errorf("the log does not say of jail %s\n%s\nit says\n%s", jail, expr, strings.Join(said, "\n"))
	}
	has("proxied", all[5].said())
	has("live", "`iptables -A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT` stands before `iptables -A DOCKER-USER -s "+spared)
	has("input", `jail\.local:\d+: jail input bans port 2222 in INPUT, but the kernel sends these packets on before INPUT sees them`)
	if len(said) != 3 {
		t.Errorf("each ban is explained once; the log has\n%s", strings.Join(said, "\n"))
	}
	j := g.jail(t, "proxied")
	if len(j.Leaks) != 1 || j.Leaks[0].ID != shown || j.Leaks[0].Hint == "" || j.TotalLeaks != 1 {
		t.Errorf("gaol status --json of jail proxied has %+v", j.Leaks)
	}
	for _, args := range [][]string{{"status", "proxied"}, {"status"}} {
		if out := g.cli(t, args...); !strings.Contains(out, "no effect") && !strings.Contains(out, "1 ban without effect") {
			t.Errorf("gaol %s does not tell of it:\n%s", strings.Join(args, " "), out)
		}
	}
	g.stop(t, "--unban")
}

// more appends to a log.
func more(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
