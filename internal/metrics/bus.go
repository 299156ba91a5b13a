package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"gaol/internal/event"
)

// tally counts what only the bus tells.
type tally struct {
	decisions *prometheus.CounterVec
	events    *prometheus.CounterVec
	read      *prometheus.HistogramVec
	stamp     *prometheus.HistogramVec
}

// decisions are the happenings that are decisions about one id.
func decisions() []event.What {
	return []event.What{event.Banned, event.Unbanned, event.Prolonged, event.Raised, event.Spared}
}

// others are the happenings that are none.
func others() []event.What {
	return []event.What{event.Leaked, event.Allowed, event.Disallowed, event.Held, event.JailStarted, event.JailStopped, event.JailBroken,
		event.SourceFails, event.SourceMended, event.ActionFails, event.Repaired, event.FirewallFails, event.FirewallMended, event.Reloaded, event.Missed}
}

func busFamilies() []Family {
	return []Family{
		{Name: "gaol_decisions_total", Help: "Decisions that were carried out, restored bans left out.", Type: "counter", Labels: []string{"jail", "decision"}, Bus: true},
		{Name: "gaol_events_total", Help: "What else came to pass; missed: events that these counts lack.", Type: "counter", Labels: []string{"event"}, Bus: true},
		{Name: "gaol_time_to_ban_seconds", Help: "From reading the line that led to a ban until the kernel had the ban.", Type: "histogram", Labels: []string{"jail"}, Bus: true},
		{Name: "gaol_failure_to_ban_seconds", Help: "From the stamp of that line, often whole seconds, until the kernel had the ban.", Type: "histogram", Labels: []string{"jail"}, Bus: true},
	}
}

func newTally() *tally {
	f := busFamilies()
	opts := func(i int) prometheus.CounterOpts { return prometheus.CounterOpts{Name: f[i].Name, Help: f[i].Help} }
	t := &tally{
		decisions: prometheus.NewCounterVec(opts(0), f[0].Labels),
		events:    prometheus.NewCounterVec(opts(1), f[1].Labels),
		read: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f[2].Name, Help: f[2].Help,
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}}, f[2].Labels),
		stamp: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f[3].Name, Help: f[3].Help,
			Buckets: []float64{.25, .5, 1, 2, 3, 5, 10, 30, 60, 300, 3600}}, f[3].Labels),
	}
	for _, what := range others() {
		t.events.WithLabelValues(string(what))
	}
	return t
}

func (t *tally) collectors() []prometheus.Collector {
	return []prometheus.Collector{t.decisions, t.events, t.read, t.stamp}
}

// expect begins a jail's counts at 0, so that the first ban is an increase.
func (t *tally) expect(jail string) {
	for _, what := range decisions() {
		t.decisions.WithLabelValues(label(jail), string(what))
	}
	t.read.WithLabelValues(label(jail))
	t.stamp.WithLabelValues(label(jail))
}

func (t *tally) count(h event.Happening) {
	jail := label(h.Jail)
	switch h.What {
	case event.Banned, event.Unbanned, event.Prolonged, event.Raised, event.Spared:
		if !h.Restored {
			t.decisions.WithLabelValues(jail, string(h.What)).Inc()
		}
	case event.Missed:
		t.events.WithLabelValues(string(h.What)).Add(float64(h.Count))
	case event.JailStarted:
		t.expect(h.Jail)
		fallthrough
	default:
		t.events.WithLabelValues(string(h.What)).Inc()
	}
	if h.What == event.Banned && h.Took > 0 {
		t.read.WithLabelValues(jail).Observe(h.Took.Seconds())
		if h.Ban != nil {
			t.stamp.WithLabelValues(jail).Observe(max(h.Time.Sub(h.Ban.Start).Seconds(), 0))
		}
	}
}
