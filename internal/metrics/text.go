package metrics

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"gaol/internal/control"
)

// Write writes what the daemon's status says, in Prometheus' text format. Where the daemon does not
// answer, that is what it says.
func Write(out io.Writer, d control.Daemon) error {
	reg, err := registry(d)
	if err != nil {
		return err
	}
	families, err := reg.Gather()
	if err != nil {
		return fmt.Errorf("collect metrics: %w", err)
	}
	enc := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// WriteFile is Write into a file, which is replaced in one step: node_exporter never reads half
// of it.
func WriteFile(path string, d control.Daemon) error {
	reg, err := registry(d)
	if err != nil {
		return err
	}
	if err := prometheus.WriteToTextfile(path, reg); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func registry(d control.Daemon) (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	return reg, reg.Register(NewCollector(d))
}
