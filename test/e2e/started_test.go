package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startedPage is the newcomer's path.
const startedPage = "../../docs/getting-started.md"

// fenced are the bodies of the page's blocks of a language and a mark, such as console and started.
func fenced(t *testing.T, lang, mark string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(startedPage)
	if err != nil {
		t.Fatal(err)
	}
	info := strings.TrimSpace(lang + " " + mark)
	for _, m := range regexp.MustCompile("(?ms)^```"+info+"\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block ```%s", startedPage, info)
	}
	return all
}

// TestGettingStarted walks the newcomer's path: the page's container, its jail, its attack from
// another machine, its questions and its unban, and no more than ten minutes by its own headings.
func TestGettingStarted(t *testing.T) {
	need(t, "docker")
	began := time.Now()
	l := newLab(t)
	jump := &jump{name: "jumps", port: 2222}
	logs := testDir(t)
	jump.log = follow(t, filepath.Join(logs, "auth.log"))
	here := strings.NewReplacer("/srv/jumps/log", logs)
	g := newGaol(t, l.host, here.Replace(fenced(t, "ini", "")[0]))
	g.write(t, "gaol.local", "[Definition]\ncontainer_socket = "+l.docker.socket()+"\n")

	run := strings.TrimPrefix(strings.TrimSpace(fenced(t, "console", "started")[0]), "$ ")
	// The image comes out of a tar, which carries no command.
	onHost(t, l, here.Replace(run)+` /bin/sh -c "rsyslogd && exec /usr/sbin/sshd -D"`)
	jump.log.wait(t, "Server listening on 0.0.0.0 port 22", 1, 20*time.Second)
	g.start(t)

	if line := strings.TrimSpace(fenced(t, "console", "attack")[0]); line != "$ ssh -p 2222 tmp@HOST" {
		t.Fatalf("the page attacks with %q; change the test with it", line)
	}
	attacker := startProbe(t, l.attacker, jump.at(hostOfAttacker))
	attacker.waitOpen(t, 5*time.Second)
	stop := keepGuessing(l, "tmp", jump)
	attacker.waitShut(t, 20*time.Second)
	stop()

	banned := fenced(t, "console", "banned")
	for _, block := range banned {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		said := g.cli(t, strings.Fields(strings.TrimPrefix(lines[0], "$ gaol "))...)
		if len(lines) > 1 {
			if want, _, _ := strings.Cut(lines[1], "..."); !strings.HasPrefix(said, want) {
				t.Errorf("%s\nsaid:\n%s\nthe page shows: %s", lines[0], said, lines[1])
			}
		}
	}
	attacker.waitOpen(t, 20*time.Second)
	if err := login(l.staff, l.staffKey, jump.at(hostOfStaff)); err != nil {
		t.Errorf("staff's login: %v", err)
	}
	t.Logf("the path took this machine %s", time.Since(began).Round(time.Second))
	if n := minutes(t); n > 10 {
		t.Errorf("the headings of %s add up to %d minutes, want ten at most", startedPage, n)
	}
}

// minutes is what the headings of the page promise: "## 3. The jail (2 minutes)".
func minutes(t *testing.T) (sum int) {
	t.Helper()
	text, err := os.ReadFile(startedPage)
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`(?m)^## \d+\. .* \((\d+) minutes?\)$`).FindAllStringSubmatch(string(text), -1)
	if len(steps) < 5 {
		t.Fatalf("found only the steps %q", steps)
	}
	for _, s := range steps {
		n, err := strconv.Atoi(s[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// onHost runs a line of the page on the lab's host, where docker is the lab's engine.
func onHost(t *testing.T, l *lab, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := command(ctx, l.host, "sh", "-ec", fmt.Sprintf("export DOCKER_HOST=unix://%s; %s", l.docker.socket(), line)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
