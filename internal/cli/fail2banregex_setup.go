package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/filter"
	"gaol/internal/pattern"
	"gaol/internal/wide"
)

// probe is a filter made ready to be tried on lines: what fail2ban-regex and `gaol test` share.
type probe struct {
	spec      filter.Spec
	date      string // datepattern
	named     bool   // the filter is one of the configuration's
	params    string // of the filter, as Python shows a dict
	maxGiven  bool   // the filter says maxlines
	dateGiven bool
	templates *date.Templates
	program   *filter.Program
	decode    func(string) string
	units     wide.Units // of the log
}

// prepareFilter finds out what REGEX means: a filter's name, a filter's file, or a failregex.
func prepareFilter(dir, regex string) (*probe, error) {
	p := &probe{}
	name, isFilter := filterName(dir, regex)
	if !isFilter {
		p.spec.Failregex = []filter.Rule{{Expr: regex}}
		return p, nil
	}
	f, problems, err := config.ReadFilter(config.LoadOptions{Dir: dir, Embedded: dir == ""}, name)
	if err != nil {
		return nil, err
	}
	for _, b := range problems {
		if b.Severity == config.Error {
			return nil, &b
		}
	}
	p.named = !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, ".")
	p.spec = filterSpec(f)
	p.date, p.dateGiven = f.DatePattern, f.DatePattern != ""
	p.maxGiven = f.MaxLines > 0
	p.params = params(f.Params, regex)
	return p, nil
}

// filterSpec is a filter of the configuration as the filter room takes it.
func filterSpec(f config.FilterSpec) filter.Spec {
	s := filter.Spec{Name: f.Name, MaxLines: f.MaxLines, UseDNS: f.UseDNS}
	rule := func(r config.Rule) filter.Rule {
		if r.Expr == "" {
			return filter.Rule{}
		}
		return filter.Rule{Expr: r.Expr, Where: r.Pos.String()}
	}
	s.Prefregex = rule(f.Prefregex)
	for _, r := range f.Failregex {
		s.Failregex = append(s.Failregex, rule(r))
	}
	for _, r := range f.Ignoreregex {
		s.Ignoreregex = append(s.Ignoreregex, rule(r))
	}
	return s
}

// filterName reports whether the argument names a filter, and how the configuration calls it.
func filterName(dir, arg string) (string, bool) {
	parts := regexp.MustCompile(`(?s)^([\w./~+-]+)(\[.*\])?$`).FindStringSubmatch(arg)
	if parts == nil {
		return "", false
	}
	name, options := parts[1], parts[2]
	if abs, err := filepath.Abs(name); err == nil && strings.Contains(name, "/") && dir != "" {
		if rest, ok := strings.CutPrefix(abs, filepath.Join(dir, "filter.d")+"/"); ok {
			name = rest
		}
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "filter.d/"), ".conf")
	if !strings.Contains(bare, "/") && knownFilter(dir, bare) {
		return bare + options, true
	}
	if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() && strings.HasSuffix(name, ".conf") {
		if !strings.Contains(name, "/") {
			name = "./" + name
		}
		return name + options, true
	}
	return "", false
}

func knownFilter(dir, name string) bool {
	for _, ext := range []string{".conf", ".local"} {
		if dir != "" {
			if _, err := os.Stat(filepath.Join(dir, "filter.d", name+ext)); err == nil {
				return true
			}
		}
	}
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "jail.conf")); err == nil {
			return false
		}
	}
	_, _, err := config.ReadFilter(config.LoadOptions{Dir: dir, Embedded: dir == ""}, name)
	return err == nil
}

// params shows the parameters that were written in brackets as Python shows a dict.
func params(given map[string]string, regex string) string {
	if !strings.Contains(regex, "[") {
		return ""
	}
	keys := make([]string, 0, len(given))
	for k := range given {
		if strings.Contains(regex, k) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return strings.Index(regex, keys[i]) < strings.Index(regex, keys[j]) })
	for i, k := range keys {
		keys[i] = pattern.Repr(k) + ": " + pattern.Repr(given[k])
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// finish compiles the filter and the templates of its timestamps.
func (p *probe) finish(zone, encoding string) error {
	location, err := date.ParseZone(zone)
	if err != nil {
		return err
	}
	p.units = date.Units(encoding)
	if p.decode, err = date.Decoder(encoding); err != nil {
		return err
	}
	if p.templates, err = date.Parse(p.date, date.Options{Zone: location, Year: time.Now().Year()}); err != nil {
		return err
	}
	p.program, err = filter.Compile(p.spec)
	return err
}

// compileError words an error of the filter as fail2ban-regex does.
func compileError(err error) error {
	var bad *filter.Err
	var syntax *pattern.SyntaxError
	var noID *filter.NoIDError
	if !errors.As(err, &bad) {
		return err
	}
	switch {
	case errors.As(bad.Err, &noID):
		return fmt.Errorf("No failure-id group in '%s'", noID.Expr)
	case errors.As(bad.Err, &syntax):
		at := ""
		if syntax.Pos >= 0 {
			at = fmt.Sprintf(" at position %d", syntax.Pos)
		}
		return fmt.Errorf("Unable to compile regular expression '%s':\n%s%s", syntax.Expr, syntax.Msg, at)
	}
	return bad
}
