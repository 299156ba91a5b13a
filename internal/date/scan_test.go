package date

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gaol/internal/pattern"
)

// mutate changes, drops, doubles or inserts bytes that matter to timestamps.
func mutate(r *rand.Rand, text string) string {
	const bytes = "0123456789 :-/.,TZ+[]JanFebUGMTC_x\tſé\u00a0\u2028"
	alphabet := []rune(bytes)
	b := []rune(text)
	for range r.IntN(4) {
		at := r.IntN(len(b) + 1)
		c := alphabet[r.IntN(len(alphabet))]
		switch {
		case r.IntN(2) == 0 && at < len(b):
			b[at] = c
		case r.IntN(3) == 0 && at < len(b):
			b = append(b[:at], b[at+1:]...)
		default:
			b = append(b[:at], append([]rune{c}, b[at:]...)...)
		}
	}
	return string(b)
}

// Where a scanner is sure, the template's expression must find the same text and the same values.
func TestScannersAgreeWithTemplates(t *testing.T) {
	seeds := []string{
		"2005-01-23T21:59:59.981+01:00 x", "[2006.12.21 06:43:20] x", "2026/11/24  11:17:59,123 - y", "<2024-02-29 23:59:59Z> z", "2005-01-23 21:59:59 -0530 x",
		`1.2.3.4 - - [23/Jan/2005:21:59:59 +0100] "GET /"`, "[3-feb-2026 01:02:03.5 -05:30] [x", "x[31/Dec/2026:23:59:59] UTC", "[30/nov/2026:23:59:59 GMT] y",
		"2005-01-23 21:59:59 UTC x", "2005-01-23 21:59:59", "Sun Jan 23 21:59:59.011 2005 h", "Jan 23 21:59:59 h sshd[1]: x", "jul  3 01:02:03", "[[Nov 5 10:00:00] 2024", "Feb 29 10:00:00 2024x",
	}
	templates, err := Parse("{^LN-BEG}\n"+`^[^\[]*\[({DATE})`, Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	scanned := slices.DeleteFunc(templates.list, func(tpl *template) bool { return tpl.scan == nil })
	if len(scanned) != 3 {
		t.Fatalf("%d templates have a scanner", len(scanned))
	}
	r := seeded(t, 15)
	var mem pattern.Memory
	sure := map[string]int{}
	for range 300_000 {
		text := mutate(r, seeds[r.IntN(len(seeds))])
		for _, tpl := range scanned {
			got := unset()
			start, end, ok := tpl.scan(text, &got)
			if !ok {
				continue
			}
			sure[tpl.name]++
			spans, err := tpl.search(&mem, text, 0)
			if err != nil || spans == nil {
				t.Fatalf("%q: scanner takes %q, the expression nothing (%v)", text, text[start:end], err)
			}
			if int(spans[2]) != start || int(spans[3]) != end {
				t.Fatalf("%q: scanner takes %q, the expression %q", text, text[start:end], text[spans[2]:spans[3]])
			}
			want := tpl.read(text, spans)
			want.weekday = got.weekday // the scanner does not read it: it decides nothing
			if got != want {
				t.Fatalf("%q: scanner reads %+v, the expression %+v", text, got, want)
			}
		}
	}
	for _, tpl := range scanned {
		if sure[tpl.name] < 15_000 {
			t.Errorf("%s: scanner was sure of %d lines only", tpl.name, sure[tpl.name])
		}
	}
}

// A log of one format each: at the line's start, at one place within the line, behind addresses of
// all lengths.
func BenchmarkFind(b *testing.B) {
	for _, log := range [][]string{
		{"2026-11-24T11:17:59.123456+00:00 h sshd[1]: x"}, {"2026-11-24 11:17:59,123 x"}, {"Nov 24 11:17:59 h sshd[1]: x"},
		{`1.2.3.4 - - [24/Nov/2026:11:17:59 +0000] "GET / HTTP/1.1" 200 5`},
		{`1.2.3.4 - - [24/Nov/2026:11:17:59 +0000] "GET / HTTP/1.1" 200 5`, `192.0.2.17 - - [24/Nov/2026:11:17:59 +0000] "GET / HTTP/1.1" 200 5`, `2001:db8::1 - u [24/Nov/2026:11:17:59 +0000] "GET / HTTP/1.1" 200 5`},
		{"<34>Nov 24 11:17:59 h sshd[1]: x"},
	} {
		templates, err := Parse("", Options{Year: 2026})
		if err != nil {
			b.Fatal(err)
		}
		d := NewDetector(templates)
		now := moment()
		b.Run(fmt.Sprintf("%.20s/%d", log[0], len(log)), func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if s, ok := d.Find(log[n%len(log)], now); !ok || !s.OK {
					b.Fatal("no date")
				}
			}
		})
	}
}
