package engine

import (
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/host"
)

// Jails with the same words share what is compiled; any other word is another program.
func TestShelfSharesWhatIsEqual(t *testing.T) {
	s := &shelf{}
	one := config.Jail{Name: "one", FindTime: time.Minute, UseDNS: "no", Options: map[string]config.Value{}, Filter: config.FilterSpec{
		Failregex: []config.Rule{{Expr: "^bad <HOST>$", Pos: config.Pos{File: "f", Line: 1}}}, DatePattern: "%Y"}}
	first, err := s.makePlan(one, host.NewResolver(), 2026)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit           func(*config.Jail)
		program, dates bool // shared
	}{
		"equal":       {func(j *config.Jail) { j.MaxRetry = 9 }, true, true},
		"regex":       {func(j *config.Jail) { j.Filter.Failregex[0].Expr = "^worse <HOST>$" }, false, true},
		"place":       {func(j *config.Jail) { j.Filter.Failregex[0].Pos.Line = 2 }, false, true},
		"usedns":      {func(j *config.Jail) { j.UseDNS = "raw" }, false, true},
		"maxlines":    {func(j *config.Jail) { j.Filter.MaxLines = 2 }, false, true},
		"ignoreregex": {func(j *config.Jail) { j.Filter.Ignoreregex = j.Filter.Failregex }, false, true},
		"datepattern": {func(j *config.Jail) { j.Filter.DatePattern = "%d" }, true, false},
		"timezone":    {func(j *config.Jail) { j.LogTimezone = "UTC+01:00" }, true, false},
	} {
		j := one
		j.Name, j.Filter.Failregex = name, append([]config.Rule(nil), one.Filter.Failregex...)
		c.edit(&j)
		p, err := s.makePlan(j, host.NewResolver(), 2026)
		if err != nil {
			t.Fatal(err)
		}
		if (p.program == first.program) != c.program || (p.dates == first.dates) != c.dates {
			t.Errorf("%s: shared program %t, dates %t; want %t, %t", name, p.program == first.program, p.dates == first.dates, c.program, c.dates)
		}
	}
}
