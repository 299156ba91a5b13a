package date

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options say how stamps are read.
type Options struct {
	Zone *time.Location // of stamps that name none (logtimezone); nil: the location of now
	Year int            // the current year: %ExY takes 2000 to the decade of Year+3; 0: every 20xx
}

// Templates are the timestamp formats of a datepattern, in the order they are tried at first.
// They are immutable and shared.
type Templates struct {
	list []*template
	zone *time.Location
}

// Shown is how reports call the datepattern: by its first template, or as the default ones where it has
// more than two.
func (t *Templates) Shown() string {
	if n := len(t.list); n == 0 || n > 2 {
		return "Default Detectors"
	}
	return t.list[0].name
}

// Parse reads the option datepattern (§2.6): one template per line, "" for the default list.
// {DEFAULT} adds that list, {^LN-BEG} alone its line-start half, {DATE} inside a line one
// template per default. The same template twice is an error unless a set adds it.
func Parse(datepattern string, o Options) (*Templates, error) {
	if o.Year == 0 {
		o.Year = 2096
	}
	p := parser{year: o.Year, seen: map[string]string{}}
	if strings.TrimSpace(datepattern) == "" {
		datepattern = "{DEFAULT}"
	}
	for line := range strings.SplitSeq(datepattern, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := p.add(line); err != nil {
			return nil, fmt.Errorf("read datepattern %q: %w", line, err)
		}
	}
	return &Templates{list: p.list, zone: o.Zone}, nil
}

type parser struct {
	year int
	seen map[string]string // name to the line it was written as
	list []*template
}

var errTwice = errors.New("this template is already in the list: remove one of the two lines")

func (p *parser) add(line string) error {
	switch {
	case strings.EqualFold(line, "{DEFAULT}"):
		if err := p.addLineBegin(false); err != nil {
			return err
		}
		return p.addOriginals()
	case strings.EqualFold(line, "{^LN-BEG}"):
		return p.addLineBegin(true)
	case strings.Contains(strings.ToUpper(line), "{DATE}"):
		return p.addSet(line)
	}
	t, err := p.single(line)
	if err != nil {
		return err
	}
	if err := t.ready(); err != nil {
		return err
	}
	if !p.keep(t, line) {
		return errTwice
	}
	return nil
}

// single builds the template of one line that is no set.
func (p *parser) single(line string) (*template, error) {
	rest, begin := line, false
	for _, mark := range []string{"^", "{^LN-BEG}"} {
		if foldPrefix(line, mark) {
			rest, begin = line[len(mark):], true
		}
	}
	switch strings.ToUpper(rest) {
	case "EPOCH":
		return newEpoch(false, begin), nil
	case "LEPOCH":
		return newEpoch(true, begin), nil
	case "TAI64N":
		return newTAI(begin), nil
	}
	if strings.EqualFold(line, "{NONE}") {
		return newNone(), nil
	}
	return newTemplate(line, p.year)
}

// addLineBegin adds the defaults bound to the line's start and, where all, behind them those that
// are so anyway.
func (p *parser) addLineBegin(all bool) error {
	var anyway []string
	for _, d := range defaults() {
		if strings.HasPrefix(d, "^") || strings.HasPrefix(d, "{^LN-BEG}") {
			anyway = append(anyway, d)
			continue
		}
		if err := p.addDefault("{^LN-BEG}"+d, 100); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	for _, d := range anyway {
		if err := p.addDefault(d, 1); err != nil {
			return err
		}
	}
	return nil
}

// addSet adds a line once for each default, the default in the place of {DATE}.
func (p *parser) addSet(line string) error {
	at := strings.Index(strings.ToUpper(line), "{DATE}")
	before, after := line[:at], line[at+len("{DATE}"):]
	for _, d := range defaults() {
		d = strings.TrimPrefix(d, "{^LN-BEG}")
		// fail2ban puts the name of a template that is no pattern into the line, not what it
		// means, unless nothing but a line start stands around it.
		simple := after == "" && (before == "" || before == "^" || strings.EqualFold(before, "{^LN-BEG}"))
		if d == "EPOCH" && !simple {
			d = "Epoch"
		}
		if err := p.addDefault(before+d+after, 1); err != nil {
			return err
		}
	}
	for _, t := range p.list {
		if err := t.ready(); err != nil {
			return err
		}
	}
	return nil
}

// addOriginals adds the defaults as they are.
func (p *parser) addOriginals() error {
	for _, d := range defaults() {
		if err := p.addDefault(d, 1); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) addDefault(line string, weight float64) error {
	t, err := p.single(line)
	if err != nil {
		return err
	}
	t.weight = weight
	if !p.keep(t, line) && (p.seen[t.name] == line || t.kind != fromFields && strings.EqualFold(p.seen[t.name], line)) {
		// The one that is there counts as the set's: fail2ban shares what is written alike, names
		// that stand for a template (Epoch) in any case.
		at := slices.IndexFunc(p.list, func(old *template) bool { return old.name == t.name })
		p.list[at].weight = max(p.list[at].weight, weight)
	}
	return nil
}

// keep appends the template unless one of its name is there.
func (p *parser) keep(t *template, line string) bool {
	if _, there := p.seen[t.name]; there {
		return false
	}
	p.seen[t.name] = line
	p.list = append(p.list, t)
	return true
}

// defaults is the default list (§2.6), target version. Its examples are in the test.
func defaults() []string {
	return []string{
		`%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?`,
		`(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?`,
		`(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?`,
		`%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S`,
		`%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?`,
		`%m/%d/%ExY:%H:%M:%S`,
		`%m-%d-%ExY %k:%M:%S(?:\.%f)?`,
		`EPOCH`,
		`{^LN-BEG}%H:%M:%S`,
		`^<%m/%d/%Exy@%H:%M:%S>`,
		`%Exy%Exm%Exd  ?%H:%M:%S`,
		`%b %d, %ExY %I:%M:%S %p`,
		`^%b-%d-%Exy %k:%M:%S`,
		`%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?`,
		`(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?`,
		`(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?`,
		`TAI64N`,
	}
}

func foldPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// replaceFold replaces every old, any case.
func replaceFold(text, old, replacement string) string {
	var b strings.Builder
	for {
		at := strings.Index(strings.ToUpper(text), old)
		if at < 0 {
			return b.String() + text
		}
		b.WriteString(text[:at] + replacement)
		text = text[at+len(old):]
	}
}
