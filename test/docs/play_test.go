package docs

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exceptions are the examples that are not run here, by document and first line, each with its
// reason. maxExceptions keeps the table from becoming a way around the test.
func exceptions() map[string]string {
	return map[string]string{
		"docs/jump-host.md: docker run -d --name jumps -p 2222:22 -v /srv/jumps/log:/var/log jump": "needs a Docker engine and an image; test/e2e runs this set-up with both",
	}
}

const maxExceptions = 4

// playedElsewhere are the marks of console blocks whose commands another test runs, since they
// need packages or an engine: each names its mark there, as in commands(t, guide, "fresh").
func playedElsewhere() map[string]string {
	return map[string]string{
		"fresh": "test/install/debs_test.go", "remove": "test/install/debs_test.go",
		"move": "test/install/debs_test.go", "back": "test/install/debs_test.go",
		"compose": "test/e2e/composed_test.go",
		"started": "test/e2e/started_test.go", "attack": "test/e2e/started_test.go", "banned": "test/e2e/started_test.go",
	}
}

// proxyTests run the examples in proxies' languages.
const proxyTests = "test/proxies/proxies_test.go"

// elsewhere says whether another test runs the block, and holds that test to it.
func elsewhere(t *testing.T, b block) bool {
	t.Helper()
	if b.doc == "docs/proxies.md" && b.lang != "ini" && b.lang != "console" {
		if !strings.Contains(read(t, proxyTests), "example(t, "+strconv.Quote(b.lang)) {
			t.Errorf("%s: %s does not ask for this example", b, proxyTests)
		}
		return true
	}
	if b.doc == "docs/metrics.md" && b.lang == "yaml" {
		if !strings.Contains(read(t, "test/prometheus/prometheus_test.go"), strconv.Quote("../../"+b.doc)) {
			t.Errorf("%s: test/prometheus does not take this example", b)
		}
		return true
	}
	file, is := playedElsewhere()[b.mark]
	if b.lang != "console" || b.mark == "" {
		return false
	}
	if !is || !strings.Contains(read(t, file), strconv.Quote(b.mark)) {
		t.Errorf("%s: a console block is marked %q, and %s does not ask for it", b, b.mark, file)
	}
	return true
}

// TestDocumentsRun runs the examples of every document, each document on a machine of its own.
func TestDocumentsRun(t *testing.T) {
	open := exceptions()
	if len(open) > maxExceptions {
		t.Errorf("%d exceptions; at most %d are allowed", len(open), maxExceptions)
	}
	for _, name := range documents(t) {
		blocks := blocksOf(t, name)
		var played []block
		for _, b := range blocks {
			if key := b.doc + ": " + b.first(); open[key] != "" {
				delete(open, key)
			} else if !elsewhere(t, b) {
				played = append(played, b)
			}
		}
		if len(played) > 0 {
			t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) { play(t, played) })
		}
	}
	for key := range open {
		t.Errorf("exception for %q: no document has this example (any more)", key)
	}
}

// session plays the examples of one document in their order, as a reader would.
type session struct {
	*testing.T
	w      *world
	daemon *daemon
	status int    // exit status of the last command
	files  int    // configuration files written so far
	broken string // the file of an example of what is wrong, to be taken away again
}

func play(t *testing.T, blocks []block) {
	s := &session{T: t, w: newWorld(t)}
	configured := false
	for _, b := range blocks {
		switch b.lang {
		case "console":
			s.console(b)
		case "sh":
			s.make(b)
		case "ini":
			configured = true
			s.install(b)
		default:
			t.Errorf("%s: a block of language %q is not run; write console, sh or ini, or give it a place in exceptions()", b, b.lang)
		}
	}
	s.stopDaemon()
	if configured {
		s.mend()
		s.w.do("for d in /etc/gaol /etc/fail2ban; do if [ -d $d ]; then gaol check --offline -c $d || exit; fi; done")
	}
}

// step is one command of a console block and the output that stands under it.
type step struct {
	line string
	want []string
}

func steps(text string) (all []step, err error) {
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		cmd, isCommand := strings.CutPrefix(l, "$ ")
		switch {
		case isCommand:
			all = append(all, step{line: cmd})
		case len(all) == 0:
			return nil, fmt.Errorf("a console block begins with a command ($ ...), not with %q", l)
		case strings.HasSuffix(all[len(all)-1].line, `\`):
			all[len(all)-1].line += "\n" + l
		default:
			all[len(all)-1].want = append(all[len(all)-1].want, l)
		}
	}
	return all, nil
}

var (
	daemonLine  = regexp.MustCompile(`^gaol run\b`)
	asksServer  = regexp.MustCompile(`^(fail2ban-client (set|get|status|stop)|gaol import --dry-run)\b`)
	needsDaemon = regexp.MustCompile(`\bgaol (status|ban|unban|banned|allow|events|metrics|web|reload|stop)\b|:8482/metrics|\binet gaol\b|/var/lib/gaol/`)
	endsDaemon  = regexp.MustCompile(`\bgaol (stop|panic)\b`)
)

// console runs the commands of a block. Each must succeed, unless the next one is `echo $?`.
func (s *session) console(b block) {
	s.Helper()
	all, err := steps(b.text)
	if err != nil {
		s.Fatalf("%s: %v", b, err)
	}
	for i, st := range all {
		asked := i+1 < len(all) && all[i+1].line == "echo $?"
		said := s.step(st.line)
		if s.status != 0 && !asked {
			s.Fatalf("%s: $ %s: exit status %d\n%s", b, st.line, s.status, said)
		}
		if len(st.want) > 0 && !alike(st.want, said) {
			s.Errorf("%s: $ %s\nthe document shows:\n%s\ngaol says:\n%s", b, st.line, strings.Join(st.want, "\n"), said)
		}
	}
}

func (s *session) step(line string) (said string) {
	s.Helper()
	switch {
	case line == "echo $?":
		said, s.status = fmt.Sprintln(s.status), 0
		return said
	case daemonLine.MatchString(line):
		s.stopDaemon()
		s.daemon, s.status = s.w.start(s.w.dir, line), 0
		return s.daemon.said.text()
	case needsDaemon.MatchString(line) && s.daemon == nil:
		s.daemon = s.w.start(s.w.dir, "gaol run")
	case asksServer.MatchString(line):
		s.w.do("fail2ban-client ping || fail2ban-client start") // gaol answers too, where it runs
	}
	said, s.status = s.w.sh(line)
	if s.daemon != nil && endsDaemon.MatchString(line) {
		s.stopped(s.daemon.wait())
	}
	return said
}

// stopDaemon ends the daemon that runs, as systemd does, and sees that it ends well.
func (s *session) stopDaemon() {
	s.Helper()
	if s.daemon != nil {
		s.stopped(s.daemon.signal("TERM"))
	}
}

func (s *session) stopped(err error) {
	s.Helper()
	if err != nil {
		s.Errorf("%s: %v\n%s", s.daemon.line, err, s.daemon.said.text())
	}
	s.daemon = nil
}

// make holds `make TARGET` lines to the Makefile. `make run` is run until it watches a log, and
// stopped with Ctrl-C; the others would run this test, or for minutes, and are only looked up.
func (s *session) make(b block) {
	s.Helper()
	for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
		target, ok := strings.CutPrefix(line, "make ")
		switch {
		case !ok:
			s.Errorf("%s: %q is not run; write a console block, or give it a place in exceptions()", b, line)
		case target == "run":
			s.stopDaemon()
			d := s.w.start(s.w.tree, line)
			d.said.until(s.T, "watches /var/log/auth.log")
			_ = d.signal("INT") // make reports the signal as an error of its own
			d.expect("STOPPING=1")
		default:
			if out, status := s.w.sh("make -n -C " + s.w.tree + " " + target); status != 0 {
				s.Errorf("%s: %s: %s", b, line, out)
			}
		}
	}
}

// install writes a configuration example where its first line says ("# /etc/...") or into
// jail.d of the configuration directory, and makes the logs it names.
func (s *session) install(b block) {
	s.Helper()
	s.mend()
	name, given := b.file()
	if !given {
		s.files++
		dir := strings.TrimSpace(s.w.do("[ -d /etc/gaol ] && echo /etc/gaol || echo /etc/fail2ban"))
		name = fmt.Sprintf("%s/jail.d/example-%d.local", dir, s.files)
	}
	if b.mark == "error" {
		s.broken = name
	}
	s.w.write(name, b.text)
	for _, m := range regexp.MustCompile(`(?m)^logpath\s*=\s*(/[^\s*%]+)$`).FindAllStringSubmatch(b.text, -1) {
		s.w.do("mkdir -p " + path.Dir(m[1]) + " && touch " + m[1])
	}
}

func (s *session) mend() {
	s.Helper()
	if s.broken != "" {
		s.w.do("rm " + s.broken)
		s.broken = ""
	}
}

// file is the path that the first line of a configuration example names.
func (b block) file() (name string, given bool) {
	name, given = strings.CutPrefix(b.first(), "# /")
	return "/" + name, given
}

// alike compares the output a document shows with what was said. `...` stands for anything
// within a line, or alone for any lines; blanks count as one.
func alike(want []string, said string) bool {
	var expr strings.Builder
	expr.WriteString(`\A\s*`)
	for _, l := range want {
		if strings.TrimSpace(l) == "..." {
			expr.WriteString(`(?:.*\n)*?`)
			continue
		}
		var parts []string
		for _, part := range strings.Split(l, "...") {
			words := strings.Fields(part)
			for i, w := range words {
				words[i] = regexp.QuoteMeta(w)
			}
			parts = append(parts, strings.Join(words, `[ \t]+`))
		}
		expr.WriteString(`[ \t]*` + strings.Join(parts, `.*`) + `[ \t]*\n`)
	}
	expr.WriteString(`\s*\z`)
	return regexp.MustCompile(expr.String()).MatchString(said)
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		want, said string
		alike      bool
	}{
		{"a b", "a   b\n", true},
		{"a", "a\nb\n", false},
		{"a\n...", "a\nb\nc\n", true},
		{"...\nc", "a\nb\nc\n", true},
		{"a ... d", "a b c d\n", true},
		{"a ... d", "a b c\nd\n", false},
		{"a.c", "abc\n", false},
	} {
		if got := alike(strings.Split(c.want, "\n"), c.said); got != c.alike {
			t.Errorf("alike(%q, %q) = %v", c.want, c.said, got)
		}
	}
}
