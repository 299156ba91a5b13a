package date

import (
	"testing"
	"time"

	"gaol/internal/event"
)

// The time of a container's line: the text's where the log driver agrees, the driver's where the
// text has none or another time zone's; the same in the first scan and in operation.
func TestCutContainerLines(t *testing.T) {
	templates, err := Parse("", Options{Zone: time.UTC, Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	now := moment()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		text  string
		taken time.Time
		want  time.Time
		after string
		seen  Oddity
		kept  bool
	}{
		{"Failed password", ago(time.Minute), ago(time.Minute), "Failed password", Undated, true},
		{ago(90*time.Second).Format(time.DateTime) + " x", ago(time.Minute), ago(90 * time.Second), " x", Sound, true},
		{ago(2*time.Hour).Format(time.DateTime) + " x", ago(time.Minute), ago(time.Minute), " x", Odd, true},
		{ago(-2*time.Hour).Format(time.DateTime) + " x", ago(time.Minute), ago(time.Minute), " x", Odd, true},
		{"2026-02-30 10:00:00 x", ago(time.Second), ago(time.Second), " x", Undated, true},
		{"x", ago(11 * time.Minute), ago(11 * time.Minute), "x", Outdated, false},
		{"x", ago(-time.Hour), now, "x", Undated, true},
	} {
		for _, operation := range []bool{false, true} {
			cutter := Cutter{Detector: NewDetector(templates), FindTime: 10 * time.Minute, InOperation: operation}
			e, ok := cutter.Cut(event.Line{Text: c.text, Taken: c.taken}, "docker:x json-file", now)
			if ok != c.kept || !e.Time.Equal(c.want) || e.After != c.after || cutter.Seen != c.seen {
				t.Errorf("%q taken %s, in operation %v: kept %v at %s, rest %q, seen %v; want %v at %s, %q, %v",
					c.text, c.taken, operation, ok, e.Time, e.After, cutter.Seen, c.kept, c.want, c.after, c.seen)
			}
		}
	}
}
