package metrics

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"gaol/internal/event"
)

// Family is one metric as documentation lists it.
type Family struct {
	Name, Help string
	Type       string // counter, gauge or histogram
	Labels     []string
	Bus        bool // counted from what happens, so that only the daemon itself has it
}

// emit gives out one sample.
type emit func(value float64, labels ...string)

// family is a metric whose samples come out of a status: of the daemon, or of each jail, which
// then is its first label. Labels are jails, logs, actions and places of the configuration, never
// what stands in a log.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	daemon     func(*event.Status, emit)
	jail       func(*event.JailStatus, emit)
}

// mostSources is how many logs of a jail have samples of their own: who can make files that a
// pattern of logpath matches must not fill Prometheus' memory.
const mostSources = 100

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func daemonFamilies() []family {
	return []family{
		{name: "f2b_up", help: "Whether the daemon answers.", kind: gauge, daemon: func(_ *event.Status, e emit) { e(1) }},
		{name: "f2b_jail_count", help: "Jails that run.", kind: gauge, daemon: func(s *event.Status, e emit) { e(float64(running(s))) }},
		{name: "gaol_start_time_seconds", help: "When the daemon began, in seconds since 1970.", kind: gauge,
			daemon: func(s *event.Status, e emit) { e(float64(s.Started.UnixMilli()) / 1000) }},
		{name: "gaol_dry_run", help: "1 where the daemon only says whom it would ban.", kind: gauge, daemon: func(s *event.Status, e emit) { e(toggle(s.DryRun)) }},
		{name: "gaol_firewall_ok", help: "0 where rules or bans may not be in force.", kind: gauge, daemon: func(s *event.Status, e emit) { e(toggle(s.FirewallProblem == "")) }},
		{name: "gaol_config_problems", help: "Problems that were found in the configuration.", kind: gauge, daemon: func(s *event.Status, e emit) { e(float64(len(s.Problems))) }},
		{name: "gaol_repairs_total", help: "How often rules or bans that the kernel had lost were put back.", kind: counter,
			daemon: func(s *event.Status, e emit) { e(float64(s.Repairs)) }},
		{name: "gaol_jails", help: "Jails of the configuration, by whether they run.", kind: gauge, labels: []string{"state"}, daemon: func(s *event.Status, e emit) {
			n := running(s)
			e(float64(n), "running")
			e(float64(len(s.Jails)-n), "broken")
		}},
	}
}

// dashboardFamilies have the names that the dashboards of fail2ban_exporter ask for, and its types.
func dashboardFamilies() []family {
	return []family{
		{name: "f2b_jail_banned_current", help: "Bans of the jail that are in force.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.CurrentlyBanned)) })},
		{name: "f2b_jail_banned_total", help: "Bans of the jail since the start.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.TotalBanned)) })},
		{name: "f2b_jail_failed_current", help: "Clients that failed within findtime and are not banned.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.CurrentlyFailed)) })},
		{name: "f2b_jail_failed_total", help: "Failures of the jail since the start.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.TotalFailed)) })},
		{name: "f2b_config_jail_ban_time", help: "bantime of the jail in seconds; -1: for ever.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(seconds(j.BanTime)) })},
		{name: "f2b_config_jail_find_time", help: "findtime of the jail in seconds.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(seconds(j.FindTime)) })},
		{name: "f2b_config_jail_max_retries", help: "maxretry of the jail.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.MaxRetry)) })},
	}
}

func jailFamilies() []family {
	return []family{
		{name: "gaol_jail_up", help: "1 where the jail runs and lacks nothing.", kind: gauge, jail: func(j *event.JailStatus, e emit) { e(toggle(j.Running && j.Problem == "")) }},
		{name: "gaol_jail_held", help: "1 where new bans wait, since there are more than maxbans or maxbanrate allow.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(toggle(j.Held != "")) })},
		{name: "gaol_bans", help: "Bans in force.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.CurrentlyBanned)) })},
		{name: "gaol_folds", help: "Prefixes that stand for many bans in the kernel.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(len(j.Folds))) })},
		{name: "gaol_lines_total", help: "Lines that the jail read.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.Lines)) })},
		{name: "gaol_lines_cut_total", help: "Lines that were longer than 64 KiB and were cut.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.CutLines)) })},
		{name: "gaol_failures_total", help: "Failures that the jail counted.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.TotalFailed)) })},
		{name: "gaol_failures_dropped_total", help: "Failures that were not counted, since a name server or ignorecommand was too slow.", kind: counter,
			jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.Dropped)) })},
		{name: "gaol_regex_aborts_total", help: "Searches that were given up since an expression took too many steps.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.Aborted)) })},
		{name: "gaol_packets_dropped_total", help: "Packets that the jail's native rules dropped since they were laid.", kind: counter, jail: func(j *event.JailStatus, e emit) {
			if j.Packets != nil {
				e(float64(*j.Packets))
			}
		}},
		{name: "gaol_jail_repairs_total", help: "How often bans of the jail were put back into the kernel.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.Repairs)) })},
		{name: "gaol_leaks", help: "Bans that do not work: their clients go on failing. 20 at most.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(len(j.Leaks))) })},
		{name: "gaol_leaks_total", help: "Bans that did not work, since the start.", kind: counter, jail: runs(func(j *event.JailStatus, e emit) { e(float64(j.TotalLeaks)) })},
	}
}

// partFamilies have a second label.
func partFamilies() []family {
	return []family{
		{name: "gaol_regex_failures_total", help: "Failures that the failregexes of one line of the configuration found.", kind: counter, labels: []string{"regex"}, jail: func(j *event.JailStatus, e emit) {
			for _, x := range j.Regexes {
				e(float64(x.Failures), x.Where)
			}
		}},
		{name: "gaol_sources", help: "Logs of the jail, also those beyond the 100 that are told one by one.", kind: gauge, jail: runs(func(j *event.JailStatus, e emit) { e(float64(len(j.Sources))) })},
		{name: "gaol_source_up", help: "0 where the log is not there.", kind: gauge, labels: []string{"source"}, jail: sources(func(s event.SourceStatus, e emit) { e(toggle(s.Found), label(s.Name)) })},
		{name: "gaol_source_lines_total", help: "Lines that the jail read of the log.", kind: counter, labels: []string{"source"}, jail: sources(func(s event.SourceStatus, e emit) { e(float64(s.Lines), label(s.Name)) })},
		{name: "gaol_source_behind_bytes", help: "Bytes of the log that are not read yet.", kind: gauge, labels: []string{"source"}, jail: sources(func(s event.SourceStatus, e emit) {
			if s.Behind != nil {
				e(float64(*s.Behind), label(s.Name))
			}
		})},
		{name: "gaol_action_failing", help: "1 where the action's last command failed.", kind: gauge, labels: []string{"action"}, jail: actions(func(a event.ActionStatus, e emit) { e(toggle(a.Failing), label(a.Name)) })},
		{name: "gaol_action_failures_total", help: "Commands of the action that failed.", kind: counter, labels: []string{"action"}, jail: actions(func(a event.ActionStatus, e emit) { e(float64(a.Failures), label(a.Name)) })},
		{name: "gaol_action_waiting", help: "Commands that wait, in a queue that all jails with the action share.", kind: gauge, labels: []string{"action"}, jail: actions(func(a event.ActionStatus, e emit) { e(float64(a.Waiting), label(a.Name)) })},
		{name: "gaol_action_dropped_total", help: "Notifications of the action that its full queue dropped.", kind: counter, labels: []string{"action"}, jail: actions(func(a event.ActionStatus, e emit) { e(float64(a.Dropped), label(a.Name)) })},
	}
}

// runs leaves out jails that do not run: fail2ban would not have them.
func runs(of func(*event.JailStatus, emit)) func(*event.JailStatus, emit) {
	return func(j *event.JailStatus, e emit) {
		if j.Running {
			of(j, e)
		}
	}
}

func sources(of func(event.SourceStatus, emit)) func(*event.JailStatus, emit) {
	return func(j *event.JailStatus, e emit) {
		for _, s := range j.Sources[:min(len(j.Sources), mostSources)] {
			of(s, e)
		}
	}
}

func actions(of func(event.ActionStatus, emit)) func(*event.JailStatus, emit) {
	return func(j *event.JailStatus, e emit) {
		for _, a := range j.ActionStates {
			of(a, e)
		}
	}
}

func running(s *event.Status) (n int) {
	for _, j := range s.Jails {
		if j.Running {
			n++
		}
	}
	return n
}

func toggle(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return d.Seconds()
}

// label is a file's name as a label, which has to be UTF-8: one that is not must not end the
// scrape of all the rest. What does not print, and may command a terminal, is quoted as well.
func label(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
