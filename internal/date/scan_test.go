package date

import (
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

// isoOne is the datepattern of Debian's filters for nginx.
const isoOne = `{^LN-BEG}%ExY(?P<_sep>[-/.])%m(?P=_sep)%d[T ]%H:%M:%S(?:[.,]%f)?(?:\s*%z)?`

// scanAlone runs the scanner of a template that is bound to the line's start, with nothing known
// of earlier lines.
func scanAlone(t *template, text string) (start, end int, got fields, ok bool) {
	if start = t.scan.begin(text); start < 0 {
		return 0, 0, got, false
	}
	var c civil
	size, ok := t.scan.read(text[start:], new(day), &c)
	return start, start + size, c.fields(), ok
}

// Where a scanner is sure, the template's expression must find the same text and the same values.
func TestScannersAgreeWithTemplates(t *testing.T) {
	seeds := []string{
		"2005-01-23T21:59:59.981+01:00 x", "[2006.12.21 06:43:20] x", "2026/11/24  11:17:59,123 - y", "<2024-02-29 23:59:59Z> z", "2005-01-23 21:59:59 -0530 x",
		`1.2.3.4 - - [23/Jan/2005:21:59:59 +0100] "GET /"`, "[3-feb-2026 01:02:03.5 -05:30] [x", "x[31/Dec/2026:23:59:59] UTC", "[30/nov/2026:23:59:59 GMT] y",
		`1.2.3.4 - [2005-01-23 21:59:59+01:00] x`, "[2026-11-24T10:00:00.1Z]", "[3/feb/2026 01:02:03.5 -0530] [x", "30/nov/2026:23:59:59", "-[Sun Nov 15 10:00:00.5 2026] x",
		"2005-01-23 21:59:59 UTC x", "2005-01-23 21:59:59", "Sun Jan 23 21:59:59.011 2005 h", "Jan 23 21:59:59 h sshd[1]: x", "jul  3 01:02:03", "[[Nov 5 10:00:00] 2024", "Feb 29 10:00:00 2024x",
	}
	templates, err := Parse("{^LN-BEG}\n"+`^[^\[]*\[({DATE})`+"\n"+isoOne, Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	scanned := slices.DeleteFunc(templates.list, func(tpl *template) bool { return tpl.scan == nil })
	if len(scanned) != 7 {
		t.Fatalf("%d templates have a scanner", len(scanned))
	}
	r := seeded(t, 15)
	var mem pattern.Memory
	sure := map[string]int{}
	for range 200_000 {
		text := mutate(r, seeds[r.IntN(len(seeds))])
		for _, tpl := range scanned {
			start, end, got, ok := scanAlone(tpl, text)
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
		if sure[tpl.name] < 2_000 {
			t.Errorf("%s: scanner was sure of %d lines only", tpl.name, sure[tpl.name])
		}
	}
}
