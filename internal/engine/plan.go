package engine

import (
	"errors"
	"fmt"
	"strings"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/date"
	"gaol/internal/filter"
	"gaol/internal/firewall"
	"gaol/internal/host"
)

// plan is a jail made ready: everything that can fail without touching the kernel, a log or
// the store has succeeded. A reload plans all jails before it stops the first.
type plan struct {
	conf      config.Jail
	program   *filter.Program
	dates     *date.Templates
	decode    func(string) string // logencoding; nil: UTF-8
	ignore    *host.List
	proxies   *host.Guard      // trusted_proxies
	target    *firewall.Target // nil: the jail has no native ban action
	actions   []config.Action  // action.d commands
	container container.Ref    // whose ports are closed; zero: this machine's
	bare      bool             // made by fail2ban-client add: it may be without logs
}

// makePlan compiles a jail. The error names file and line of what is wrong.
func makePlan(j config.Jail, resolver *host.Resolver, year int) (*plan, error) {
	return (*shelf)(nil).makePlan(j, resolver, year)
}

// makePlan is makePlan with what other jails have compiled.
func (s *shelf) makePlan(j config.Jail, resolver *host.Resolver, year int) (*plan, error) {
	p := &plan{conf: j}
	var err error
	if p.program, err = s.program(specOf(j)); err != nil {
		return nil, err
	}
	zone, err := date.ParseZone(j.LogTimezone)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.Where("logtimezone"), err)
	}
	if p.dates, err = s.templates(j.Filter.DatePattern, j.LogTimezone, date.Options{Zone: zone, Year: year}); err != nil {
		return nil, fmt.Errorf("%s: %w", j.Filter.DatePatternPos, err)
	}
	var bad []error
	p.ignore, bad = host.ParseList(j.IgnoreIP, resolver)
	if len(bad) > 0 {
		return nil, fmt.Errorf("%s: %w", j.Where("ignoreip"), errors.Join(bad...))
	}
	if j.Container != "" {
		if p.container, err = container.ParseRef(j.Container); err != nil {
			return nil, fmt.Errorf("%s: %w", j.Where("container"), err)
		}
	}
	if p.proxies, err = readProxies(j.TrustedProxies); err != nil {
		return nil, fmt.Errorf("%s: %w", j.Where("trusted_proxies"), err)
	}
	if p.decode, err = date.Decoder(j.LogEncoding); err != nil {
		return nil, fmt.Errorf("%s: %w", j.Where("logencoding"), err)
	}
	if _, err := p.formula(); err != nil {
		return nil, err
	}
	if _, err := parseIgnoreCache(j.IgnoreCache); err != nil {
		return nil, fmt.Errorf("%s: %w", j.Where("ignorecache"), err)
	}
	return p, p.sortActions()
}

// sortActions tells the native ban from the action.d commands.
func (p *plan) sortActions() error {
	for _, a := range p.conf.Actions {
		if !a.Native {
			p.actions = append(p.actions, a)
			continue
		}
		t, err := targetOf(p.conf.Name, a)
		if err != nil {
			return fmt.Errorf("%s: %w", p.conf.Where("port"), err)
		}
		if p.target == nil {
			p.target = &t
			continue
		}
		if p.target.Block != t.Block {
			return fmt.Errorf("%s: one jail with both blocktype %s and %s; give each its own jail", a.Pos, p.target.Block, t.Block)
		}
		*p.target = widened(*p.target, t)
	}
	return nil
}

// targetOf reads what a native action closes.
func targetOf(jail string, a config.Action) (firewall.Target, error) {
	t := firewall.Target{Jail: jail}
	var err error
	if t.Ports, err = firewall.ParsePorts(a.Port); err != nil {
		return t, err
	}
	if t.Protocols, err = firewall.ParseProtocols(a.Protocol); err != nil {
		return t, err
	}
	t.Block, err = firewall.ParseBlock(a.BlockType)
	return t, err
}

// widened is a target that closes what a closes and what b closes.
func widened(a, b firewall.Target) firewall.Target {
	if a.Ports == nil || b.Ports == nil {
		a.Ports = nil
	} else {
		a.Ports = append(a.Ports, b.Ports...)
	}
	if a.Protocols == nil || b.Protocols == nil {
		a.Protocols = nil
	} else {
		a.Protocols = append(a.Protocols, b.Protocols...)
	}
	return a
}

// specOf is the filter of a jail as room filter takes it.
func specOf(j config.Jail) filter.Spec {
	f := j.Filter
	s := filter.Spec{Name: j.FilterName, Prefregex: ruleOf(f.Prefregex), MaxLines: f.MaxLines, UseDNS: j.UseDNS}
	for _, r := range f.Failregex {
		s.Failregex = append(s.Failregex, ruleOf(r))
	}
	for _, r := range f.Ignoreregex {
		s.Ignoreregex = append(s.Ignoreregex, ruleOf(r))
	}
	return s
}

func ruleOf(r config.Rule) filter.Rule {
	if r.Expr == "" {
		return filter.Rule{}
	}
	return filter.Rule{Expr: r.Expr, Where: r.Pos.String()}
}

// actionNames lists what a jail does with an offender, for Status.
func (p *plan) actionNames() []string {
	var names []string
	for _, a := range p.conf.Actions {
		names = append(names, a.Name)
	}
	return names
}

// journal says whether the jail reads the systemd journal by its backend.
func (p *plan) journal() bool { return strings.HasPrefix(p.conf.Backend, "systemd") }
