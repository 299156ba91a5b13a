package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/host"
)

// daemonSetting is a setting of the whole daemon (§5.3). The database is gaol's own: dbfile
// shows the one of fail2ban that the configuration names.
func (e *engine) daemonSetting(key string) (any, error) {
	e.mu.Lock()
	g, jails := e.conf.Global, e.conf.Jails
	e.mu.Unlock()
	switch key {
	case "loglevel":
		if e.o.LogFile != nil {
			return e.o.LogFile.Setting(key), nil
		}
		return g.LogLevel, nil
	case "logtarget":
		if e.o.LogFile != nil {
			return e.o.LogFile.Setting(key), nil
		}
		return g.LogTarget, nil
	case "syslogsocket":
		if e.o.LogFile != nil {
			return e.o.LogFile.Setting(key), nil
		}
		return g.SyslogSocket, nil
	case "dbfile":
		if strings.EqualFold(g.DBFile, "none") {
			return nil, nil
		}
		return g.DBFile, nil
	case "dbmaxmatches":
		return g.DBMaxMatches, nil
	case "dbpurgeage":
		return seconds(g.DBPurgeAge), nil
	case "allowipv6":
		return g.AllowIPv6, nil
	case "thread":
		n := 0
		if g.StackSize != nil {
			n = *g.StackSize
		}
		return control.Dict{{Key: "stacksize", Value: n}}, nil
	case "jails": // in the order of the configuration
		names := []string{}
		for _, j := range jails {
			names = append(names, j.Name)
		}
		return names, nil
	}
	return nil, missingWord()
}

func (e *engine) setDaemon(key string, args []string) (any, error) {
	if len(args) == 0 {
		return nil, missingWord()
	}
	value := args[0]
	switch key {
	case "loglevel":
		return e.setLog(key, value, "ValueError", "Invalid log level "+pyRepr(strings.ToUpper(value)))
	case "logtarget":
		return e.setLog(key, value, "Exception", "Failed to change log target")
	case "dbfile":
		if now, _ := e.daemonSetting(key); now != value && len(e.running()) > 0 {
			return nil, invalid("RuntimeError", "Cannot change database when there are jails present")
		}
		if err := e.setGlobal(func(g *config.Global) { g.DBFile = value }); err != nil {
			return nil, err
		}
		return e.daemonSetting(key)
	case "dbmaxmatches":
		n, err := number(value)
		if err != nil {
			return nil, err
		}
		return n, e.setGlobal(func(g *config.Global) { g.DBMaxMatches = n })
	case "dbpurgeage":
		d, err := span(value)
		if err != nil {
			return nil, err
		}
		return seconds(d), e.setGlobal(func(g *config.Global) { g.DBPurgeAge = d })
	case "syslogsocket":
		return e.setLog(key, value, "Exception", "Failed to change log target")
	case "allowipv6":
		return value, e.setGlobal(func(g *config.Global) { g.AllowIPv6 = value })
	case "thread":
		return e.setStackSize(args)
	}
	return nil, missingWord()
}

// setStackSize keeps the number for those who ask. It has no effect: stacks of goroutines grow
// by themselves.
func (e *engine) setStackSize(args []string) (any, error) {
	if len(args) != 2 || args[0] != "stacksize" {
		return nil, invalid("KeyError", "unknown option "+pyRepr(args[0]))
	}
	n, err := number(args[1])
	if err != nil {
		return nil, err
	}
	if n != 0 && n < 32 {
		return nil, invalid("ValueError", fmt.Sprintf("size not valid: %d bytes", n<<10))
	}
	return nil, e.setGlobal(func(g *config.Global) { g.StackSize = &n })
}

func (e *engine) setGlobal(change func(*config.Global)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := *e.conf // others may be reading it
	change(&c.Global)
	e.conf = &c
	return nil
}

func (e *engine) setLog(key, value, class, msg string) (any, error) {
	if e.o.LogFile == nil {
		return nil, &control.Error{Fault: control.Refused, Msg: "set " + key + ": " + errNoLogFile.Error()}
	}
	if err := e.o.LogFile.Set(key, value); err != nil {
		e.log.Error("set "+key, "error", err)
		return nil, invalid(class, msg)
	}
	return e.daemonSetting(key)
}

func (e *engine) attempt(ctx context.Context, c control.Attempt) (any, error) {
	w := e.find(c.Jail)
	if w == nil {
		return nil, e.noJail(c.Jail)
	}
	id, kind := host.ParseID(c.ID)
	if kind == event.Name {
		kind = event.Raw
	}
	counted := 0
	w.call(func() { counted = w.attempt(ctx, c, id, kind) })
	return counted, nil
}

// controlJail makes, starts or stops one jail.
func (e *engine) controlJail(c control.ControlJail) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	w := e.find(c.Jail)
	switch {
	case c.Op == "add" && w != nil:
		return invalid("fail2ban.exceptions.DuplicateJailException", c.Jail)
	case c.Op == "add":
		return e.addJail(c)
	case w == nil:
		return e.noJail(c.Jail)
	case c.Op == "stop":
		return e.remove(w)
	case c.Op == "start":
		return nil
	}
	return invalid("Exception", fmt.Sprintf("a jail can be added, started and stopped, not %q", c.Op))
}

// addJail makes a jail without filter and logs, with the defaults of fail2ban's server (§3).
func (e *engine) addJail(c control.ControlJail) error {
	if c.Jail == "" || strings.ContainsAny(c.Jail, "/\n\x00") || len(c.Jail) > 100 {
		return invalid("ValueError", "no name of a jail: "+pyRepr(c.Jail))
	}
	backend := c.Backend
	if backend == "" {
		backend = "auto"
	}
	known := []string{"pyinotify", "gamin", "polling", "systemd"}
	if name, _, _ := strings.Cut(strings.ToLower(backend), "["); name != "auto" && !slices.Contains(known, name) {
		return invalid("ValueError", "Unknown backend "+backend+". Must be among ['pyinotify', 'gamin', 'polling', 'systemd'] or 'auto'")
	}
	p, err := e.deps.shelf.makePlan(config.Jail{Name: c.Jail, Enabled: true, Pos: config.Pos{File: "fail2ban-client"}, Backend: backend,
		LogEncoding: "auto", MaxRetry: 3, MaxMatches: 5, FindTime: 10 * time.Minute, BanTime: 10 * time.Minute,
		IgnoreSelf: true, UseDNS: "warn", Filter: config.FilterSpec{UseDNS: "warn"}, Options: map[string]config.Value{},
	}, e.deps.resolver, e.o.Now().Year())
	if err != nil {
		return err
	}
	p.bare = true
	return e.replace(p, true)
}
