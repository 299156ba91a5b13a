package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gaol/internal/control"
	"gaol/internal/event"
)

func (r *running) why(id string) *event.Account {
	r.t.Helper()
	return r.do(control.Why{ID: id}).Account
}

// reasons are why an address is not banned, in one text.
func (r *running) reasons(id string) string {
	r.t.Helper()
	var all []string
	for _, b := range r.why(id).Because {
		all = append(all, b.Why+" ["+b.Hint+"]")
	}
	return strings.Join(all, "\n")
}

// Whatever the answer is, it is known of an address: banned, counted, spared, forbidden, over,
// only mentioned, never seen.
func TestWhyOfAddresses(t *testing.T) {
	r := newRunning(t)
	r.start()
	defer r.end()
	r.fail("203.0.113.1", 3)
	r.wait("Ban 203.0.113.1")
	r.fail("203.0.113.2", 2)
	r.fail("198.51.100.200", 3)
	r.wait("Ignore 198.51.100.200")
	a := r.why("203.0.113.1")
	j := a.Jails[0]
	if !a.Banned || len(j.Bans) != 1 || len(j.Bans[0].Matches) != 3 || len(j.Kernel) != 1 || j.Kernel[0].Element != "203.0.113.1" || j.Lacks != "" || len(a.Because) != 0 {
		t.Errorf("banned: %+v", a)
	}
	for id, want := range map[string]string{
		"203.0.113.2":    "has counted 2 of 3 failures within 10m",
		"198.51.100.200": "jail.local:10: ignoreip has 198.51.100.200",
		"127.0.0.1":      "nobody bans it: it is a loopback address",
		"203.0.113.3":    "no jail has ever counted it, and no log names it (1 searched",
	} {
		if got := r.reasons(id); !strings.HasPrefix(got, want) && !strings.Contains(strings.SplitN(got, "\n", 2)[0], want) {
			t.Errorf("%s: %s\nwant %s", id, got, want)
		}
	}
	r.do(control.Unban{ID: "203.0.113.1"})
	if got := r.reasons("203.0.113.1"); !strings.Contains(got, "was lifted at") {
		t.Errorf("lifted: %s", got)
	}
}

// A running gaol explains lines by the filters of its jails, by a filter of its configuration and
// by regexes; it reads no file that a caller names.
func TestExplainCommand(t *testing.T) {
	r := newRunning(t)
	r.start()
	defer r.end()
	line := "2026-11-24 10:00:00 host sshd[7]: Connection closed by 203.0.113.66 port 4711 [preauth]"
	for want, c := range map[event.Outcome]control.Explain{
		event.LineHelps:  {Lines: []string{line}},
		event.LineCounts: {Lines: []string{line}, Filter: "sshd[mode=ddos]"},
		event.LineMissed: {Lines: []string{line}, Regexes: []string{"^open from <HOST>"}},
	} {
		if got := r.do(c).Explained; len(got) != 1 || got[0].Outcome != want {
			t.Errorf("%+v: %+v, want %s", c, got, want)
		}
	}
	spared := "2026-11-24 10:00:00 host sshd[7]: Failed password for root from 198.51.100.200 port 4711 ssh2"
	if got := r.do(control.Explain{Lines: []string{spared}, Jail: "sshd"}).Explained; len(got) != 1 || got[0].Outcome != event.LineSpared {
		t.Errorf("who is in ignoreip: %+v", got)
	}
	long := make([]string, 10)
	for i := range long {
		long[i] = strings.Repeat("x", event.MaxLine)
	}
	if _, err := r.e.Do(t.Context(), control.Explain{Lines: long}); err == nil || !strings.Contains(err.Error(), "bytes to explain") {
		t.Errorf("640 KiB of lines: %v", err)
	}
	for want, c := range map[control.Fault]control.Command{
		control.Refused: control.Explain{Lines: []string{line}, Filter: "/etc/shadow"},
		control.Unknown: control.Explain{Lines: []string{line}, Jail: "shed"},
		control.Invalid: control.Explain{Lines: make([]string, control.MaxExplained+1)},
	} {
		var fault *control.Error
		if _, err := r.e.Do(t.Context(), c); !errors.As(err, &fault) || fault.Fault != want {
			t.Errorf("%+v: %v, want it to be %s", c, err, want)
		}
	}
	if failed := r.do(control.Status{}).Status.Jails[0].TotalFailed; failed != 0 {
		t.Errorf("explaining counted %d failures", failed)
	}
}

// An address is found by itself, not as a part of another one.
func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"from 192.0.2.1 port": true, "192.0.2.1": true, "[192.0.2.1]:22": true, "192.0.2.1:22": true, "at 192.0.2.1.": true, "::ffff:192.0.2.1": true,
		"192.0.2.11": false, "1192.0.2.1": false, "192.0.2.1.5": false, "7.192.0.2.1": false, "": false, "x 192.0.2.15 192.0.2.1 y": true,
	} {
		if mentions(text, "192.0.2.1") != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
	for text, want := range map[string]bool{"2001:db8::1": true, "[2001:db8::1]": true, "2001:db8::1: no": true, "2001:db8::1f": false, "2001:db8::1:2": false, "1:2001:db8::1": false} {
		if mentions(text, "2001:db8::1") != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

// Of a log that is larger than what is searched only the end is read, from a line's beginning.
func TestSearchFileReadsTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(path, []byte("old 192.0.2.1\n"+strings.Repeat("x", 100)+" 192.0.2.1 cut\nnew 192.0.2.1\nlast 192.0.2.1"), 0o600))
	s, lines := searchFile(t.Context(), path, "192.0.2.1", 50)
	if s.Whole || s.Bytes != 50 || s.Lines != 2 || !slices.Equal(lines, []string{"new 192.0.2.1", "last 192.0.2.1"}) {
		t.Errorf("%+v, lines %q", s, lines)
	}
	if s, lines = searchFile(t.Context(), path, "192.0.2.1", 1000); !s.Whole || s.Lines != 4 || len(lines) != 4 {
		t.Errorf("all of it: %+v, lines %q", s, lines)
	}
}
