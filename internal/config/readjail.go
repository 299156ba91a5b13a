package config

// ReadJail reads what one jail looks for, for fail2ban-regex: its filter with its overrides and
// how its log is written (LogEncoding, LogTimezone); nothing else of the jail, which may be one
// that is not enabled. What is wrong with it is in problems. found is false where there is no
// such jail.
func ReadJail(opts LoadOptions, name string) (j Jail, problems []Problem, found bool) {
	l := newLoader(opts)
	l.r.onFile = dropComments
	d, err := l.r.load("jail")
	l.r.onFile = nil
	if err != nil || d.sections[name] == nil || name == "INCLUDES" {
		return Jail{}, nil, false
	}
	l.jailDefaults(d)
	l.r.problems = nil // of other jails
	r := &jailReader{l: l, doc: d}
	r.jail = Jail{Name: name, Pos: d.sections[name].pos, Options: map[string]Value{}}
	for _, b := range d.sections[name].bad {
		r.fail(b)
	}
	r.jail.Backend = "auto" // the log that is tried is a file, whatever the jail reads
	r.overrideFilter()
	r.jail.LogEncoding, r.jail.LogTimezone = r.text("logencoding", "auto"), r.text("logtimezone", "")
	return r.jail, tidy(l.r.problems), true
}
