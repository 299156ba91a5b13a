package date

import (
	"testing"
	"time"

	"gaol/internal/event"
)

// A clone goes its own way, and cutters agree as long as they will cut alike.
func TestCuttersAgree(t *testing.T) {
	templates, err := Parse("", Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cut := func(c *Cutter, text string) { c.Cut(event.Line{Text: text}, "log", now) }
	fresh := func() *Cutter {
		return &Cutter{Detector: NewDetector(templates), FindTime: time.Hour, InOperation: true}
	}
	const iso, syslog = "2026-11-24T11:59:59+00:00 a", "Nov 24 11:59:59 a"
	a, b := fresh(), fresh()
	cut(a, iso)
	if !a.Agrees(b) || !b.Agrees(a) {
		t.Error("one that has met nothing does not agree")
	}
	cut(b, syslog)
	if a.Agrees(b) {
		t.Error("cutters of different formats agree")
	}
	for range 3 {
		cut(a, iso)
	}
	c := a.Clone()
	if !a.Agrees(c) {
		t.Error("a clone does not agree")
	}
	cut(c, syslog)
	if a.Agrees(c) || a.Detector.Hits()[0].Count != 4 {
		t.Errorf("a clone's line is the first one's too: %v", a.Detector.Hits()[0])
	}
	d := fresh()
	cut(d, iso)
	if !a.Agrees(d) {
		t.Error("cutters that differ by their counts alone do not agree")
	}
	d.InOperation = false
	if a.Agrees(d) {
		t.Error("a first scan agrees with one in operation")
	}
}
