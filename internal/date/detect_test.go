package date

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// moment is the now of these tests, an ordinary day.
func moment() time.Time { return time.Date(2026, 11, 24, 11, 18, 0, 0, time.UTC) }

// examples is one timestamp and more for each default template, and some for none.
func examples() []string {
	return []string{
		"2005-01-23T21:59:59.981+01:00", "2006.12.21 06:43:20", "2026/11/24  11:17:59,123", "2024-02-29 23:59:59Z", "2005-01-23 21:59:59 -0530",
		"Sun Jan 23 21:59:59.011 2005", "Jan 23 21:59:59", "jul  3 01:02:03", "Nov 25 10:00:00", "Nov 25 12:00:00", "Feb 29 10:00:00",
		"Sun Jan 23 2005 21:59:59", "Jan 23 2005  1:59:59.5",
		"23/01/2005 21:59:59", "17-07-08 17:23:25", "31/12/99 01:02:03",
		"31/Oct/2006:09:22:55 -0000", "1-nov-2020 09:22:55.123", "31/Oct/200609:22:55",
		"05/20/2008:01:57:39", "01-27-2012 16:22:44.252", "1700000000.123", "1700000000", "17000000001",
		"23:10:00", "11:18:00", "<09/16/08@05:03:30>", "130322 11:46:11", "130322  11:46:61",
		"Dec 31, 2023 1:59:59 PM", "Dec 31, 2023 12:59:59 AM", "Apr-27-13 02:33:06",
		"20050123T215959", "20050123 215959.1 +0100", "20231231  235959Z",
		"PDT Apr 16 21:05:29", "CEST Sun Jan 23 21:59:59 2005", "abc Apr 16 21:05:29", "+01:00 Jan 23 21:59:59", "UTC Jan 23 21:59:59 2005",
		"@4000000050d506482dbdf024", "@4000000050D506482DBDF024",
		"2023-02-30 10:00:00", "1999-12-31 10:00:00", "2099-01-01 10:00:00", "2023-12-31 24:00:00", "1700000000123", "no date", "",
		"2023-12-31 23:59:59 CEST", "Feb 30 10:00:00",
	}
}

func texts() (before, after []string) {
	return []string{"", "", "", "[", "[[", "<", "(", " ", "[[[", "abc ", "x", "type=A msg=audit(", "h app: [", "Nov 24 10:00:00 h: ", "1.2.3.4 - - ["},
		[]string{"", " fail from 1.2.3.4", "] x", "]", ":42): y", "x", "9", ". z", " 2005-01-23 21:59:59 x", ", q", "\u00e9"[:0]}
}

// check holds the detector against the installed fail2ban on sequences of lines: the same span is
// cut, the same time is read, the templates end up in the same order.
func check(t *testing.T, tz string, now time.Time, cases []oracleCase) {
	t.Helper()
	location, err := time.LoadLocation(tz)
	if err != nil {
		t.Fatal(err)
	}
	now = now.In(location)
	faults := 0
	parsed := map[string]*Templates{}
	for i, want := range askDetector(t, tz, now, cases) {
		if err := checkCase(cases[i], want, now, parsed); err != "" {
			t.Errorf("case %d, patterns %q zone %q: %s", i, cases[i].Patterns, cases[i].Zone, err)
			if faults++; faults > 10 {
				t.Fatal("and so on")
			}
		}
	}
}

func checkCase(c oracleCase, want oracleResult, now time.Time, parsed map[string]*Templates) string {
	key := c.Zone + "\n" + strings.Join(c.Patterns, "\n")
	templates := parsed[key]
	if templates == nil {
		zone, err := ParseZone(c.Zone)
		if err != nil {
			return err.Error()
		}
		templates, err = Parse(strings.Join(c.Patterns, "\n"), Options{Zone: zone, Year: 2026})
		if err != nil || want.Error != "" {
			if (err != nil) != (want.Error != "") {
				return fmt.Sprintf("error %v, want %q", err, want.Error)
			}
			return ""
		}
		parsed[key] = templates
	}
	d := NewDetector(templates)
	for n, line := range c.Lines {
		at := now
		if c.Times != nil {
			at = at.Add(time.Duration(c.Times[n]) * time.Second)
		}
		s, found := d.Find(line, at)
		s.Start, s.End = utf8.RuneCountInString(line[:s.Start]), utf8.RuneCountInString(line[:s.End])
		if e := differ(s, found, want.Answers[n]); e != "" {
			return fmt.Sprintf("line %d of %q: %s", n, c.Lines[:n+1], e)
		}
	}
	hits := d.Hits()
	if len(hits) != len(want.Order) {
		return fmt.Sprintf("%d templates, want %d: %q", len(hits), len(want.Order), want.Order)
	}
	for n, h := range hits {
		if h.Name != target(want.Order[n]) || h.Count != want.Hits[n] {
			return fmt.Sprintf("after %q template %d is %s with %d hits, want %s with %d", c.Lines, n, h.Name, h.Count, want.Order[n], want.Hits[n])
		}
	}
	return ""
}

func differ(s Stamp, found bool, want oracleAnswer) string {
	switch {
	case !found && want.Name == "":
		return ""
	case !found:
		return "no date, want " + want.Name
	case want.Name == "":
		return "date by " + s.Template + ", want none"
	case s.Template != target(want.Name) || s.Start != want.Start || s.End != want.End:
		return fmt.Sprintf("[%d,%d) by %s, want [%d,%d) by %s", s.Start, s.End, s.Template, want.Start, want.End, want.Name)
	case s.OK != (want.Time != nil):
		return fmt.Sprintf("date is sound: %v, want %v", s.OK, want.Time != nil)
	case s.OK && math.Abs(float64(s.Time.UnixMicro())/1e6-*want.Time) > 1e-5:
		return fmt.Sprintf("time %v, want %v", s.Time, time.Unix(int64(*want.Time), 0).In(s.Time.Location()))
	}
	return ""
}

// target is the name in the version that is the target of a template that has changed since the
// installed one (§0).
func target(name string) string {
	return strings.Replace(name, "(?:T|  ?)Ex24hourExMinuteExSecond", "(?:-|T|  ?)Ex24hour:?ExMinute:?ExSecond", 1)
}

func TestSingleLinesAsFail2ban(t *testing.T) {
	before, after := texts()
	var cases []oracleCase
	for _, e := range examples() {
		for _, b := range before {
			for _, a := range after {
				cases = append(cases, oracleCase{Lines: []string{b + e + a}})
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	cases = cases[:1500]
	check(t, "UTC", moment(), cases)
	check(t, "Europe/Berlin", moment(), cases[:500])
}

func TestSequencesAsFail2ban(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	before, after := texts()
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	var cases []oracleCase
	for range 500 {
		// Few formats in each log, so that they are seen again and change places.
		var forms [][3]string
		for range 1 + r.IntN(4) {
			forms = append(forms, [3]string{pick(before), pick(examples()), pick(after)})
		}
		var c oracleCase
		for range 3 + r.IntN(20) {
			f := forms[r.IntN(len(forms))]
			if r.IntN(10) == 0 {
				f[0] += " "
			}
			c.Lines = append(c.Lines, f[0]+f[1]+f[2])
		}
		cases = append(cases, c)
	}
	check(t, "UTC", moment(), cases)
}
