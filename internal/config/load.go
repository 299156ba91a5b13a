package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gaol/internal/stock"
)

// LoadOptions says what to read.
type LoadOptions struct {
	Dir      string // directory; empty or Embedded: the tree inside the binary
	Embedded bool
	All      bool // also jails that are not enabled
	// JournalDirs are where the machine's journal is looked for; nil: journald's directories.
	JournalDirs []string
	Version     string // what %(fail2ban_version)s says; empty: DefaultVersion
}

// DefaultVersion is the fail2ban whose configuration language gaol speaks.
const DefaultVersion = "1.1.0"

// Config is a configuration as it would run.
type Config struct {
	Dir    string // as given; empty for the embedded tree
	Global Global
	Jails  []Jail // enabled ones unless All was asked, in the order of their sections

	problems []Problem
}

// DefaultDir is where configuration is looked for: /etc/gaol, else /etc/fail2ban, else empty,
// which means the embedded tree.
func DefaultDir() string {
	for _, dir := range []string{"/etc/gaol", "/etc/fail2ban"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return dir
		}
	}
	return ""
}

// loader reads one configuration.
type loader struct {
	opts  LoadOptions
	r     *reader
	stock *reader // the embedded tree, for the native action
}

func newLoader(opts LoadOptions) *loader {
	t := tree{dir: opts.Dir}
	if opts.Embedded || opts.Dir == "" {
		t = tree{stock: stock.FS()}
	} else if !regular(filepath.Join(opts.Dir, "jail.conf")) {
		t.stock = stock.FS() // a directory without jail.conf is layered on the embedded tree
	}
	return &loader{opts: opts, r: newReader(t), stock: newReader(tree{stock: stock.FS()})}
}

// Load reads a whole configuration. It returns what is sound together with every problem
// found; a jail with an error in what it uses is Broken, the others run.
func Load(opts LoadOptions) (*Config, []Problem) {
	l := newLoader(opts)
	c := &Config{Dir: opts.Dir}
	if opts.Embedded {
		c.Dir = ""
	}
	if c.Dir != "" {
		if st, err := os.Stat(c.Dir); err != nil || !st.IsDir() {
			p := fault(Pos{File: c.Dir}, "name a directory with -c, or use --embedded", "configuration directory does not exist")
			c.problems = []Problem{*p}
			return c, c.problems
		}
	}
	c.Global = l.global()
	c.Global.StackSize = l.stackSize()
	l.r.onFile = dropComments
	d, err := l.r.load("jail")
	l.r.onFile = nil
	if err != nil {
		l.r.note(asProblem(err, Pos{File: c.Dir}))
		d = newDoc()
	}
	l.jailDefaults(d)
	for _, name := range d.order {
		if j, use := l.jail(d, name); use {
			c.Jails = append(c.Jails, j)
		}
	}
	l.includes()
	c.problems = tidy(l.r.problems)
	return c, slices.Clone(c.problems)
}

// tidy sorts by place and drops what says the same again: a syntax error is found once when its
// file is parsed and once by each jail that uses it.
func tidy(all []Problem) []Problem {
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			strings.Compare(a.Msg, b.Msg), -strings.Compare(a.Jail, b.Jail))
	})
	var out []Problem
	for _, p := range all {
		if n := len(out); n > 0 {
			last := out[n-1]
			if last.Pos == p.Pos && last.Msg == p.Msg && (last.Jail == p.Jail || p.Jail == "") {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// includes reports included files that do not exist. fail2ban says nothing; a missing .local
// is the rule, not a fault.
func (l *loader) includes() {
	for _, name := range slices.Sorted(maps.Keys(l.r.files)) {
		f := l.r.files[name]
		if f == nil || f.section("INCLUDES") == nil {
			continue
		}
		for _, key := range []string{"before", "after"} {
			for _, line := range f.section("INCLUDES").keys[key].Lines {
				l.include(f, line)
			}
		}
	}
}

func (l *loader) include(f *file, line Line) {
	inc := strings.TrimSpace(line.Text)
	if inc == "" || strings.HasSuffix(inc, ".local") {
		return
	}
	if rel, ok := l.r.tree.relative(f.name); ok && !filepath.IsAbs(inc) {
		inc = path.Join(path.Dir(rel), inc)
	}
	if _, ok := l.r.tree.locate(inc); !ok {
		l.warn(line.Pos, "", "take the line out, or name a file that exists: ls "+filepath.Dir(f.name),
			"included file %q does not exist; what it defined is missing", strings.TrimSpace(line.Text))
	}
}

// jailDefaults adds what every jail file may refer to (§1.3).
func (l *loader) jailDefaults(d *doc) {
	version := l.opts.Version
	if version == "" {
		version = DefaultVersion
	}
	dir := l.opts.Dir
	if dir == "" {
		dir = "/etc/fail2ban"
	}
	for key, v := range map[string]string{"fail2ban_version": version, "fail2ban_confpath": dir} {
		if _, set := d.defaults.keys[key]; !set {
			d.defaults.set(key, text(v, Pos{}))
		}
	}
}

func (l *loader) jail(d *doc, name string) (Jail, bool) {
	r := &jailReader{l: l, doc: d}
	r.jail = Jail{Name: name, Pos: d.sections[name].pos, Options: map[string]Value{}}
	r.jail.Enabled = r.bool("enabled", false)
	if !r.jail.Enabled && !l.opts.All && !r.jail.Broken {
		return Jail{}, false
	}
	r.read()
	if r.jail.SkipIfNoLogs && !l.opts.All && !r.jail.Broken {
		l.warn(r.jail.Where("skip_if_nologs"), name, "make the log, then: gaol reload",
			"jail %q is skipped, none of its logs exists", name)
		return Jail{}, false
	}
	return r.jail, true
}

func (l *loader) warn(at Pos, jail, hint, format string, args ...any) {
	p := fault(at, hint, format, args...)
	p.Severity, p.Jail = Warning, jail
	l.r.note(p)
}

// blame puts the jail's name on a problem that was found while its file was parsed.
func (l *loader) blame(p *Problem, jail string) {
	for i := range l.r.problems {
		q := &l.r.problems[i]
		if q.Pos == p.Pos && q.Msg == p.Msg {
			q.Jail = jail
		}
	}
}

// unknown is the problem of a filter or action that has no file.
func (l *loader) unknown(kind, folder string, s *spec) *Problem {
	at := filepath.Join(l.opts.Dir, folder)
	hint := "write the file " + filepath.Join(at, s.name+".conf") + ", or name one that exists: ls " + at
	if strings.Contains(s.name, "#") {
		hint = "put the # comment on a line of its own; behind a value it is part of the value"
	}
	return fault(s.pos, hint, "%s %q has no file %s", kind, s.name, folder+"/"+s.name+".conf")
}

// firstBad is the first syntax error of a merged filter or action.
func firstBad(d *doc) error {
	for _, s := range append([]*section{d.defaults}, d.all()...) {
		if len(s.bad) > 0 {
			return s.bad[0]
		}
	}
	return nil
}

// asProblem keeps the place an error names, else says it stands at.
func asProblem(err error, at Pos) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		c := *p
		return &c
	}
	return &Problem{Pos: at, Msg: fmt.Sprint(err)}
}
