package action

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/config"
	"gaol/internal/event"
)

// The tools that stock actions call. harmless ones are the real ones; each of the others is a
// stand-in that records. Nothing else is on PATH, and absolute paths are rewritten.
const (
	harmless = "awk cat cut expr fgrep grep head id perl rm sed tail touch tr truncate wc"
	recorded = "afctl apf apprise curl date dig file firewall-cmd geoiplookup hostname iconv ip ip6tables ipf ipfw ipset " +
		"iptables jq mail nft nginx npfctl nsupdate pfctl sendmail shorewall shorewall6 ssh ss conntrack ufw uname wget whois"
)

// elsewhere is where the rewritten paths of the stock files lead: tools to PATH, files below
// the test's own directory.
func elsewhere(state string) *strings.Replacer {
	return strings.NewReplacer("/sbin/ipf ", "ipf ", "/sbin/npfctl ", "npfctl ", "/usr/sbin/sendmail", "sendmail",
		"/usr/libexec/afctl", "afctl", "/usr/bin/nsupdate", "nsupdate", "/var/run/fail2ban/", state+"/",
		"/proc/net/xt_recent/", state+"/", "/etc/symbiosis/firewall/blacklist.d/", state+"/",
		"/etc/hosts.deny", state+"/hosts.deny", "= /etc/nginx/", "= "+state, "/run/nginx.pid", state+"/nginx.pid",
		"/etc/fail2ban/apprise.conf", state+"/apprise.conf")
}

// stage is a place where both programs play the same steps on the same files.
type stage struct {
	Config string      `json:"config"`
	State  string      `json:"state"`
	Record string      `json:"record"`
	Steps  []stockStep `json:"steps"`
}

type stockStep struct {
	Op       string            `json:"op"`
	IP       string            `json:"ip,omitempty"`
	Failures int               `json:"failures"`
	Matches  []string          `json:"matches,omitempty"`
	Fields   map[string]string `json:"fields,omitempty"`
	Restored bool              `json:"restored,omitempty"`
}

// seen is what a step did: command lines as the stand-ins recorded them, and files.
type seen struct {
	Commands string            `json:"commands"`
	Files    map[string]string `json:"files"`
}

// newStage puts the stand-ins on PATH and prepares an empty configuration.
func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{Config: filepath.Join(dir, "conf"), State: filepath.Join(dir, "state"), Record: filepath.Join(dir, "record")}
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, s.State, s.Config + "/action.d", s.Config + "/filter.d"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for tool := range strings.FieldsSeq(harmless) {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		link(t, path, filepath.Join(bin, tool))
	}
	standin, err := filepath.Abs("testdata/standin")
	if err != nil {
		t.Fatal(err)
	}
	for tool := range strings.FieldsSeq(recorded) {
		link(t, standin, filepath.Join(bin, tool))
	}
	t.Setenv("PATH", bin)
	t.Setenv("HOME", dir)
	t.Setenv("RECORD", s.Record)
	s.write(t, "fail2ban.conf", "[DEFAULT]\nsocket = "+dir+"/sock\npidfile = "+dir+"/pid\nlogtarget = STDERR\nsyslogsocket = auto\n"+
		"allowipv6 = auto\ndbfile = None\ndbpurgeage = 1d\n")
	s.write(t, "filter.d/none.conf", "[Definition]\nfailregex = ^bad <HOST>$\n")
	s.write(t, "log", "Nov 14 22:13:20 bad 192.0.2.1\nNov 14 22:13:20 bad 2001:db8::1\n")
	return s
}

func link(t *testing.T, old, name string) {
	t.Helper()
	if err := os.Symlink(old, name); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Config, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// jail is a jail whose only action is given, called like it.
func (s *stage) jail(name, action string) string {
	return fmt.Sprintf("[%s]\nenabled = true\nbackend = polling\nlogpath = %s/log\nfilter = none\nbantime = 600\naction = %s\n\n", name, s.Config, action)
}

// fail2ban is what the real server's classes do in each jail.
func (s *stage) fail2ban(t *testing.T) map[string][]seen {
	t.Helper()
	input, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/stock.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		needs(t, fmt.Sprintf("fail2ban as an oracle: %v\n%s", err, stderr.Bytes()), "scripts/packages test")
	}
	var all map[string][]seen
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// gaol is what our action does in a jail.
func (s *stage) gaol(t *testing.T, j config.Jail) (all []seen) {
	t.Helper()
	if err := os.RemoveAll(s.State); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if len(j.Actions) == 0 || j.Broken {
		t.Fatalf("jail %s has %d actions, broken: %v", j.Name, len(j.Actions), j.Broken)
	}
	var actions []*Action
	for _, a := range j.Actions {
		actions = append(actions, ourAction(t, j, a))
	}
	for _, step := range s.Steps {
		_ = step.do(actions) // a failing command is compared by what follows from it
		all = append(all, s.look(t))
	}
	return all
}

func ourAction(t *testing.T, j config.Jail, c config.Action) *Action {
	t.Helper()
	props := map[string]string{}
	for key, value := range c.Props {
		props[key] = value.Text()
	}
	a, err := New(Spec{Jail: j.Name, Name: c.Name, File: c.File, Props: props, BanTime: j.BanTime}, Options{
		Facts: func(_ context.Context, tag string, _ event.Ban) (string, bool) {
			return "host.example.org", tag == "ip-host"
		},
		Report: func(r Report) {
			if strings.Contains(r.Output, "not found") {
				t.Errorf("%s needs a stand-in: %s", r.Op, r.Output)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// do plays the step on the actions of a jail: in their order, but stops them the last one first (§4.2).
func (s stockStep) do(actions []*Action) (err error) {
	start := time.Unix(1700000000, 0)
	b := event.Ban{Jail: actions[0].Jail(), ID: s.IP, IP: s.IP, Start: start, End: start.Add(600 * time.Second),
		Count: s.Failures, Matches: s.Matches, Fields: event.FieldsOf(s.Fields)}
	ctx := context.Background()
	for _, a := range actions {
		switch s.Op {
		case "start":
			err = errors.Join(err, a.Start(ctx))
		case "ban":
			err = errors.Join(err, a.Ban(ctx, b, s.Restored))
		case "unban":
			err = errors.Join(err, a.Unban(ctx, b))
		default:
			err = errors.Join(err, a.Flush(ctx))
		}
	}
	for _, a := range slices.Backward(actions) {
		if s.Op == "stop" {
			err = errors.Join(err, a.Stop(ctx))
		}
	}
	return err
}

func (s *stage) look(t *testing.T) seen {
	t.Helper()
	out := seen{Files: map[string]string{}}
	if text, err := os.ReadFile(s.Record); err == nil {
		out.Commands = string(text)
		_ = os.Remove(s.Record)
	}
	files, err := fs.Glob(os.DirFS(s.State), "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		out.Files[name] = read(t, filepath.Join(s.State, name))
	}
	return out
}

// compare plays the steps on both and returns the number of commands that both ran.
func (s *stage) compare(t *testing.T) (commands int) {
	t.Helper()
	want := s.fail2ban(t)
	conf, problems := config.Load(config.LoadOptions{Dir: s.Config})
	if len(conf.Jails) != len(want) {
		t.Fatalf("fail2ban has %d jails, gaol %d: %v", len(want), len(conf.Jails), problems)
	}
	for _, j := range conf.Jails {
		t.Run(j.Name, func(t *testing.T) {
			got := s.gaol(t, j)
			ran := 0
			for i, step := range s.Steps {
				if diff := cmp.Diff(want[j.Name][i], got[i]); diff != "" {
					t.Errorf("step %d, %s %s (-fail2ban +gaol):\n%s", i, step.Op, step.IP, diff)
				}
				ran += strings.Count(got[i].Commands, "\n")
			}
			commands += ran
		})
	}
	return commands
}

// everyStock writes a jail for every action file of the installed package, but those in without.
func (s *stage) everyStock(t *testing.T, without ...string) {
	t.Helper()
	files, err := filepath.Glob("/etc/fail2ban/action.d/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 60 {
		needs(t, fmt.Sprintf("fail2ban's action files, found %d", len(files)), "scripts/packages test")
	}
	without = append(without, "firewallcmd-common", "helpers-common", "mail-whois-common", "sendmail-common") // parts of others
	var jails strings.Builder
	for _, file := range files {
		base := filepath.Base(file)
		s.write(t, "action.d/"+base, elsewhere(s.State).Replace(read(t, file)))
		name := strings.TrimSuffix(base, ".conf")
		if !slices.Contains(without, name) {
			jails.WriteString(s.jail(name, name+`[port="22,2222", protocol=tcp, lines=2, logpath="`+s.Config+`/log", dest=root@example.org, sender=f2b@example.org]`))
		}
	}
	s.write(t, "jail.conf", jails.String())
}

// TestStockActionsLikeFail2ban has the real server's classes and ours play a jail's life on
// every action file of the installed package: command lines, input of mailers and files left
// behind must be equal after each step.
func TestStockActionsLikeFail2ban(t *testing.T) {
	s := newStage(t)
	line := "Nov 14 22:13:20 bad 192.0.2.1 `id` $(id) 'quote\" <ip>"
	s.Steps = []stockStep{{Op: "start"}, {Op: "ban", IP: "192.0.2.1", Failures: 3, Matches: []string{line, "second"}},
		{Op: "ban", IP: "2001:db8::1", Failures: 5}, {Op: "ban", IP: "192.0.2.2", Failures: 4}, {Op: "unban", IP: "192.0.2.2"},
		{Op: "unban", IP: "2001:db8::1"}, {Op: "ban", IP: "192.0.2.3", Failures: 2, Restored: true}, {Op: "flush"},
		{Op: "stop"}}
	s.everyStock(t)
	if n := s.compare(t); n < 400 {
		t.Errorf("%d commands were recorded: the stand-ins were not called", n)
	}
}

// TestFailingStockActionsLikeFail2ban lets every tool fail: checks, repairs and second tries. pf
// is left out: it has no families, and fail2ban does not start such an action again.
func TestFailingStockActionsLikeFail2ban(t *testing.T) {
	s := newStage(t)
	t.Setenv("STANDIN_STATUS", "1")
	s.Steps = []stockStep{{Op: "start"}, {Op: "ban", IP: "192.0.2.1", Failures: 3}, {Op: "ban", IP: "2001:db8::1", Failures: 3}}
	s.everyStock(t, "pf")
	if n := s.compare(t); n < 400 {
		t.Errorf("%d commands were recorded: the stand-ins were not called", n)
	}
}
