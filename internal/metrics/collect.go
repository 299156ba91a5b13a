package metrics

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gaol/internal/control"
	"gaol/internal/event"
)

// askLimit is how long a scrape waits for the daemon's status; Prometheus itself waits 10 s.
const askLimit = 8 * time.Second

// Collector makes samples of the daemon's status each time it is asked.
type Collector struct {
	daemon   control.Daemon
	families []described
	version  *prometheus.Desc
	build    *prometheus.Desc
	errors   *prometheus.Desc

	unreached, refused atomic.Uint64
}

type described struct {
	family
	desc *prometheus.Desc
}

// NewCollector is a Collector for a daemon, in this process or behind a socket.
func NewCollector(d control.Daemon) *Collector {
	c := &Collector{
		daemon:  d,
		version: prometheus.NewDesc("f2b_version", "Version of who tells the metrics, and of the daemon.", []string{"exporter", "fail2ban"}, nil),
		build:   prometheus.NewDesc("gaol_build_info", "1, with the version.", []string{"version", "go"}, nil),
		errors:  prometheus.NewDesc("f2b_errors", "How often the daemon was not reached (socket_conn), or gave no answer (socket_req).", []string{"type"}, nil),
	}
	for _, f := range statusFamilies() {
		c.families = append(c.families, described{f, prometheus.NewDesc(f.name, f.help, f.allLabels(), nil)})
	}
	return c
}

func statusFamilies() []family {
	return slices.Concat(daemonFamilies(), dashboardFamilies(), jailFamilies(), partFamilies())
}

func (f family) allLabels() []string {
	if f.jail == nil {
		return f.labels
	}
	return append([]string{"jail"}, f.labels...)
}

// Describe is prometheus.Collector's.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	to <- c.version
	to <- c.build
	to <- c.errors
	for _, f := range c.families {
		to <- f.desc
	}
}

// Collect is prometheus.Collector's. Where the daemon does not answer, f2b_up is 0 and the rest is
// not there.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	s, err := c.ask(ctx)
	if err != nil {
		to <- prometheus.MustNewConstMetric(c.families[0].desc, gauge, 0)
	} else {
		to <- prometheus.MustNewConstMetric(c.version, gauge, 1, label(s.Version), label(s.Version))
		to <- prometheus.MustNewConstMetric(c.build, gauge, 1, label(s.Version), runtime.Version())
		for _, f := range c.families {
			f.collect(s, to)
		}
	}
	to <- prometheus.MustNewConstMetric(c.errors, counter, float64(c.unreached.Load()), "socket_conn")
	to <- prometheus.MustNewConstMetric(c.errors, counter, float64(c.refused.Load()), "socket_req")
}

func (c *Collector) ask(ctx context.Context) (*event.Status, error) {
	reply, err := c.daemon.Do(ctx, control.Status{Brief: true})
	if err == nil && reply.Status == nil {
		err = errors.New("read status: the daemon sent none")
	}
	if err == nil {
		return reply.Status, nil
	}
	if e := (*control.Error)(nil); errors.As(err, &e) && (e.Fault == control.Absent || e.Fault == control.Denied) {
		c.unreached.Add(1)
	} else {
		c.refused.Add(1)
	}
	return nil, err
}

func (f *described) collect(s *event.Status, to chan<- prometheus.Metric) {
	if f.daemon != nil {
		f.daemon(s, func(v float64, labels ...string) { to <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...) })
		return
	}
	for i := range s.Jails {
		j := &s.Jails[i]
		f.jail(j, func(v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(f.desc, f.kind, v, append([]string{label(j.Name)}, labels...)...)
		})
	}
}

// Families are all metrics, for documentation.
func Families() (all []Family) {
	all = []Family{
		{Name: "f2b_version", Help: "Version of who tells the metrics, and of the daemon.", Type: "gauge", Labels: []string{"exporter", "fail2ban"}},
		{Name: "f2b_errors", Help: "How often the daemon was not reached (socket_conn), or gave no answer (socket_req).", Type: "counter", Labels: []string{"type"}},
		{Name: "gaol_build_info", Help: "1, with the version.", Type: "gauge", Labels: []string{"version", "go"}},
	}
	for _, f := range statusFamilies() {
		kind := "gauge"
		if f.kind == counter {
			kind = "counter"
		}
		all = append(all, Family{Name: f.name, Help: f.help, Type: kind, Labels: f.allLabels()})
	}
	return append(all, busFamilies()...)
}
