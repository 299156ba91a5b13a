package cli

import (
	"log/slog"

	"gaol/internal/config"
	"gaol/internal/engine"
	"gaol/internal/gate"
)

// gateServices keep the banned out where packets do not help, if the configuration asks for it.
func (f *runFlags) gateServices(conf *config.Config, log *slog.Logger) []engine.Service {
	c := conf.Global.Own.Gate
	if c.Listen == "" && len(c.Files) == 0 || f.dryRun && f.socket == "" { // of a dry run: the real daemon may serve it
		return nil
	}
	o := gate.Options{Listen: c.Listen, Header: c.Header, Trusted: c.Trusted, Closed: c.Closed, Command: c.Command,
		Told: func(msg string, err error) { log.Warn(msg, "logger", "server", "error", err) }}
	for _, file := range c.Files {
		o.Files = append(o.Files, gate.File{Path: file.Path, Format: gate.Format(file.Format)})
	}
	return []engine.Service{{Name: "forward_auth", Start: func(d engine.Door) (func() error, error) {
		g, err := gate.Open(d, o)
		if err != nil {
			return nil, err
		}
		if c.Listen != "" {
			log.Info("proxies are answered at "+g.Addr(), "logger", "server")
		}
		return g.Close, nil
	}}}
}
