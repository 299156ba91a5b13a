package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// FilterSpec is a filter as a jail (or fail2ban-regex) uses it: %(...)s and <tags> of its files
// are replaced, the tags of the regex language (<HOST>, <F-...>) are not.
type FilterSpec struct {
	Name           string
	Files          []string // what was read, in order
	Params         map[string]string
	Prefregex      Rule // Expr empty: none
	Failregex      []Rule
	Ignoreregex    []Rule
	MaxLines       int    // 0: not given, fail2ban's default is 1
	UseDNS         string // empty: not given
	DatePattern    string // empty: the default templates
	DatePatternPos Pos
	JournalMatch   []string // one per line; "+" inside a line is OR
	Daemon         string   // _daemon of the file: which programs its prefix expects

	given map[string]bool // options that are set, be it to nothing
}

// filterReader keeps the files of a jail's filter beside the spec: the jail may refer to any
// option of theirs as known/option.
type filterReader struct {
	parts *parts
	spec  FilterSpec
}

// filter reads filter.d/NAME with params. viaJail: the quirk of §1.5.
func (l *loader) filter(d *doc, s *spec, logtype string, viaJail bool) (*filterReader, error) {
	params := map[string]Value{}
	for k, v := range s.params {
		params[k] = v
	}
	_, given := params["logtype"]
	if sect := d.sections[definition]; sect != nil && !given {
		_, given = sect.keys["logtype"]
	}
	if !given && logtype != "" {
		params["logtype"] = text(logtype, s.pos)
	}
	f := &filterReader{parts: newParts(d, params, viaJail)}
	f.parts.skip = f.parts.hasVariant
	f.spec = FilterSpec{Name: s.name, Files: d.files, Params: map[string]string{}, given: map[string]bool{}}
	for k, v := range params {
		f.spec.Params[k] = v.Text()
	}
	for _, key := range []string{"prefregex", "failregex", "ignoreregex", "maxlines", "datepattern", "journalmatch", "usedns"} {
		v, ok, err := f.parts.option(key)
		if err != nil {
			return nil, err
		}
		if ok {
			if err := f.spec.take(key, v); err != nil {
				return nil, err
			}
		}
	}
	if v, ok, err := f.parts.tag("_daemon"); ok && err == nil {
		if v, err = substitute(v, "", f.parts.tag); err == nil {
			f.spec.Daemon = v.Text()
		}
	}
	return f, nil
}

// take sets one filter option, from the filter's file or from the jail, which overrides it.
func (f *FilterSpec) take(key string, v Value) error {
	if f.given == nil {
		f.given = map[string]bool{}
	}
	f.given[key] = true
	switch key {
	case "prefregex":
		f.Prefregex = Rule{v.Text(), v.Pos()}
	case "failregex":
		f.Failregex = v.rules()
	case "ignoreregex":
		f.Ignoreregex = v.rules()
	case "datepattern":
		f.DatePattern, f.DatePatternPos = v.Text(), v.Pos()
	case "usedns":
		f.UseDNS = v.Text()
	case "maxlines":
		n, err := strconv.Atoi(strings.TrimSpace(v.Text()))
		if err != nil || n < 1 {
			return fault(v.Pos(), "write maxlines = 1, or how many lines one match may span",
				"maxlines %s is not a whole number of at least 1", quote(v.Text()))
		}
		f.MaxLines = n
	case "journalmatch":
		f.JournalMatch = nil
		for _, r := range v.rules() {
			f.JournalMatch = append(f.JournalMatch, r.Expr)
		}
	}
	return nil
}

// ReadFilter reads the filter that fail2ban-regex is given: NAME[params] of filter.d in the
// configuration that opts name, or the path of a file, which is read with its includes. %(x)s
// does not see [Init] here (§1.5). problems holds the syntax errors met on the way.
func ReadFilter(opts LoadOptions, name string) (FilterSpec, []Problem, error) {
	l := newLoader(opts)
	s, bad := parseSpec(text(name, Pos{File: "command line"}))
	if bad != nil {
		return FilterSpec{}, nil, bad
	}
	d, err := l.filterFile(s)
	if err != nil {
		return FilterSpec{}, l.r.problems, fmt.Errorf("read filter %q: %w", s.name, err)
	}
	if err := firstBad(d); err != nil {
		return FilterSpec{}, l.r.problems, err
	}
	f, err := l.filter(d, s, "file", false)
	if err != nil {
		return FilterSpec{}, l.r.problems, err
	}
	return f.spec, l.r.problems, nil
}

// filterFile finds the filter as fail2ban-regex does: NAME, NAME.conf or filter.d/NAME of the
// configuration, a path DIR/filter.d/NAME.conf, which makes DIR the configuration, or the path of
// any other file, which is read with its includes and its .local.
func (l *loader) filterFile(s *spec) (*doc, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(s.name, "filter.d/"), ".conf")
	if !strings.Contains(name, "/") {
		if d, err := l.r.load("filter.d/" + name); !errors.Is(err, errAbsent) {
			s.name = name
			return d, err
		}
	}
	abs, err := filepath.Abs(s.name)
	if err != nil {
		return nil, err
	}
	if folder := filepath.Dir(abs); filepath.Base(folder) == "filter.d" && regular(abs) {
		l.r = newReader(tree{dir: filepath.Dir(folder)})
		s.name = strings.TrimSuffix(filepath.Base(abs), ".conf")
		return l.r.load("filter.d/" + s.name)
	}
	return l.r.loadFile(abs)
}
