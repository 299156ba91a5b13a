package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"gaol/internal/event"
	"gaol/internal/pattern"
)

// conversation is a small filter with a memory.
func conversation(t *testing.T) *Program {
	t.Helper()
	p, err := filterCase{
		Pref: `^<F-MLFID>\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$`,
		Fail: []string{`^fail <F-USER>\S*</F-USER> from <ADDR>`, `^<F-NOFAIL>try</F-NOFAIL> <F-USER>\S*</F-USER> from <ADDR>`, `^noip <F-USER>\S*</F-USER>$`, `^<F-NOFAIL><F-MLFFORGET>close</F-MLFFORGET></F-NOFAIL> <ADDR>$`},
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A filter that was killed and restored between any two lines finds what one that ran on finds.
func TestRestoreGoesOnWhereItStopped(t *testing.T) {
	p := conversation(t)
	lines := []string{"7 try al from 192.0.2.1", "8 noip bob", "7 fail al from 192.0.2.1", "9 try x from 192.0.2.3", "8 close 192.0.2.2", "7 try bob from 192.0.2.1", "9 close 192.0.2.3"}
	var want []filterFailure
	whole := New(p)
	for _, l := range lines {
		want = append(want, feed(whole, l)...)
	}
	if len(want) != 3 {
		t.Fatalf("%d failures, want 3: %+v", len(want), want)
	}
	for cut := range lines {
		f, got := New(p), []filterFailure(nil)
		for i, l := range lines {
			if i == cut {
				b, err := f.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				f = New(p)
				if err := f.Restore(b); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, feed(f, l)...)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("restored before line %d: %+v, want %+v", cut, got, want)
		}
	}
	if err := whole.Restore([]byte("{")); err == nil {
		t.Error("rubbish is restored")
	}
}

// A connection is remembered for five minutes from its first line.
func TestConnectionsExpire(t *testing.T) {
	p := conversation(t)
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{connectionLife, 1}, {connectionLife + time.Second, 0}} {
		f := New(p)
		at := func(line string, now time.Time) int {
			failures, _ := f.Feed(event.Entry{Line: event.Line{Text: line}, After: line, Time: now}, now)
			return len(failures)
		}
		at("8 noip bob", moment())
		if got := at("8 close 192.0.2.2", moment().Add(c.after)); got != c.want {
			t.Errorf("after %v: %d failures, want %d", c.after, got, c.want)
		}
		// The time of the lines decides, not how fast they are read.
		f = New(p)
		read := func(line string, at time.Time) int {
			failures, _ := f.Feed(event.Entry{Line: event.Line{Text: line}, After: line, Time: at}, moment().Add(time.Hour))
			return len(failures)
		}
		read("8 noip bob", moment())
		if got := read("8 close 192.0.2.2", moment().Add(c.after)); got != c.want {
			t.Errorf("read late, after %v: %d failures, want %d", c.after, got, c.want)
		}
	}
}

// Many connections push out the oldest that has nothing to report, never more are kept.
func TestMemoryIsBounded(t *testing.T) {
	f := New(conversation(t))
	feed(f, "1 noip bob")
	for i := range maxConnections + 500 {
		feed(f, fmt.Sprintf("%d fail al from 192.0.2.1", i+2))
	}
	if n := len(f.memory.byKey); n > maxConnections {
		t.Errorf("%d connections are kept, want at most %d", n, maxConnections)
	}
	n := 0
	for c := f.memory.oldest; c != nil; c = c.newer {
		n++
	}
	if n != len(f.memory.byKey) {
		t.Errorf("%d places for %d connections", n, len(f.memory.byKey))
	}
	if got := feed(f, "1 close 192.0.2.2"); len(got) != 1 || got[0].ID != "192.0.2.2" {
		t.Errorf("the failure that waited for an address was pushed out: %+v", got)
	}
	for range 10 * maxKeptLines {
		feed(f, "3 try al from 192.0.2.1")
	}
	if n := len(f.memory.byKey["3"].Quiet); n > maxKeptLines {
		t.Errorf("%d lines of one connection are kept, want at most %d", n, maxKeptLines)
	}
}

// What an optional group of the failregex did not match leaves prefregex's value alone (target
// version; the installed one sets it to none, §0).
func TestUnmatchedGroupsOverwriteNothing(t *testing.T) {
	p, err := filterCase{
		Pref: `^<ADDR> <F-USER>\w*</F-USER> <F-CONTENT>.*</F-CONTENT>$`,
		Fail: []string{`^bad(?: u=<F-USER>\w+</F-USER>)?$`},
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{"192.0.2.1 al bad": "al", "192.0.2.1 al bad u=bob": "bob"} {
		got := feed(New(p), line)
		if len(got) != 1 || got[0].Fields["user"] != want {
			t.Errorf("%q: %+v, want user %s", line, got, want)
		}
	}
}

// An expression that takes too many steps is given up and named; the next one is tried.
func TestAbortIsReportedAndTheNextTried(t *testing.T) {
	p, err := filterCase{Fail: []string{`^(?P<x>a+)+(?P<y>a+)+(?P=x)(?P=y)b<ADDR>$`, `from <ADDR>$`}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("a", 20_000) + " from 192.0.2.1"
	failures, aborts := New(p).Feed(event.Entry{After: line, Time: moment()}, moment())
	if len(aborts) != 1 || aborts[0].Where != "x.conf:0" {
		t.Errorf("aborts %+v, want one of x.conf:0", aborts)
	}
	if len(failures) != 1 || failures[0].Regex != "x.conf:1" {
		t.Errorf("failures %+v, want one of x.conf:1", failures)
	}
}

// All rules that do not compile are named with their places.
func TestCompileNamesEveryBadRule(t *testing.T) {
	_, err := filterCase{Fail: []string{`(<HOST>`, `ok <HOST>`, `nothing`}, Ignore: []string{`[`}}.compile()
	if err == nil {
		t.Fatal("compiles")
	}
	for _, want := range []string{"x.conf:0: ", "x.conf:2: ", "no failure-id group"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	var syntax *pattern.SyntaxError
	if !errors.As(err, &syntax) {
		t.Errorf("error %v holds no *pattern.SyntaxError", err)
	}
}

// A ticket is never of the future, whatever the log says.
func TestFailureTimeIsNeverInTheFuture(t *testing.T) {
	p, err := filterCase{Fail: []string{`from <ADDR>$`}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		failures, _ := New(p).Feed(event.Entry{After: "from 192.0.2.1", Time: moment().Add(off)}, moment())
		if want := moment().Add(min(off, 0)); len(failures) != 1 || !failures[0].Time.Equal(want) {
			t.Errorf("%v: %+v, want time %v", off, failures, want)
		}
	}
}

func TestRepr(t *testing.T) {
	for text, want := range map[string]string{
		"a": `'a'`, "it's": `"it's"`, `a"'`: `'a"\''`, "\t\n\\": `'\t\n\\'`, "\x00\x7f": `'\x00\x7f'`, "é\u00a0\u200b": `'é\xa0\u200b'`, "\U000e0001": `'\U000e0001'`,
	} {
		if got := pattern.Repr(text); got != want {
			t.Errorf("Repr(%q) is %s, want %s", text, got, want)
		}
	}
}

// A failure keeps its text when the filter goes on to the next line.
func TestFailuresOutliveTheirLine(t *testing.T) {
	p, err := filterCase{Fail: []string{`^user <F-ID>\S+</F-ID> <F-USER>\S+</F-USER>$`}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	f := New(p)
	buf := []byte("user first al")
	line := unsafe.String(unsafe.SliceData(buf), len(buf))
	failures, _ := f.Feed(event.Entry{Line: event.Line{Text: line}, After: line, Time: moment()}, moment())
	copy(buf, "user XXXXX YY")
	f.Feed(event.Entry{After: "user zzzzz bb", Time: moment()}, moment())
	if len(failures) != 1 {
		t.Fatalf("%d failures", len(failures))
	}
	if got := failures[0]; got.ID != "first" || got.Fields.Get("user") != "al" || got.Matches[0] != "user first al" {
		t.Errorf("became %+v", got)
	}
}

// Lines that a later match may span are kept, though the caller uses their memory again.
func TestWindowOutlivesTheLines(t *testing.T) {
	p, err := filterCase{Fail: []string{`^a <F-USER>\S+</F-USER>\nb <ADDR>$`}, MaxLines: 2}.compile()
	if err != nil {
		t.Fatal(err)
	}
	f := New(p)
	buf := []byte("a al")
	line := unsafe.String(unsafe.SliceData(buf), len(buf))
	f.Feed(event.Entry{Line: event.Line{Text: line}, After: line, Time: moment()}, moment())
	copy(buf, "XXXX")
	failures, _ := f.Feed(event.Entry{Line: event.Line{Text: "b 192.0.2.1"}, After: "b 192.0.2.1", Time: moment()}, moment())
	if len(failures) != 1 || failures[0].Matches[0] != "a al" || failures[0].Fields.Get("user") != "al" {
		t.Errorf("failures %+v, want one of two lines", failures)
	}
}

// What forgotten connections are made of serves new ones, but not while the matches of the line
// that ended them can be looked at.
func TestMatchesOutliveTheirConnection(t *testing.T) {
	p, err := filterCase{
		Pref: `^<F-MLFID>\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$`,
		Fail: []string{`^<F-MLFFORGET>bye</F-MLFFORGET> <F-USER>\S+</F-USER> \S+ <ADDR>`, `^(?:hi|bye \S+) <F-USER>\S+</F-USER> <ADDR>`},
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	f := New(p)
	for _, line := range []string{"7 hi al 192.0.2.1", "7 bye al bob 192.0.2.1"} {
		tested := f.Try(event.Entry{Line: event.Line{Text: line}, After: line, Time: moment()}, moment(), true)
		for _, m := range tested.Matches {
			if want := []string{"al", "bob"}[m.Rule%2]; line[2] == 'b' && m.Fields.Get("user") != want {
				t.Errorf("failregex %d: user %q, want %q", m.Rule, m.Fields.Get("user"), want)
			}
		}
		if line[2] == 'b' && len(tested.Matches) != 2 {
			t.Errorf("%d matches, want 2", len(tested.Matches))
		}
	}
	failures := feed(f, "8 hi eve 192.0.2.3")
	if want := "map[ip4:192.0.2.3 mlfid:8 user:eve users:[eve]]"; len(failures) != 1 || fmt.Sprint(failures[0].Fields) != want {
		t.Errorf("a new connection begins with %+v", failures)
	}
}

// Rows kept up to date by Changes are at any time what Snapshot would have written.
func TestChangesKeepTheMemoryUpToDate(t *testing.T) {
	f, rows := New(conversation(t)), map[string]string{}
	f.Track()
	removed := 0
	for i := range 400 {
		text := []string{"try al from 192.0.2.1", "fail al from 192.0.2.1", "noip bob", "close 192.0.2.1"}[i*7%4]
		feed(f, fmt.Sprintf("%d %s", i%17, text))
		changed, gone, err := f.Changes()
		if err != nil {
			t.Fatal(err)
		}
		for key, data := range changed {
			rows[key] = string(data)
		}
		for _, key := range gone {
			delete(rows, key)
			removed++
		}
		snapshot, err := f.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var want []json.RawMessage
		if err := json.Unmarshal(snapshot, &want); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !slices.Contains(slices.Collect(maps.Values(rows)), string(w)) {
				t.Fatalf("line %d: no row is %s", i, w)
			}
		}
		if len(rows) != len(want) {
			t.Fatalf("line %d: %d rows, %d connections", i, len(rows), len(want))
		}
	}
	if removed == 0 {
		t.Error("no connection was forgotten: the test shows nothing")
	}
}
