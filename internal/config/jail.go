package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Jail is one jail, typed. Of the options that neither the jail nor [DEFAULT] sets it holds
// fail2ban's server defaults (§3).
type Jail struct {
	Name       string
	Pos        Pos // its first [section] line
	Enabled    bool
	Broken     bool // it must not run; Problems with its name say why
	FilterName string
	Filter     FilterSpec // with the jail's overrides

	Backend                  string   // auto, pyinotify, polling, systemd[...]
	LogPath                  []string // "glob head" or "glob tail", §3
	LogFormat                string   // gaol's own key: plain, json-file, cri
	LogEncoding, LogTimezone string

	MaxRetry, MaxMatches int
	FindTime, BanTime    time.Duration // BanTime negative: for ever
	Increment            Increment
	IgnoreIP             []string
	IgnoreSelf           bool
	IgnoreCommand        string
	IgnoreCache          string
	UseDNS               string // yes, warn, no, raw

	Port, Protocol, Chain, BlockType string // as interpolated, for the native action
	Container                        string // gaol's own key, recorded for later
	Prefix                           Width  // how wide an offender is
	Aggregate                        Aggregate
	Valve                            Valve
	Escalate                         bool   // who goes on is banned from all ports
	TrustedProxies                   string // addresses and networks that are never banned
	SystemdIfNoLogs                  bool   // backend auto without any log file: read the journal
	SkipIfNoLogs                     bool   // no log file exists, and then the jail is not to run
	Switched                         bool   // Backend was auto; without any log file it became the journal

	Actions []Action
	Options map[string]Value // every option that was read, interpolated
}

// Where is the place of an option of the jail, else of the jail itself.
func (j *Jail) Where(key string) Pos {
	if v, ok := j.Options[key]; ok && v.Pos().File != "" {
		return v.Pos()
	}
	return j.Pos
}

// jailReader reads one jail.
type jailReader struct {
	l      *loader
	doc    *doc
	jail   Jail
	filter *filterReader
}

func (r *jailReader) fail(p *Problem) {
	r.jail.Broken = true
	p.Jail = r.jail.Name
	r.l.r.note(p)
}

func (r *jailReader) failed(err error, at Pos) {
	r.fail(asProblem(err, at))
}

// lookup resolves %(...)s in the jail: the filter's finished options are known/X (§1.3).
func (r *jailReader) lookup(ref string) (Value, bool) {
	if sect, key, split := cutRef(ref); split && sect == "known" && r.filter != nil && r.filter.parts.has(key) {
		if v, ok, err := r.filter.parts.option(key); ok && err == nil {
			return v, true
		}
	}
	return r.doc.ref(r.jail.Name, ref)
}

// value reads an option. ok is false when it is not set or cannot be read; the latter breaks
// the jail.
func (r *jailReader) value(key string) (Value, bool) {
	raw, ok := r.doc.raw(r.jail.Name, key)
	if !ok {
		return Value{}, false
	}
	v, err := interpolate(raw, r.lookup)
	if err != nil {
		r.failed(err, raw.Pos())
		return Value{}, false
	}
	v = v.trimmed()
	r.jail.Options[key] = v
	return v, true
}

func (r *jailReader) text(key, otherwise string) string {
	if v, ok := r.value(key); ok {
		return v.Text()
	}
	return otherwise
}

func (r *jailReader) int(key string, otherwise int) int {
	v, ok := r.value(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimSpace(v.Text()))
	if err != nil {
		r.fail(fault(v.Pos(), "write "+key+" = "+strconv.Itoa(otherwise), "%s %s is not a whole number", key, quote(v.Text())))
		return otherwise
	}
	return n
}

func (r *jailReader) time(key string, otherwise time.Duration) time.Duration {
	v, ok := r.value(key)
	if !ok {
		return otherwise
	}
	d, err := duration(v.Text())
	if err != nil {
		r.fail(fault(v.Pos(), "write for instance "+key+" = 10m", "%s: %v", key, err))
		return otherwise
	}
	return d
}

func (r *jailReader) bool(key string, otherwise bool) bool {
	v, ok := r.value(key)
	if !ok {
		return otherwise
	}
	return truth(v.Text())
}

// truth is fail2ban's boolean: everything it does not know is false (§1.2).
func truth(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "on", "true", "yes":
		return true
	}
	return false
}

// read fills the jail. The filter comes first, since the jail's options may extend its own.
func (r *jailReader) read() {
	j := &r.jail
	if s := r.doc.sections[j.Name]; len(s.bad) > 0 {
		j.Broken = true
		for _, b := range s.bad {
			r.l.blame(b, j.Name)
		}
	}
	j.Backend = r.text("backend", "auto")
	if name, _, _ := strings.Cut(j.Backend, "["); !slices.Contains(backends(), name) {
		r.fail(fault(j.Where("backend"), "write backend = auto", "backend %s is none of %s", quote(j.Backend), strings.Join(backends(), ", ")))
	}
	r.readFilterAndLogs()
	r.readCounts()
	r.readIncrement()
	j.LogEncoding, j.LogTimezone = r.text("logencoding", "auto"), r.text("logtimezone", "")
	j.IgnoreIP = strings.FieldsFunc(r.text("ignoreip", ""), func(c rune) bool { return strings.ContainsRune(" \t\n,", c) })
	j.IgnoreSelf = r.bool("ignoreself", true)
	j.IgnoreCommand, j.IgnoreCache = r.text("ignorecommand", ""), r.text("ignorecache", "")
	j.Port, j.Protocol, j.Chain = r.text("port", ""), r.text("protocol", ""), r.text("chain", "")
	if _, own := r.doc.sections[j.Name].keys["mode"]; own {
		r.value("mode")
	}
	for _, key := range jailWords() { // what actions may refer to, and later issues read
		if _, done := j.Options[key]; !done && key != "action" {
			r.value(key)
		}
	}
	j.BlockType = r.text("blocktype", "")
	j.LogFormat = r.text("logformat", "")
	j.TrustedProxies = r.text("trusted_proxies", "")
	r.readWidth()
	r.readEscalate()
	r.readActions()
}

// backends are fail2ban's; the first three mean the same to gaol.
func backends() []string { return []string{"auto", "pyinotify", "gamin", "polling", "systemd"} }

func (r *jailReader) readCounts() {
	j := &r.jail
	j.MaxRetry = r.int("maxretry", 3)
	j.MaxMatches = r.int("maxmatches", 5)
	j.FindTime = r.time("findtime", 600*time.Second)
	j.BanTime = r.time("bantime", 600*time.Second)
}

// readLogs splits logpath: the last word of a line is taken for head or tail (§3).
func (r *jailReader) readLogs() {
	v, _ := r.value("logpath")
	for _, l := range v.rules() {
		glob, mode := strings.TrimSpace(l.Expr), "head"
		if i := strings.LastIndexAny(glob, " \t"); i >= 0 {
			glob, mode = strings.TrimSpace(glob[:i]), glob[i+1:]
		}
		if mode != "head" && mode != "tail" {
			r.fail(fault(l.Pos, "write one path per line; a path with blanks cannot be given",
				"logpath: %s behind the path is neither head nor tail", quote(mode)))
			continue
		}
		r.jail.LogPath = append(r.jail.LogPath, glob+" "+mode)
	}
}

func (r *jailReader) readFilter() {
	j := &r.jail
	v, ok := r.value("filter")
	if !ok || v.Text() == "" {
		if !j.Broken {
			r.l.warn(j.Where("filter"), j.Name, "write filter = NAME, a file of filter.d", "jail %q has no filter, it finds nothing but its own failregex", j.Name)
		}
		return
	}
	s, bad := parseSpec(v)
	if bad != nil {
		r.fail(bad)
		return
	}
	j.FilterName = s.name
	d, err := r.l.r.load("filter.d/" + s.name)
	if err != nil {
		r.fail(r.l.unknown("filter", "filter.d", s))
		return
	}
	if err := firstBad(d); err != nil {
		r.failed(err, s.pos)
		return
	}
	logtype := "file"
	if strings.HasPrefix(j.Backend, "systemd") {
		logtype = "journal"
	}
	f, err := r.l.filter(d, s, logtype, true)
	if err != nil {
		r.failed(err, s.pos)
		return
	}
	r.filter, j.Filter = f, f.spec
}

func (r *jailReader) readActions() {
	v, ok := r.value("action")
	if !ok {
		return
	}
	names := map[string]Pos{}
	for _, one := range splitActions(v) {
		if strings.HasPrefix(one.Text(), "#") {
			r.fail(fault(one.Pos(), "put the comment on a line of its own", "action: # does not begin a comment behind a value"))
			return
		}
		s, bad := parseSpec(one)
		if bad != nil {
			r.fail(bad)
			continue
		}
		a, err := r.l.action(&r.jail, s)
		if err != nil {
			r.failed(err, s.pos)
			continue
		}
		if a.Python && a.Props == nil {
			continue // not run
		}
		if first, dup := names[a.Name]; dup {
			r.fail(fault(a.Pos, "give one of them actname=ANOTHER", "action %q stands twice in jail %q, first at %s", a.Name, r.jail.Name, first))
			continue
		}
		names[a.Name] = a.Pos
		if a.Native {
			if err := a.closes(&r.jail); err != nil {
				r.fail(err)
			}
		}
		r.jail.Actions = append(r.jail.Actions, a)
	}
}
