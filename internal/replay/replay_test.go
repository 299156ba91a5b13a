package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/date"
	"gaol/internal/filter"
	"gaol/internal/jail"
)

func moment() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// lanes is one jail whose filter takes "bad ADDR" for a failure and "good ADDR" for a login.
func lanes(t *testing.T) []Lane {
	t.Helper()
	p, err := filter.Compile(filter.Spec{Name: "f", UseDNS: "no", Failregex: []filter.Rule{
		{Expr: `^ *bad <ADDR>`, Where: "f:1"},
		{Expr: `^ *<F-MLFID>\d+</F-MLFID> <F-MLFGAINED>good</F-MLFGAINED> <ADDR>`, Where: "f:2"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dates, err := date.Parse("", date.Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	return []Lane{{Jail: "j", Program: p, Dates: dates, Rules: func(func(string, bool) jail.Record) jail.Options {
		return jail.Options{Name: "j", MaxRetry: 3, FindTime: 10 * time.Minute, BanTime: 10 * time.Minute}
	}}}
}

func file(name string, lines ...string) File {
	return File{Path: name, Lanes: []int{0}, Read: func(do func(string)) error {
		for _, l := range lines {
			do(l)
		}
		return nil
	}}
}

// at is a line of so many seconds behind ten o'clock.
func at(seconds int, text string) string {
	return time.Date(2026, 11, 1, 10, 0, seconds, 0, time.UTC).Format(time.DateTime) + " " + text
}

func replayed(t *testing.T, sweep []Change, files ...File) *Report {
	t.Helper()
	r, err := Run(t.Context(), Options{Lanes: lanes(t), Files: files, Sweep: sweep, Now: moment()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBansBeginAndEndOnTheLogsClock(t *testing.T) {
	r := replayed(t, nil, file("a", at(0, "bad 192.0.2.1"), at(1, "bad 192.0.2.1"), at(2, "bad 192.0.2.1"), at(3, "bad 192.0.2.1"),
		at(4, "7 good 192.0.2.1"), at(1000, "bad 192.0.2.2")))
	if len(r.Bans) != 1 {
		t.Fatalf("bans %+v", r.Bans)
	}
	b := r.Bans[0]
	if b.ID != "192.0.2.1" || b.At.Second() != 2 || b.End.Sub(b.Start) != 10*time.Minute || b.Lifted.Sub(b.At) != 998*time.Second || b.Failures != 3 || b.Accepted != 1 || b.Regex != "f:1" {
		t.Errorf("ban %+v", b)
	}
	j := r.Jails[0]
	if j.Failures != 5 || j.Prevented != 1 || j.Bans != 1 || j.Banned != 1 || j.Accepted != 1 {
		t.Errorf("jail %+v", j)
	}
	if o := r.Offenders[0]; o.ID != "192.0.2.1" || o.Failures != 4 || o.Prevented != 1 || len(r.Offenders) != 2 {
		t.Errorf("offenders %+v", r.Offenders)
	}
}

func TestSweepTriesOtherRulesBeside(t *testing.T) {
	var lines []string
	for i := range 6 {
		lines = append(lines, at(i, "bad 192.0.2.1"))
	}
	r := replayed(t, []Change{{MaxRetry: 2}, {MaxRetry: 7}, {FindTime: time.Second, MaxRetry: 4}}, file("a", lines...))
	var got []string
	for _, o := range r.Sweep {
		got = append(got, fmt.Sprintf("%d bans, %d of %d prevented", o.Bans, o.Prevented, o.Failures))
	}
	// 2: the ban comes with the second failure, four are left. One second: two are counted at a time.
	want := []string{"1 bans, 3 of 6 prevented", "1 bans, 4 of 6 prevented", "0 bans, 0 of 6 prevented", "0 bans, 0 of 6 prevented"}
	if !slices.Equal(got, want) {
		t.Errorf("sweep %q, want %q", got, want)
	}
	if len(r.Bans) != 1 || r.Bans[0].Failures != 3 {
		t.Errorf("the rules as they stand: %+v", r.Bans)
	}
}

// Rotated logs in the wrong order, and two of the same time, are one log.
func TestSeveralLogsAreReadInTheOrderOfTheirStamps(t *testing.T) {
	r := replayed(t, nil, file("new", at(100, "bad 192.0.2.1"), "bad 192.0.2.9", at(700, "bad 192.0.2.2")),
		file("old", at(0, "bad 192.0.2.1"), at(50, "bad 192.0.2.1")), file("beside", at(60, "x"), at(650, "x")))
	if len(r.Bans) != 1 || r.Bans[0].At != r.Bans[0].Start || r.Bans[0].At.Sub(r.From) != 100*time.Second || r.Lines != 7 || r.Undated != 0 {
		t.Errorf("%d lines, %d undated, bans %+v", r.Lines, r.Undated, r.Bans)
	}
	if r.To.Sub(r.From) != 700*time.Second {
		t.Errorf("from %v to %v", r.From, r.To)
	}
}

func TestLinesBeforeAnyStampDoNotCount(t *testing.T) {
	r := replayed(t, nil, file("a", "bad 192.0.2.1", "bad 192.0.2.1", at(0, "bad 192.0.2.1")))
	if r.Undated != 2 || r.Jails[0].Failures != 1 {
		t.Errorf("%d undated, %d failures", r.Undated, r.Jails[0].Failures)
	}
}

// A stamp of the future would stop the clock for all lines behind it.
func TestAStampOfTheFutureDoesNotMoveTheClock(t *testing.T) {
	r := replayed(t, nil, file("a", at(0, "bad 192.0.2.1"), "2030-01-01 00:00:00 x", at(1, "bad 192.0.2.1"), at(2, "bad 192.0.2.1")))
	if len(r.Bans) != 1 || r.To.Year() != 2026 {
		t.Errorf("to %v, bans %+v", r.To, r.Bans)
	}
}

func TestALogThatCannotBeReadIsNamed(t *testing.T) {
	bad := file("torn.gz", at(0, "bad 192.0.2.1"))
	read := bad.Read
	bad.Read = func(do func(string)) error { return errors.Join(read(do), errors.New("unexpected EOF")) }
	_, err := Run(t.Context(), Options{Lanes: lanes(t), Files: []File{bad}, Now: moment()})
	if err == nil || !strings.Contains(err.Error(), "torn.gz") {
		t.Errorf("error %v", err)
	}
}

// Blocks are used again: no line may change while it is looked at.
func TestManyBlocks(t *testing.T) {
	var lines []string
	for i := range 20_000 {
		lines = append(lines, at(i/10, fmt.Sprintf("bad 192.0.2.%d %s", i%5, strings.Repeat("x", 60))))
	}
	r := replayed(t, nil, file("a", lines...))
	if r.Lines != 20_000 || r.Jails[0].Failures != 20_000 || len(r.Offenders) != 5 {
		t.Errorf("%d lines, %d failures, %d offenders", r.Lines, r.Jails[0].Failures, len(r.Offenders))
	}
}
