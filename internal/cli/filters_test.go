package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/pattern"
)

const (
	hangLimit = 0.25 // seconds of the oracle's processor that a line may take
	mostHangs = 20   // pairs of filter and line that may take longer
)

// variant is a filter with parameters.
type variant struct {
	Filter string            `json:"filter"`
	Params map[string]string `json:"params"`
	Run    bool              `json:"run"`
	Lines  []string          `json:"lines,omitempty"`
}

func (v variant) String() string {
	var params []string
	for _, k := range slices.Sorted(maps.Keys(v.Params)) {
		params = append(params, k+`="`+v.Params[k]+`"`)
	}
	if params == nil {
		return v.Filter
	}
	return v.Filter + "[" + strings.Join(params, ", ") + "]"
}

// foundFailure is a failure as both sides tell it.
type foundFailure struct {
	Rule    int
	ID, IP  string
	Time    float64
	Fields  map[string]any
	Matches []string
}

// filterAnswer is what testdata/filters.py answers.
type filterAnswer struct {
	Spec   []any
	Found  [][2]json.RawMessage
	Hung   []int
	Broken [][2]any
}

// filterOracle is fail2ban's own classes in one process.
type filterOracle struct {
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

func startFilterOracle(t *testing.T, dir string, now time.Time, lines []string) *filterOracle {
	t.Helper()
	cmd := exec.Command(python, "testdata/filters.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v: run scripts/packages test", python, err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the oracle ended: %v", err)
		}
	})
	o := &filterOracle{in: in, out: bufio.NewReader(out), cmd: cmd}
	o.send(t, map[string]any{"now": now.Unix(), "dir": dir, "lines": lines, "limit": hangLimit})
	return o
}

func (o *filterOracle) send(t *testing.T, request any) {
	t.Helper()
	text, err := json.Marshal(request)
	if err == nil {
		_, err = o.in.Write(append(text, '\n'))
	}
	if err != nil {
		t.Errorf("ask the oracle: %v", err)
	}
}

func (o *filterOracle) answer(t *testing.T) filterAnswer {
	t.Helper()
	text, err := o.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("read the oracle's answer: %v", err)
	}
	var a filterAnswer
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// allSamples are the lines of all sample logs, those of each log in their order.
func allSamples(t *testing.T) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(samples, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for l := range strings.Lines(string(content)) {
			l = pattern.DecodeUTF8(strings.TrimRight(l, "\r\n"))
			if l != "" && l[0] != '#' {
				lines = append(lines, l)
			}
		}
		return err
	})
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("read the sample logs: %v: run scripts/packages test", err)
		}
		t.Skipf("read the sample logs: %v: run scripts/packages test", err)
	}
	return lines
}

// chosen is a tag that chooses a value by a parameter, such as <mdre-<mode>> or <lt_<logtype>/x>.
var chosen = regexp.MustCompile(`<([\w/-]*)<(\w+)>([\w-]*)(/\w+)?>`)

// choices are the parameters by which a filter's files choose, with the values there are: <a-<mode>>
// and keys a-x and a-y mean that mode is x or y.
func choices(t *testing.T, files []string) map[string][]string {
	t.Helper()
	var text strings.Builder
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
		text.WriteByte('\n')
	}
	found := map[string][]string{}
	for _, m := range chosen.FindAllStringSubmatch(text.String(), -1) {
		before, after := `(?m)^`+regexp.QuoteMeta(m[1]), regexp.QuoteMeta(m[3])+`\s*=.*`
		if m[4] != "" {
			before, after = `(?m)^\[`+regexp.QuoteMeta(m[1]), regexp.QuoteMeta(m[3])+`\]`
		}
		for _, v := range regexp.MustCompile(before+`(\w+?)`+after).FindAllStringSubmatch(text.String(), -1) {
			if !slices.Contains(found[m[2]], v[1]) && !strings.Contains(v[0], m[0]) {
				found[m[2]] = append(found[m[2]], v[1])
			}
		}
	}
	return found
}

// variants are the filters of the tree with every combination of the values they choose by.
func variants(t *testing.T, dir string) []variant {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "filter.d", "*.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var all []variant
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".conf")
		if strings.HasSuffix(name, "common") {
			continue // for others to include
		}
		spec := readVariant(t, dir, variant{Filter: name})
		list := []variant{{Filter: name}}
		values := choices(t, spec.Files)
		for _, param := range slices.Sorted(maps.Keys(values)) {
			from := list
			if os.Getenv("GAOL_FULL") == "" {
				from = list[:1]
			}
			for _, v := range from {
				for _, value := range values[param] {
					params := map[string]string{param: value}
					maps.Copy(params, v.Params)
					list = append(list, variant{Filter: name, Params: params})
				}
			}
		}
		all = append(all, list...)
	}
	return all
}

func readVariant(t *testing.T, dir string, v variant) config.FilterSpec {
	t.Helper()
	spec, problems, err := config.ReadFilter(config.LoadOptions{Dir: dir}, v.String())
	if err != nil || len(problems) > 0 {
		t.Fatalf("read %s: %v %v", v, err, problems)
	}
	return spec
}

// pairs are a filter's options as fail2ban lists them for its server.
func pairs(spec config.FilterSpec) map[string][]string {
	p := map[string][]string{}
	add := func(option, value string) {
		if value != "" {
			p[option] = append(p[option], value)
		}
	}
	add("prefregex", spec.Prefregex.Expr)
	for _, r := range spec.Failregex {
		add("addfailregex", r.Expr)
	}
	for _, r := range spec.Ignoreregex {
		add("addignoreregex", r.Expr)
	}
	add("datepattern", spec.DatePattern)
	if spec.MaxLines > 0 {
		add("maxlines", fmt.Sprint(spec.MaxLines))
	}
	return p
}

func (a *filterAnswer) pairs() map[string][]string {
	p := map[string][]string{}
	for i := 0; i+1 < len(a.Spec); i += 2 {
		option := a.Spec[i].(string)
		if option != "addjournalmatch" && a.Spec[i+1] != "" {
			p[option] = append(p[option], fmt.Sprint(a.Spec[i+1]))
		}
	}
	return p
}

// feedAll feeds the lines to gaol's filter as the oracle does to fail2ban's.
func feedAll(t *testing.T, spec config.FilterSpec, lines []string, now time.Time) map[int][]foundFailure {
	t.Helper()
	s := filterSpec(spec)
	s.UseDNS = "raw"
	program, err := filter.Compile(s)
	if err != nil {
		t.Fatalf("%s: %v", spec.Name, err)
	}
	templates, err := date.Parse(spec.DatePattern, date.Options{Zone: time.UTC, Year: now.Year()})
	if err != nil {
		t.Fatalf("%s: %v", spec.Name, err)
	}
	f, cutter := filter.New(program), &date.Cutter{Detector: date.NewDetector(templates), Lenient: true}
	found := map[int][]foundFailure{}
	for i, line := range lines {
		e, _ := cutter.Cut(event.Line{Text: line}, "", now)
		m := f.Match(e, now)
		if m.Verdict != filter.Failed {
			continue
		}
		failure := m.Failure(e, now)
		fields := map[string]any{}
		for _, f := range failure.Fields {
			fields[f.Name] = f.Value
		}
		if users := failure.Fields.Get("users"); users != "" {
			fields["users"] = sortedUsers(users)
		}
		found[i] = append(found[i], foundFailure{
			Rule: m.Rule, ID: failure.ID, IP: failure.IP, Time: float64(e.Time.UnixNano()) / 1e9, Fields: fields, Matches: failure.Matches,
		})
	}
	return found
}

// Each installed filter, in each of its modes and log types, over the sample logs of all: the same
// failures of the same addresses, times and users, in the same order. With GAOL_FULL=1 each
// combination of modes and log types.
func TestEveryFilterOverEverySample(t *testing.T) {
	now := time.Date(2026, 11, 24, 11, 18, 0, 0, time.UTC)
	lines := allSamples(t)
	kinds := distinct(t, installed, variants(t, installed))
	oracle := startFilterOracle(t, installed, now, lines)
	go func() {
		for _, k := range kinds {
			oracle.send(t, k.variant)
		}
	}()
	var hung []string
	runs, failures := 0, 0
	for _, k := range kinds {
		var got map[int][]foundFailure
		if k.Run {
			got = feedAll(t, k.spec, lines, now)
			runs++
		}
		want := oracle.answer(t)
		if is, want := pairs(k.spec), want.pairs(); !reflect.DeepEqual(is, want) {
			t.Errorf("%s is read as %v\nwant %v", k, is, want)
			continue
		}
		for _, i := range want.Hung {
			hung = append(hung, fmt.Sprintf("%s on %q", k, lines[i]))
			delete(got, i)
		}
		for _, b := range want.Broken {
			t.Errorf("%s: fail2ban ends in an error on %v", k, b)
		}
		failures += len(want.Found)
		compareFound(t, k.variant, lines, got, want)
	}
	t.Logf("%d filters of %d kinds, %d lines, %d failures; fail2ban hangs %d times: %s",
		len(kinds), runs, len(lines), failures, len(hung), strings.Join(hung, "; "))
	if len(hung) > mostHangs {
		t.Errorf("%d lines took fail2ban too long, at most %d are expected", len(hung), mostHangs)
	}
	if os.Getenv("CI") != "" && (runs < 200 || len(lines) < 1000) {
		t.Errorf("%d kinds of filters over %d lines, want at least 200 over 1000", runs, len(lines))
	}
}

// kind is a variant with what gaol reads it as; Run only where no variant before is read alike.
type kind struct {
	variant
	spec config.FilterSpec
}

func distinct(t *testing.T, dir string, all []variant) []kind {
	t.Helper()
	var kinds []kind
	seen := map[string]bool{}
	for _, v := range all {
		spec := readVariant(t, dir, v)
		key := fmt.Sprint(pairs(spec))
		v.Run = !seen[key]
		seen[key] = true
		kinds = append(kinds, kind{v, spec})
	}
	return kinds
}

// sortedUsers is a Python set of names in an order of its own.
func sortedUsers(set string) string {
	names := strings.Split(strings.Trim(set, "{}"), ", ")
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func compareFound(t *testing.T, v variant, lines []string, got map[int][]foundFailure, want filterAnswer) {
	t.Helper()
	for _, w := range want.Found {
		var line int
		var failures []foundFailure
		if json.Unmarshal(w[0], &line) != nil || json.Unmarshal(w[1], &failures) != nil {
			t.Fatalf("the oracle answers %s", w)
		}
		for i := range failures {
			if users, ok := failures[i].Fields["users"].(string); ok {
				failures[i].Fields["users"] = sortedUsers(users)
			}
			if failures[i].IP == "" && i < len(got[line]) {
				failures[i].IP = got[line][i].IP // it is the id
			}
		}
		if !reflect.DeepEqual(got[line], failures) {
			t.Errorf("%s on %q\n  is   %+v\n  want %+v", v, lines[line], got[line], failures)
		}
		delete(got, line)
	}
	for line, failures := range got {
		t.Errorf("%s on %q\n  is   %+v\n  want nothing", v, lines[line], failures)
	}
}
