package metrics

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"gaol/internal/control"
	"gaol/internal/event"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// door is a daemon that answers what it was given.
type door struct {
	status *event.Status
	err    error
	told   chan event.Happening
}

func (d *door) Do(_ context.Context, c control.Command) (control.Reply, error) {
	if s, ok := c.(control.Status); !ok || !s.Brief {
		return control.Reply{}, fmt.Errorf("asked for %#v: bans are not needed", c)
	}
	return control.Reply{Status: d.status}, d.err
}

func (d *door) Subscribe(ctx context.Context, _ int) <-chan event.Happening {
	out := make(chan event.Happening)
	go func() {
		defer close(out)
		for {
			select {
			case h := <-d.told:
				out <- h
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// made is a status with something of everything.
func made() *event.Status {
	behind, packets := int64(4096), uint64(77)
	return &event.Status{
		Version: "0.1", Started: time.Unix(1_764_000_000, 500e6), Problems: []string{"jail.local:3: what"}, FirewallProblem: "the table is gone", Repairs: 2,
		Jails: []event.JailStatus{
			{Name: "sshd", Running: true, MaxRetry: 5, FindTime: 10 * time.Minute, BanTime: time.Hour, Lines: 1000, Aborted: 1, CutLines: 2, Dropped: 3,
				CurrentlyFailed: 4, TotalFailed: 50, CurrentlyBanned: 6, TotalBanned: 70, Repairs: 1, Packets: &packets, Held: "too many", Problem: "too many",
				Sources:      []event.SourceStatus{{Name: "/var/log/auth.log", Found: true, Lines: 990, Behind: &behind}, {Name: "/var/log/\"a\nb\xff", Lines: 10}},
				Regexes:      []event.RegexStatus{{Where: "/etc/fail2ban/filter.d/sshd.conf:40", Failures: 49}, {Where: "/etc/fail2ban/filter.d/sshd.conf:41"}},
				ActionStates: []event.ActionStatus{{Name: "mail", Failing: true, Failures: 8, Waiting: 9, Dropped: 10, Error: "\x1b]0;attacker"}},
				Leaks:        []event.Leak{{ID: "203.0.113.7"}}, TotalLeaks: 11, Folds: []event.Ban{{ID: "203.0.113.0/24"}}},
			{Name: "recidive", Running: true, MaxRetry: 3, FindTime: 24 * time.Hour, BanTime: -1},
			{Name: "broken", Problem: "no such filter"},
		},
	}
}

func TestAStatusAsMetrics(t *testing.T) {
	var out strings.Builder
	if err := Write(&out, &door{status: made()}); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "metrics.txt")
	text := goVersion(out.String())
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	for _, never := range []string{"203.0.113", "attacker", "no such filter"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is told, which is not bounded", never)
		}
	}
}

// goVersion takes out what the test cannot know.
func goVersion(text string) string {
	before, rest, _ := strings.Cut(text, `{go="`)
	_, after, _ := strings.Cut(rest, `"`)
	return before + `{go="GO"` + after
}

// promtool check metrics has nothing to say; the names of fail2ban_exporter are as they are.
func TestTheMetricsAreWellFormed(t *testing.T) {
	tl := newTally()
	tl.expect("sshd")
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCollector(&door{status: made()}))
	reg.MustRegister(tl.collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "f2b_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	told := map[string]string{}
	for _, f := range families {
		told[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	for _, f := range Families() {
		if told[f.Name] != f.Type {
			t.Errorf("%s is listed as %s, and told as %q", f.Name, f.Type, told[f.Name])
		}
		delete(told, f.Name)
	}
	if len(told) > 0 {
		t.Errorf("told, and not listed: %v", told)
	}
}

// The names and labels that dashboards of fail2ban_exporter ask for.
func TestWhatDashboardsOfFail2banAskFor(t *testing.T) {
	var out strings.Builder
	if err := Write(&out, &door{status: made()}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"f2b_up 1", "f2b_jail_count 2", `f2b_errors{type="socket_conn"} 0`, `f2b_errors{type="socket_req"} 0`, `f2b_version{exporter="0.1",fail2ban="0.1"} 1`,
		`f2b_jail_banned_current{jail="sshd"} 6`, `f2b_jail_banned_total{jail="sshd"} 70`, `f2b_jail_failed_current{jail="sshd"} 4`, `f2b_jail_failed_total{jail="sshd"} 50`,
		`f2b_config_jail_ban_time{jail="sshd"} 3600`, `f2b_config_jail_ban_time{jail="recidive"} -1`, `f2b_config_jail_find_time{jail="sshd"} 600`, `f2b_config_jail_max_retries{jail="sshd"} 5`,
	} {
		if !strings.Contains(out.String(), "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestADaemonThatDoesNotAnswer(t *testing.T) {
	for fault, kind := range map[control.Fault]string{control.Absent: "socket_conn", control.Failed: "socket_req"} {
		var out strings.Builder
		if err := Write(&out, &door{err: &control.Error{Fault: fault}}); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, "\nf2b_up 0\n") || !strings.Contains(text, fmt.Sprintf("f2b_errors{type=%q} 1\n", kind)) || strings.Contains(text, "f2b_jail_count 0") {
			t.Errorf("%s:\n%s", fault, text)
		}
	}
}

// Who can make files that a pattern matches gets no sample for each.
func TestLogsAreTellableUpToALimit(t *testing.T) {
	s := &event.Status{Jails: []event.JailStatus{{Name: "web", Running: true}}}
	for n := range 1000 {
		s.Jails[0].Sources = append(s.Jails[0].Sources, event.SourceStatus{Name: fmt.Sprint("/home/", n, "/access.log"), Found: true})
	}
	var out strings.Builder
	if err := Write(&out, &door{status: s}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\ngaol_source_up{"); n != 100 {
		t.Errorf("%d logs are told", n)
	}
	if !strings.Contains(out.String(), `gaol_sources{jail="web"} 1000`) {
		t.Error("their number is not told")
	}
}

func TestAFileForNodeExporter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gaol.prom")
	if err := WriteFile(path, &door{status: made()}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(f)
	if err != nil || families["gaol_bans"] == nil {
		t.Errorf("the file has %d metrics, %v", len(families), err)
	}
	if err := WriteFile(filepath.Join(path, "below"), &door{}); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("a file below a file: %v", err)
	}
}

// The table of docs/metrics.md is the one of the code. -update writes it.
func TestTheTableOfTheDocumentation(t *testing.T) {
	var table strings.Builder
	table.WriteString("| metric | type | labels | what |\n|---|---|---|---|\n")
	for _, f := range Families() {
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		help := f.Help
		if f.Bus {
			help += " From events."
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, labels, help)
	}
	page := filepath.Join("..", "..", "docs", "metrics.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), "checked by internal/metrics -->\n")
	shown, after, ends := strings.Cut(rest, "<!-- end of metrics -->")
	if !begins || !ends {
		t.Fatalf("%s has no table of metrics", page)
	}
	if *update {
		whole := before + "checked by internal/metrics -->\n" + table.String() + "<!-- end of metrics -->" + after
		if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if shown != table.String() {
		t.Errorf("%s lists\n%s\nthe code has\n%s\n(go test ./internal/metrics -update)", page, shown, table.String())
	}
}
