package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// construct is one thing that the filters of fail2ban 1.1 are written with.
type construct struct {
	name   string
	filter string            // the file
	params map[string]string // what a jail gives
	lines  []string
	want   []string // id and user of each line's failure; "": none
	newer  bool     // fail2ban 1.0.2 comes to something else (section 0 of the behaviour reference)
}

// sharedFilter is a file to include, with what fail2ban's has: sections for each log type, chosen by a tag.
const sharedFilter = `[DEFAULT]
_daemon = \S+
logtype = file
__prefix = <type_<logtype>/__prefix>
datepattern = <type_<logtype>/datepattern>

[type_file]
__prefix = \s*(?:\S+ )?%(_daemon)s(?:\[\d+\])?:\s
datepattern = {^LN-BEG}

[type_journal]
__prefix = \s*%(_daemon)s(?:\[\d+\])?:\s
datepattern = %(type_file/datepattern)s

[type_rfc5424]
__prefix = \s*\S+ %(_daemon)s \d+ - -\s
datepattern = ^<\d+>\d+\s+{DATE}
`

func constructs() []construct {
	const at = "2026-11-24 11:00:00 "
	in := func(text string) string {
		return "[INCLUDES]\nbefore = shared.conf\n\n[Definition]\n_daemon = app\n" + text + "\n"
	}
	def := func(text string) string { return "[Definition]\n" + text + "\n" }
	modes := in("failregex = ^%(__prefix)sfail <F-USER>\\w+</F-USER> from <ADDR>$\n  <more-<mode>>\nmore-normal =\nmore-extra = ^%(__prefix)sodd <ADDR>$\n" +
		"more-all = %(more-extra)s\n  ^%(__prefix)srude <ADDR>$\nmode = normal")
	talk := in(`prefregex = ^<F-MLFID>%(__prefix)s</F-MLFID><F-CONTENT>.+</F-CONTENT>$
failregex = ^fail <F-USER>\w+</F-USER> from <ADDR>$
  ^<F-NOFAIL>try</F-NOFAIL> <F-USER>\w+</F-USER> from <ADDR>$
  ^<F-MLFFORGET><F-MLFGAINED>ok</F-MLFGAINED></F-MLFFORGET> <F-USER>\w+</F-USER>$
  ^<F-MLFFORGET>bye</F-MLFFORGET> <ADDR>$
  ^too many <F-USER>\w+</F-USER>$`)
	return []construct{
		{name: "ADDR takes no host name", filter: def(`failregex = ^ x <ADDR>$`), lines: []string{at + "x 192.0.2.1", at + "x 2001:db8::1", at + "x [2001:db8::1]", at + "x example.org"}, want: []string{"192.0.2.1", "2001:db8::1", "2001:db8::1", ""}},
		{name: "the address of no digits", filter: def(`failregex = ^ x <ADDR>$`), lines: []string{at + "x ::"}, want: []string{"::"}, newer: true},
		{name: "SUBNET and CIDR", filter: def("failregex = ^ x <SUBNET>$\n  ^ y <IP4>/<CIDR>$"), lines: []string{at + "x 192.0.2.7/24", at + "y 192.0.2.7/30", at + "x 192.0.2.7"}, want: []string{"192.0.2.0/24", "192.0.2.4/30", "192.0.2.7"}},
		{name: "F-ID beside an address", filter: def(`failregex = ^ u=<F-ID>\w+</F-ID> <F-PORT/> <ADDR>$`), lines: []string{at + "u=bob 22 192.0.2.1"}, want: []string{"bob"}},
		{name: "F-ALT_USER", filter: def(`failregex = ^ u=<F-USER>\w*</F-USER> r=<F-ALT_USER>\w*</F-ALT_USER> <ADDR>$`), lines: []string{at + "u= r=bob 192.0.2.1", at + "u=al r=bob 192.0.2.1"}, want: []string{"192.0.2.1 bob", "192.0.2.1 al"}},
		{name: "F-TUPLE_ID", filter: def(`failregex = ^ <F-ID>\w+</F-ID> <F-TUPLE_ID>\w+</F-TUPLE_ID>$`), lines: []string{at + "a bob"}, want: []string{"('a', 'bob')"}},
		{name: "SKIPLINES", filter: "[Definition]\nfailregex = ^ start <F-ID>\\d</F-ID>$<SKIPLINES>^ end <ADDR>$\n[Init]\nmaxlines = 4\n", lines: []string{at + "start 7", at + "noise", at + "end 192.0.2.1"}, want: []string{"", "", "7"}},
		{name: "known extends a parameter", filter: "[Definition]\nfailregex = ^ (?:<words>) <ADDR>$\n[Init]\nwords = bad\n", params: map[string]string{"words": "<known/words>|worse"}, lines: []string{at + "bad 192.0.2.1", at + "worse 192.0.2.2"}, want: []string{"192.0.2.1", "192.0.2.2"}},
		{name: "a parameter in %()s", filter: def("_what = bad\nfailregex = ^ %(_what)s <ADDR>$"), params: map[string]string{"_what": "worse"}, lines: []string{at + "bad 192.0.2.1", at + "worse 192.0.2.2"}, want: []string{"", "192.0.2.2"}},
		{name: "mode", filter: modes, lines: []string{at + "h app[1]: fail al from 192.0.2.1", at + "h app[1]: odd 192.0.2.2"}, want: []string{"192.0.2.1 al", ""}},
		{name: "another mode", filter: modes, params: map[string]string{"mode": "all"}, lines: []string{at + "h app[1]: odd 192.0.2.2", at + "h app[1]: rude 192.0.2.3"}, want: []string{"192.0.2.2", "192.0.2.3"}},
		{name: "logtype journal", filter: modes, params: map[string]string{"logtype": "journal"}, lines: []string{at + "app[1]: fail al from 192.0.2.1", at + "h app[1]: fail al from 192.0.2.1"}, want: []string{"192.0.2.1 al", ""}},
		{name: "logtype rfc5424", filter: modes, params: map[string]string{"logtype": "rfc5424"}, lines: []string{"<38>1 2026-11-24T11:00:00Z h app 1 - - fail al from 192.0.2.1"}, want: []string{"192.0.2.1 al"}},
		{name: "NOFAIL waits for a failure", filter: talk, lines: []string{at + "h app[1]: try al from 192.0.2.1", at + "h app[1]: bye 192.0.2.1"}, want: []string{"", "192.0.2.1 al"}},
		{name: "MLFGAINED ends it", filter: talk, lines: []string{at + "h app[1]: try al from 192.0.2.1", at + "h app[1]: ok al", at + "h app[1]: try al from 192.0.2.1"}, want: []string{"", "", ""}},
		{name: "two users of one connection", filter: talk, lines: []string{at + "h app[1]: try al from 192.0.2.1", at + "h app[1]: try bob from 192.0.2.1"}, want: []string{"", "192.0.2.1 bob"}},
		{name: "an address that comes later", filter: talk, lines: []string{at + "h app[1]: too many al", at + "h app[1]: bye 192.0.2.1"}, want: []string{"", "192.0.2.1 al"}},
		{name: "a group that takes no part leaves prefregex's", filter: def("prefregex = ^ <F-USER>\\w+</F-USER> <F-CONTENT>.+</F-CONTENT>$\nfailregex = ^x <ADDR>(?: as <F-USER>\\w+</F-USER>)?$"), lines: []string{at + "al x 192.0.2.1", at + "al x 192.0.2.1 as bob"}, want: []string{"192.0.2.1 al", "192.0.2.1 bob"}, newer: true},
		{name: "i of its own group", filter: def(`failregex = ^ ((?i)BAD) (?:(?i)Login) from <ADDR>$`), lines: []string{at + "bad LOGIN from 192.0.2.1", at + "bad login From 192.0.2.1"}, want: []string{"192.0.2.1", ""}},
		{name: "conditional and backreference", filter: def(`failregex = ^ (?P<q>'|")?(?P<w>\w+)(?(q)(?P=q)|) is (?P=w) <ADDR>$`), lines: []string{at + "'al' is al 192.0.2.1", at + "al is al 192.0.2.1", at + "'al is al 192.0.2.1"}, want: []string{"192.0.2.1", "192.0.2.1", ""}},
		{name: "looking around", filter: def(`failregex = ^ (?!src_ip|id\b)(?:(?<!x)\w+(?= from)) from <ADDR>$`), lines: []string{at + "al from 192.0.2.1", at + "src_ip from 192.0.2.1", at + "ids from 192.0.2.1", at + "id from 192.0.2.1"}, want: []string{"192.0.2.1", "", "192.0.2.1", ""}},
		{name: "a repeat without lower limit", filter: def(`failregex = ^ \w{,3} <ADDR>$`), lines: []string{at + "abc 192.0.2.1", at + "abcd 192.0.2.1"}, want: []string{"192.0.2.1", ""}},
		{name: "a stamp with dash and colons", filter: def("failregex = ^ x <ADDR>$\ndatepattern = {^LN-BEG}"), lines: []string{"20261124-11:00:00 x 192.0.2.1"}, want: []string{"192.0.2.1"}, newer: true},
		{name: "EPOCH with a group of its own", filter: def("failregex = ^t= x <ADDR>$\ndatepattern = ^t=({EPOCH})"), lines: []string{"t=1795519080 x 192.0.2.1"}, want: []string{"192.0.2.1"}, newer: true},
		{name: "no stamp", filter: def("failregex = ^x <ADDR>$\ndatepattern = {NONE}"), lines: []string{"x 192.0.2.1"}, want: []string{"192.0.2.1"}},
	}
}

// What the filters of 1.1 are written with works, also where 1.0.2 knows it not or otherwise.
func TestDialect(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "filter.d", name+".conf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "filter.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("shared", sharedFilter)
	now := time.Date(2026, 11, 24, 11, 18, 0, 0, time.UTC)
	oracle := startFilterOracle(t, dir, now, nil)
	for _, c := range constructs() {
		v := variant{Filter: strings.ReplaceAll(c.name, " ", "-"), Params: c.params, Run: true, Lines: c.lines}
		v.Filter = strings.NewReplacer("%", "", "(", "", ")", "").Replace(v.Filter)
		write(v.Filter, c.filter)
		oracle.send(t, v)
		got := who(len(c.lines), feedAll(t, readVariant(t, dir, v), c.lines, now))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		older := who(len(c.lines), oracle.answer(t).failures(t))
		if reflect.DeepEqual(older, c.want) == c.newer {
			t.Errorf("%s: fail2ban 1.0.2 comes to %q, want %q: newer is %v", c.name, older, c.want, c.newer)
		}
	}
}

// who gives id and user of each line's failure.
func who(lines int, found map[int][]foundFailure) []string {
	list := make([]string, lines)
	for i, failures := range found {
		user, _ := failures[0].Fields["user"].(string)
		list[i] = strings.TrimSpace(failures[0].ID + " " + user)
	}
	return list
}

func (a filterAnswer) failures(t *testing.T) map[int][]foundFailure {
	t.Helper()
	found := map[int][]foundFailure{}
	for _, w := range a.Found {
		var line int
		var failures []foundFailure
		if json.Unmarshal(w[0], &line) != nil || json.Unmarshal(w[1], &failures) != nil {
			t.Fatalf("the oracle answers %s", w)
		}
		found[line] = failures
	}
	return found
}
