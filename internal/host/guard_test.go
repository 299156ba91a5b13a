package host

import (
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var g *Guard
	for _, w := range []struct {
		id  string
		end time.Time
	}{{"203.0.113.9", time.Time{}}, {"198.51.100.77/24", time.Time{}}, {"2001:db8:1::/48", now.Add(time.Hour)}, {"192.0.2.1", now}} {
		var err error
		if g, err = g.With(w.id, w.end, "allowed"); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]string{
		"203.0.113.9":           "allowed",
		"::ffff:203.0.113.9":    "allowed",
		"203.0.113.10":          "",
		"203.0.113.0/24":        "it covers 203.0.113.9: allowed",
		"198.51.100.1":          "allowed",
		"198.51.100.128/25":     "allowed",
		"198.51.0.0/16":         "it covers 198.51.100.0/24: allowed",
		"2001:db8:1:ffff::1":    "allowed",
		"2001:db8:2::1":         "",
		"192.0.2.1":             "", // its time is over
		"tmp":                   "",
		"::ffff:198.51.0.0/112": "it covers 198.51.100.0/24: allowed",
	} {
		if why, ok := g.Protects(id, now); why != want || ok != (want != "") {
			t.Errorf("Protects(%s) = %q, %v; want %q", id, why, ok, want)
		}
	}
	if _, ok := g.Protects("2001:db8:1::1", now.Add(time.Hour)); ok {
		t.Error("an allowance protects behind its end")
	}
	if _, err := g.With("tmp", time.Time{}, ""); err == nil {
		t.Error("a name was taken for an address")
	}
}
