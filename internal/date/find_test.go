package date

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// general is the same templates without their scanners: what 0044 says, by expressions alone.
func general(t *Templates) *Templates {
	g := &Templates{zone: t.zone}
	for _, tpl := range t.list {
		g.list = append(g.list, &template{
			name: tpl.name, expr: tpl.expr, fold: tpl.fold, kind: tpl.kind, cut: tpl.cut, number: tpl.number,
			weight: tpl.weight, anchored: tpl.anchored,
		})
	}
	return g
}

// sameAsGeneral feeds the lines to a detector with scanners and to one without.
func sameAsGeneral(templates, general *Templates, lines []string, clock func(n int) time.Time) error {
	fast, slow := NewDetector(templates), NewDetector(general)
	for n, l := range lines {
		now := clock(n)
		got, ok := fast.Find(l, now)
		want, found := slow.Find(l, now)
		if ok != found || got.Start != want.Start || got.End != want.End || !got.Time.Equal(want.Time) || got.OK != want.OK ||
			got.Zoned != want.Zoned || got.Template != want.Template {
			return fmt.Errorf("line %d of %q at %s:\nscanned %+v\ngeneral %+v", n, lines[:n+1], now, got, want)
		}
	}
	if got, want := fast.Hits(), slow.Hits(); !slices.Equal(got, want) {
		return fmt.Errorf("hits after %q:\nscanned %v\ngeneral %v", lines, got, want)
	}
	return nil
}

// zones whose clocks change at midnight, by half an hour, by a day; and one with no changes.
func zones(t testing.TB) []*time.Location {
	var all []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "America/Sao_Paulo"} {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// instants are moments around which times are hard: the turn of a year, of a leap day, changes of clocks.
func instants() []string {
	return []string{"2026-11-24 11:18", "2026-12-31 23:59", "2027-01-01 00:00", "2024-02-29 00:00", "2025-03-01 00:00", "2026-03-29 01:00", "2026-10-25 00:30", "2011-12-30 10:00", "2018-11-04 03:00", "2026-04-04 15:00"}
}

// stampedLine is a line with a timestamp near at, in one of the forms that scanners read, now and
// then spoilt.
func stampedLine(r *rand.Rand, form string, at time.Time) string {
	before, layout, _ := strings.Cut(form, "|")
	text := before + at.Format(layout) + []string{" h sshd[1]: x", "", "] y", ", z", "é", " 2026 w", " 2025x"}[min(r.IntN(20), 6)]
	if r.IntN(6) == 0 {
		return mutate(r, text)
	}
	return text
}

func forms() []string {
	return []string{
		"|2006-01-02T15:04:05.000000-07:00", "|2006-01-02 15:04:05,000", "|2006/01/02  15:04:05", "[|2006.01.02 15:04:05 Z07:00", "|Jan _2 15:04:05", "|Jan 2 15:04:05.000", "<|Mon Jan 02 15:04:05 2006",
		"<34>|Jan _2 15:04:05", "host app: |2006-01-02 15:04:05", "1.2.3.4 - - [|02/Jan/2006:15:04:05 -0700", "192.0.2.1 - - [|02/Jan/2006:15:04:05 -0700", "é [|02-Jan-2006 15:04:05", "x |Mon Jan _2 15:04:05", "|1136239445", "- no date |x",
	}
}

// With scanners or without: the same timestamps, the same order of templates, over the turn of
// the year and changes of clocks.
func TestFindAsWithoutScanners(t *testing.T) {
	r, all := seeded(t, 21), zones(t)
	var parsed, plain []*Templates
	for _, p := range append(custom(), "", "{^LN-BEG}", isoOne+"\n"+`^[^\[]*\[({DATE})`+"\n{^LN-BEG}", defaults()[0], defaults()[4]+"\n"+defaults()[1]) {
		for _, zone := range []*time.Location{nil, time.FixedZone("", 5400)} {
			templates, err := Parse(p, Options{Zone: zone, Year: 2026})
			if err != nil {
				t.Fatal(err)
			}
			parsed, plain = append(parsed, templates), append(plain, general(templates))
		}
	}
	for range rounds(4000) {
		at, err := time.ParseInLocation("2006-01-02 15:04", instants()[r.IntN(len(instants()))], all[r.IntN(len(all))])
		if err != nil {
			t.Fatal(err)
		}
		of := forms()
		r.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		step := []time.Duration{time.Second, 7 * time.Minute, 5 * time.Hour, 40 * 24 * time.Hour}[r.IntN(4)]
		var lines []string
		var times []time.Time
		form := of[0]
		for range 2 + r.IntN(25) {
			if r.IntN(4) == 0 {
				form = of[r.IntN(1+r.IntN(4))]
			}
			at = at.Add(time.Duration(r.Int64N(int64(step))))
			off := time.Duration(r.IntN(400)-200) * step / 100
			times = append(times, at)
			lines = append(lines, stampedLine(r, form, at.Add(off)))
		}
		n := r.IntN(len(parsed))
		if err := sameAsGeneral(parsed[n], plain[n], lines, func(n int) time.Time { return times[n] }); err != nil {
			t.Fatal(err)
		}
	}
}

// The offset that is held for a stretch of time is what looking it up says.
func TestOffsetsAsLookedUp(t *testing.T) {
	r := seeded(t, 22)
	for _, zone := range zones(t) {
		var c calendar
		c.set(moment(), zone)
		civil := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		for range 20_000 {
			civil += r.Int64N(7200) - 3000
			if got, want := c.offset(civil), offset(zone, civil-civil%60); got != want {
				t.Fatalf("%s at %s: %d, want %d", zone, time.Unix(civil, 0).UTC(), got, want)
			}
		}
	}
}

// FuzzFind is TestFindAsWithoutScanners on any text: the log's lines, and the time it is read.
func FuzzFind(f *testing.F) {
	at := moment()
	for _, form := range forms() {
		before, layout, _ := strings.Cut(form, "|")
		f.Add(before+at.Format(layout)+" x\n"+before+at.Add(time.Second).Format(layout)+" y", at.Unix(), uint8(0))
	}
	all := zones(f)
	var parsed, plain []*Templates
	for _, p := range []string{"", isoOne + "\n" + `^[^\[]*\[({DATE})` + "\n{^LN-BEG}"} {
		templates, err := Parse(p, Options{Year: 2026})
		if err != nil {
			f.Fatal(err)
		}
		parsed, plain = append(parsed, templates), append(plain, general(templates))
	}
	f.Fuzz(func(t *testing.T, log string, unix int64, choice uint8) {
		now := time.Unix(unix%(1<<34), 0).In(all[int(choice/2)%len(all)])
		lines := strings.Split(strings.ToValidUTF8(log, "\ufffd"), "\n")
		if err := sameAsGeneral(parsed[choice%2], plain[choice%2], lines[:min(len(lines), 30)], func(int) time.Time { return now }); err != nil {
			t.Fatal(err)
		}
	})
}
