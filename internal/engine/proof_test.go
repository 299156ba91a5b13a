package engine

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/host"
)

// sign is a failure of a banned id: when its line was written, and when it was read, in seconds
// after the ban.
type sign struct{ written, read int }

func TestOnlyLinesWrittenAfterTheBanAreSigns(t *testing.T) {
	r := newRunning(t)
	r.start()
	w := r.e.find("sshd")
	asked := make(chan inquiry, 100)
	w.call(func() {
		w.deps.inquire = func(_ context.Context, q inquiry) *event.Leak {
			asked <- q
			return &event.Leak{ID: q.ban.ID, Why: "of a reason"}
		}
	})
	for name, tt := range map[string]struct {
		signs  []sign
		behind bool
		want   bool
	}{
		"lines of before, read late":           {signs: []sign{{0, 60}, {1, 60}, {2, 61}, {2, 62}}},
		"a log read late":                      {signs: []sign{{10, 100}, {20, 100}, {30, 101}, {40, 101}}},
		"a source that has not been caught up": {signs: []sign{{10, 10}, {14, 14}, {18, 18}}, behind: true},
		"two are no pattern":                   {signs: []sign{{10, 10}, {20, 20}}},
		"it goes on":                           {signs: []sign{{10, 10}, {11, 11}, {14, 14}}, want: true},
		"it goes on, and on":                   {signs: []sign{{10, 10}, {11, 11}, {14, 14}, {15, 15}, {80, 80}, {90, 90}}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			const id = "203.0.113.66"
			r.do(control.Ban{Jail: "sshd", ID: id})
			w.call(func() {
				w.leaks.asked, w.behind = time.Time{}, tt.behind
				b, _ := w.jail.Find(id)
				at := func(s int) time.Time { return b.Start.Add(time.Duration(s) * time.Second) }
				for _, s := range tt.signs {
					w.suspect(t.Context(), event.Failure{ID: id, Time: at(s.written)}, at(s.read))
				}
				w.behind = false
			})
			if tt.want {
				if q := <-asked; q.ban.ID != id || q.failures != 3 {
					t.Errorf("asked about %s after %d failures", q.ban.ID, q.failures)
				}
				r.wait("[sshd] " + id + " goes on failing")
				if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; len(s.Leaks) != 1 || s.Leaks[0].Failures != len(tt.signs) {
					t.Errorf("status has %+v", s.Leaks)
				}
			}
			r.do(control.Unban{ID: id})
			if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; len(s.Leaks) != 0 || len(asked) != 0 {
				t.Errorf("after the unban: %+v, %d more questions", s.Leaks, len(asked))
			}
		})
	}
}

func TestWhatIsLeftOfCauses(t *testing.T) {
	none, some := uint64(0), uint64(5)
	port := &firewall.Target{Ports: []firewall.PortRange{{First: 80, Last: 80}}}
	for name, tt := range map[string]struct {
		target  *firewall.Target
		dropped *uint64
		after   time.Duration
		want    string // "" is: nothing is said (yet)
	}{
		"nothing was dropped":               {port, &none, 5 * time.Second, "no packet to port 80 was dropped"},
		"ends of connections that were cut": {port, &some, time.Minute, ""},
		"a second way":                      {port, &some, 5 * time.Minute, "5 packets to port 80 were dropped since, and yet"},
		"the backend does not count":        {port, nil, 5 * time.Minute, ""},
		"action.d, soon":                    {nil, nil, time.Minute, ""},
		"action.d, later":                   {nil, nil, 5 * time.Minute, "nothing in the kernel's rules explains it"},
	} {
		now := time.Now()
		q := inquiry{plan: &plan{target: tt.target}, dropped: tt.dropped, since: now.Add(-tt.after), now: now}
		if why, hint := q.elsewhere(); !strings.HasPrefix(why, tt.want) || (why == "") != (tt.want == "") || (hint == "") != (why == "") {
			t.Errorf("%s: %q, hint %q; want %q", name, why, hint, tt.want)
		}
	}
}

// What looks like a foreign time zone, and what does not.
func TestSkew(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	w := &world{at: now}
	for name, tt := range map[string]struct {
		off  time.Duration
		zone *time.Location
		want string
	}{
		"the same":                    {-20 * time.Second, time.UTC, ""},
		"a clock that goes wrong":     {-40 * time.Minute, time.UTC, ""},
		"no zone is that far":         {-20 * time.Hour, time.UTC, ""},
		"ahead":                       {8*time.Hour - 2*time.Second, time.UTC, "UTC+0800"},
		"behind":                      {-5 * time.Hour, time.UTC, "UTC-0500"},
		"half an hour":                {5*time.Hour + 30*time.Minute, time.UTC, "UTC+0530"},
		"UTC on a machine in Germany": {-time.Hour, time.FixedZone("CET", 3600), "UTC+0000"},
	} {
		found := w.skew(config.Jail{Name: "j"}, "/log", now.Add(tt.off).In(tt.zone), now)
		if tt.want == "" && len(found) != 0 || tt.want != "" && (len(found) != 1 || !strings.Contains(found[0].Hint, "logtimezone = "+tt.want+"`")) {
			t.Errorf("%s: %v, want %q", name, found, tt.want)
		}
	}
	if found := w.skew(config.Jail{}, "/log", now.Add(8*time.Hour-25*time.Hour), now.Add(-25*time.Hour)); len(found) != 0 {
		t.Errorf("a log that was copied yesterday: %v", found)
	}
}

// The port of a container is judged by the one container that writes the log, if there is one.
func TestPortsOfTheLogsContainer(t *testing.T) {
	bridge := []container.Network{{Name: "bridge", Driver: "bridge", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2")}}}
	box := func(name string, ports ...container.Binding) container.Container {
		return container.Container{Name: name, Networks: bridge, Ports: ports, Mounts: []container.Mount{{Source: "/srv/log", Destination: "/var/log"}}}
	}
	published := container.Binding{Proto: "tcp", HostPort: 2222, Port: 22}
	for name, tt := range map[string]struct {
		containers []container.Container
		port       string
		want       string
	}{
		"its own port":      {[]container.Container{box("jumps", published)}, "22", "closes port 22 of this machine, but its log is container jumps's"},
		"the published one": {[]container.Container{box("jumps", published)}, "2222", ""},
		"all ports":         {[]container.Container{box("jumps", published)}, "0:65535", ""},
		"two share the log": {[]container.Container{box("a", published), box("b")}, "22", ""},
		"behind a proxy":    {[]container.Container{box("app")}, "80", "which publishes no port"},
	} {
		w := &world{now: container.Snapshot{Containers: tt.containers}, floor: &host.Floor{}}
		j := config.Jail{Name: "j", FilterName: "nobody-listens", LogPath: []string{"/srv/log/auth.log head"}, Actions: []config.Action{{Native: true, Port: tt.port, Protocol: "tcp"}}}
		found := w.service(j)
		if tt.want == "" && len(found) != 0 || tt.want != "" && (len(found) != 1 || !strings.Contains(found[0].Msg, tt.want)) {
			t.Errorf("%s: %v, want %q", name, found, tt.want)
		}
	}
}
