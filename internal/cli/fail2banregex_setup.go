package cli

import (
	"cmp"
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
	jail      string // whose filter it is; empty: none's
	zone      string // of the jail's log
	encoding  string // of the jail's log
	where     place  // of a filter that was named
	params    string // of the filter, as Python shows a dict
	maxGiven  bool   // the filter says maxlines
	dateGiven bool
	templates *date.Templates
	program   *filter.Program
	decode    func(string) string
	units     wide.Units // of the log
}

// prepareFilter finds out what REGEX means (target version, §0): a jail's name, a filter's name,
// a filter's file, or a failregex.
func prepareFilter(dir, regex string) (*probe, error) {
	p := &probe{}
	opts := config.LoadOptions{Dir: dir, Embedded: dir == ""}
	if mayBeJail := regexp.MustCompile(`^[\w+-][\w.+-]*$`); mayBeJail.MatchString(regex) {
		if j, problems, found := config.ReadJail(opts, regex); found {
			p.jail = regex
			p.zone, p.encoding = j.LogTimezone, j.LogEncoding
			return p, p.take(j.Filter, problems)
		}
	}
	w := findFilter(dir, regex)
	if w.name == "" {
		p.spec.Failregex = []filter.Rule{{Expr: regex}}
		return p, nil
	}
	if w.dir != "" {
		opts = config.LoadOptions{Dir: w.dir}
	}
	f, problems, err := config.ReadFilter(opts, w.name+w.options)
	if err != nil {
		return nil, err
	}
	p.where = w
	p.params = params(f.Params, regex)
	return p, p.take(f, problems)
}

// take makes the configuration's filter the one that is tried, unless something is wrong with it.
func (p *probe) take(f config.FilterSpec, problems []config.Problem) error {
	for _, b := range problems {
		if b.Severity == config.Error {
			return &b
		}
	}
	p.spec = filterSpec(f)
	p.date, p.dateGiven = f.DatePattern, f.DatePattern != ""
	p.maxGiven = f.MaxLines > 0
	return nil
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

// place is where a filter was found.
type place struct {
	name    string // of the filter, or the path of its file; empty: none was found
	options string // [what stands in brackets]
	dir     string // the configuration that its path names; empty: the one in use
	shown   string // that configuration as the path names it
	alone   bool   // a file that belongs to no configuration
}

// findFilter finds the filter that the argument names: by the path of a file, which may lack its
// extension where it lies in a filter.d, else as NAME, NAME.conf or filter.d/NAME. A file without
// a directory before its name is none, as in fail2ban.
func findFilter(dir, arg string) place {
	parts := regexp.MustCompile(`(?s)^([\w./~+-]+)(\[.*\])?$`).FindStringSubmatch(arg)
	if parts == nil {
		return place{}
	}
	w := place{name: parts[1], options: parts[2]}
	bare := strings.TrimSuffix(strings.TrimPrefix(w.name, "filter.d/"), ".conf")
	if !strings.Contains(bare, "/") {
		if w.name = ""; knownFilter(dir, bare) {
			w.name = bare
		}
		return w
	}
	folder, file := filepath.Split(w.name)
	exists := isRegular(w.name)
	if filepath.Base(folder) != "filter.d" {
		if w.alone = true; !exists {
			w.name = ""
		}
		return w
	}
	stem := strings.TrimSuffix(file, filepath.Ext(file))
	if !exists {
		stem = file
	}
	w.shown = filepath.Dir(filepath.Clean(folder))
	if w.name = ""; isRegular(folder+stem+".conf") || isRegular(folder+stem+".local") {
		w.name, w.dir = stem, w.shown
	}
	return w
}

func isRegular(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
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
	_, brackets, found := strings.Cut(regex, "[")
	if !found {
		return ""
	}
	keys := make([]string, 0, len(given))
	for k := range given {
		if strings.Contains(brackets, k) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return strings.Index(brackets, keys[i]) < strings.Index(brackets, keys[j]) })
	for i, k := range keys {
		keys[i] = pattern.Repr(k) + ": " + pattern.Repr(given[k])
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// finish compiles the filter and the templates of its timestamps.
func (p *probe) finish(zone, encoding string) error {
	zone, encoding = cmp.Or(zone, p.zone), cmp.Or(encoding, p.encoding)
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
