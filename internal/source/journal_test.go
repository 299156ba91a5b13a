package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

const journalRemote = "/usr/lib/systemd/systemd-journal-remote"

// needJournal stops the test where systemd's tools are missing. In CI that is a failure.
func needJournal(t *testing.T) {
	t.Helper()
	_, err1 := exec.LookPath("journalctl")
	_, err2 := os.Stat(journalRemote)
	if err1 == nil && err2 == nil {
		return
	}
	const how = "needs journalctl and systemd-journal-remote; run: scripts/packages test"
	if os.Getenv("CI") == "true" {
		t.Fatal(how)
	}
	t.Skip(how)
}

// fields of one entry, in export format. Values with newlines go in binary.
func export(at time.Time, fields ...string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n", at.UnixMicro(), at.UnixMicro()%1e9)
	fmt.Fprintf(&b, "_BOOT_ID=%032x\n", 7)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if !strings.Contains(value, "\n") {
			b.WriteString(f + "\n")
			continue
		}
		b.WriteString(name + "\n")
		_ = binary.Write(&b, binary.LittleEndian, uint64(len(value)))
		b.WriteString(value + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

// addEntries makes or extends a real journal file.
func addEntries(t *testing.T, dir string, entries ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), journalRemote, "-o", filepath.Join(dir, "system.journal"), "-")
	cmd.Stdin = strings.NewReader(strings.Join(entries, ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", journalRemote, err, out)
	}
}

func sshd(at time.Time, text string) string {
	return export(at, "_HOSTNAME=host", "SYSLOG_IDENTIFIER=sshd", "_PID=12", "_SYSTEMD_UNIT=ssh.service", "MESSAGE="+text)
}

type journalFeed struct {
	t   *testing.T
	src *JournalSource
}

func startJournal(t *testing.T, o JournalOptions) journalFeed {
	t.Helper()
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return 0 }
	}
	src, err := newJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return journalFeed{t, src}
}

func (f journalFeed) next() event.Batch {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	b, err := f.src.Next(ctx)
	if err != nil {
		f.t.Fatalf("Next: %v", err)
	}
	return b
}

// want reads until as many lines have come, and gives the last mark.
func (f journalFeed) want(lines ...string) event.Mark {
	f.t.Helper()
	var got []string
	var m event.Mark
	for len(got) < len(lines) {
		b := f.next()
		if b.Err != nil {
			f.t.Fatal(b.Err)
		}
		for _, l := range b.Lines {
			got = append(got, l.Text)
			m = b.Mark
		}
	}
	if !slices.Equal(got, lines) {
		f.t.Fatalf("lines are %q, expected %q", got, lines)
	}
	return m
}

func (f journalFeed) end() {
	f.t.Helper()
	b := f.next()
	if !b.End || len(b.Lines) > 0 || b.Err != nil {
		f.t.Fatalf("batch is %+v, expected the end", b)
	}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)

func TestJournalFollows(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"), sshd(noon.Add(time.Second), "two\nlines"))
	f := startJournal(t, JournalOptions{Dir: dir})
	f.want("host sshd[12]: one", `host sshd[12]: two\nlines`)
	f.end()
	addEntries(t, dir, sshd(noon.Add(2*time.Second), "three"))
	m := f.want("host sshd[12]: three")
	f.src.Close()

	addEntries(t, dir, sshd(noon.Add(3*time.Second), "while gaol was down"))
	g := startJournal(t, JournalOptions{Dir: dir, Resume: m})
	g.want("host sshd[12]: while gaol was down")
	g.end()
}

func TestJournalBeginsAtSince(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"), sshd(noon.Add(time.Second), "two"))
	f := startJournal(t, JournalOptions{Dir: dir, Since: noon.Add(500 * time.Millisecond)})
	f.want("host sshd[12]: two")
}

func TestJournalTime(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	source := noon.Add(-time.Minute)
	addEntries(t, dir, sshd(noon, "received"), export(noon, "MESSAGE=sent", fmt.Sprintf("_SOURCE_REALTIME_TIMESTAMP=%d", source.UnixMicro())))
	f := startJournal(t, JournalOptions{Dir: dir})
	var got []time.Time
	for len(got) < 2 {
		for _, l := range f.next().Lines {
			got = append(got, l.Time)
		}
	}
	if !got[0].Equal(noon) || !got[1].Equal(source) {
		t.Errorf("times are %s, expected %s and %s", got, noon, source)
	}
}

// Entries of other boots and hosts count; journalctl -f alone would leave them out.
func TestJournalOtherBoots(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"))
	f := startJournal(t, JournalOptions{Dir: dir})
	f.want("host sshd[12]: one")
	f.end()
	addEntries(t, dir, sshd(noon.Add(time.Second), "two"))
	f.want("host sshd[12]: two") // so it follows
	other := strings.Replace(sshd(noon.Add(2*time.Second), "three"), fmt.Sprintf("%032x", 7), fmt.Sprintf("%032x", 8), 1)
	addEntries(t, dir, other)
	f.want("host sshd[12]: three")
}

func TestJournalMatches(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	for i, unit := range []string{"a", "b", "c"} {
		for j, id := range []string{"x", "y z"} {
			addEntries(t, dir, export(noon.Add(time.Duration(2*i+j)*time.Second), "_SYSTEMD_UNIT="+unit, "SYSLOG_IDENTIFIER="+id, "MESSAGE="+unit))
		}
	}
	f := startJournal(t, JournalOptions{Dir: dir, Matches: []string{
		`_SYSTEMD_UNIT=a SYSLOG_IDENTIFIER="y z" + _SYSTEMD_UNIT=b SYSLOG_IDENTIFIER=x`, `_SYSTEMD_UNIT=c SYSLOG_IDENTIFIER=y\ z`}})
	f.want("y z: a", "x: b", "y z: c")
	f.end()
}

func TestJournalMatchesRefused(t *testing.T) {
	for _, m := range []string{"--vacuum-size=1", "/usr/bin/x", "A", "=b", "a=b", `A="b`} {
		if _, err := journalMatches([]string{m}); err == nil {
			t.Errorf("match %q is accepted", m)
		}
	}
	got, err := journalMatches([]string{"+ A=b + + C=d +", "", "E=f"})
	if want := []string{"A=b", "+", "C=d", "+", "E=f"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("matches are %q (%v), expected %q", got, err, want)
	}
}

// The expected lines are what fail2ban 1.0.2's FilterSystemd.formatJournalEntry gave.
func TestJournalLine(t *testing.T) {
	for _, c := range []struct{ fields, line string }{
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=sshd\n_PID=12\nMESSAGE=hi ", "h sshd[12]: hi "},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=sshd\nSYSLOG_PID=13\n_PID=12\nMESSAGE=hi", "h sshd[13]: hi"},
		{"_HOSTNAME=h\n_COMM=c\nMESSAGE=x", "h c: x"},
		{"SYSLOG_IDENTIFIER=a\n_COMM=c\nMESSAGE=x", "a: x"},
		{"MESSAGE=x", "x"},
		{"_HOSTNAME=h\n_PID=3\nMESSAGE=x", "h x"},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=kernel\n_SOURCE_MONOTONIC_TIMESTAMP=12345678\nMESSAGE=x", "h kernel: [   12.345678] x"},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=kernel\n__MONOTONIC_TIMESTAMP=172803000000\nMESSAGE=x", "h kernel: [172803.000000] x"},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=kernel\n__MONOTONIC_TIMESTAMP=1\n_PID=1\nMESSAGE=x", "h kernel[1]: x"},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=foo", "h foo: "},
		{"_HOSTNAME=\nSYSLOG_IDENTIFIER=\n_COMM=q\nMESSAGE=", "q: "},
		{"_HOSTNAME=h\nSYSLOG_IDENTIFIER=foo\nSYSLOG_PID=\n_PID=4\nMESSAGE=m\r", "h foo[4]: m\r"},
		{"SYSLOG_IDENTIFIER=first\nSYSLOG_IDENTIFIER=second\nMESSAGE=x", "first: x"},
	} {
		var p exportParser
		var got []string
		if err := p.feed([]byte(c.fields+"\n\n"), func(e entry) { got = append(got, e.line(noon).Text) }); err != nil {
			t.Error(err)
		}
		if len(got) != 1 || got[0] != c.line {
			t.Errorf("%q gives %q, expected %q", c.fields, got, c.line)
		}
	}
}

// A stand-in for journalctl that dies shows the repair; it hands on to the real one.
func TestJournalctlDies(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"))
	script := filepath.Join(t.TempDir(), "journalctl")
	real, err := exec.LookPath("journalctl")
	if err != nil {
		t.Fatal(err)
	}
	// The first two calls fail, the first one that follows prints half an entry and dies.
	text := `#!/bin/sh
n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n+1)); echo $n >"$0.n"
case $n in
1|2) echo "no luck $n" >&2; exit 3 ;;
4) printf '__CURSOR=bogus\nMESSAGE=half'; kill -9 $$ ;;
esac
exec ` + real + ` "$@"
`
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	var waits []int
	f := startJournal(t, JournalOptions{Dir: dir, Command: script, Backoff: func(n int) time.Duration {
		waits = append(waits, n)
		return time.Millisecond
	}})
	for _, say := range []string{"exit status 3: no luck 1", "exit status 3: no luck 2"} {
		if b := f.next(); b.Err == nil || !strings.Contains(b.Err.Error(), say) {
			t.Fatalf("batch is %+v, expected the trouble %q", b, say)
		}
	}
	f.want("host sshd[12]: one")
	f.end()
	if b := f.next(); b.Err == nil || !strings.Contains(b.Err.Error(), "killed") {
		t.Fatalf("batch is %+v, expected to hear of the killed journalctl", b)
	}
	addEntries(t, dir, sshd(noon.Add(time.Second), "two"))
	f.want("host sshd[12]: two")
	if !slices.Equal(waits, []int{1, 2, 1}) {
		t.Errorf("waits are for failures %v, expected 1 2, then 1 again", waits)
	}
}

func TestJournalCursorIsNone(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"))
	f := startJournal(t, JournalOptions{Dir: dir, Resume: event.Mark{Cursor: "nonsense"}})
	if b := f.next(); b.Err == nil || !strings.Contains(b.Err.Error(), "cursor") {
		t.Fatalf("batch is %+v, expected to hear of the cursor", b)
	}
	f.want("host sshd[12]: one")
}

func TestJournalctlMissing(t *testing.T) {
	_, err := Journal(JournalOptions{Command: "no-such-journalctl"})
	if err == nil || !strings.Contains(err.Error(), "follow a log file") {
		t.Errorf("error is %v, expected one that says what to do", err)
	}
}

// Close ends a Next that waits, and journalctl with it.
func TestJournalClose(t *testing.T) {
	needJournal(t)
	dir := t.TempDir()
	addEntries(t, dir, sshd(noon, "one"))
	f := startJournal(t, JournalOptions{Dir: dir})
	f.want("host sshd[12]: one")
	f.end()
	addEntries(t, dir, sshd(noon.Add(time.Second), "two"))
	f.want("host sshd[12]: two")
	ended := make(chan error)
	go func() {
		_, err := f.src.Next(context.Background())
		ended <- err
	}()
	f.src.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Next ended with %v, expected ErrClosed", err)
	}
	if f.src.child != nil {
		t.Error("journalctl is still there")
	}
}

func TestJournalNextEndsWithContext(t *testing.T) {
	needJournal(t)
	f := startJournal(t, JournalOptions{Dir: t.TempDir()})
	f.end()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := f.src.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next ended with %v, expected the context's error", err)
	}
}
