package cli

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/metrics"
)

// metricsCommand is `gaol metrics`: what /metrics says, without a port.
func metricsCommand() *cobra.Command {
	var f clientFlags
	var file string
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Print the daemon's status as Prometheus metrics",
		Long: "Prints what the running daemon counts in Prometheus' text format, for node_exporter's\n" +
			"textfile collector and for a look. Where no daemon answers, f2b_up is 0 and the exit\n" +
			"status 1. The times that bans took, and counts of events, are at /metrics alone, which\n" +
			"is served where metrics is set in gaol.conf:\n" +
			"\n" +
			"  [Definition]\n" +
			"  metrics = 127.0.0.1:8482",
		Example: "  gaol metrics\n" +
			"  gaol metrics --file /var/lib/prometheus/node-exporter/gaol.prom",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			d := &remembering{Daemon: f.client()}
			var err error
			if file != "" {
				err = metrics.WriteFile(file, d)
			} else {
				err = metrics.Write(c.OutOrStdout(), d)
			}
			if err == nil {
				err = d.err
			}
			return err
		},
	}
	f.add(c)
	c.Flags().StringVar(&file, "file", "", "write this file, replaced in one step, in place of standard output")
	return c
}

// metricsServices serve /metrics, if the configuration asks for it.
func (f *runFlags) metricsServices(conf *config.Config, log *slog.Logger) []engine.Service {
	c := conf.Global.Own.Metrics
	if c.Listen == "" || f.dryRun && f.socket == "" { // of a dry run: the real daemon may serve them
		return nil
	}
	return []engine.Service{{Name: "metrics", Start: func(d engine.Door) (func() error, error) {
		token, err := secretIn(c.TokenFile)
		if err == nil && c.TokenFile != "" && token == "" {
			err = withHint(errors.New("read secret: "+c.TokenFile+" is empty"), "openssl rand -hex 32 > "+c.TokenFile)
		}
		if err != nil {
			return nil, err
		}
		s, err := metrics.Open(d, metrics.Options{Listen: c.Listen, Token: token,
			Told: func(msg string, err error) { log.Warn(msg, "logger", "server", "error", err) }})
		if err != nil {
			return nil, err
		}
		log.Info("metrics are at "+s.URL(), "logger", "server")
		return s.Close, nil
	}}}
}

// remembering is a daemon whose last error is kept, for who makes a metric of it.
type remembering struct {
	control.Daemon
	err error
}

func (r *remembering) Do(ctx context.Context, c control.Command) (reply control.Reply, err error) {
	reply, r.err = r.Daemon.Do(ctx, c)
	return reply, r.err
}
