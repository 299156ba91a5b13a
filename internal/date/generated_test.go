package date

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mutated is an example with other digits, mostly such that a date can be made of them, and other
// names of months and days.
func mutated(r *rand.Rand, example string) string {
	months := []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "dec", "MAY"}
	for _, m := range months[:12] {
		if r.IntN(2) == 0 {
			example = strings.Replace(example, m, months[r.IntN(len(months))], 1)
		}
	}
	b := []byte(example)
	for i, c := range b {
		switch {
		case c < '0' || c > '9' || r.IntN(3) > 0:
		case r.IntN(8) == 0:
			b[i] = '0' + byte(r.IntN(10))
		case i > 0 && b[i-1] >= '0' && b[i-1] <= '9': // not the first digit of a number
			b[i] = '0' + byte(r.IntN(10))
		default:
			b[i] = '0' + byte(r.IntN(int(c-'0')+1))
		}
	}
	return string(b)
}

// agreed takes out of a line what is read otherwise on purpose (0040): a stamp with a zone and no
// year that must be last year's, and TAI64N far beyond the calendar.
func agreed(line, template string) string {
	if strings.Contains(template, "(?:Zone ") && strings.Contains(template, "MON Day") {
		return strings.NewReplacer("Dec", "Oct", "dec", "Oct", "Nov", "Oct").Replace(line)
	}
	if at := strings.Index(line, "@"); at >= 0 && strings.HasPrefix(template[max(0, len(template)-6):], "TAI64N") {
		return line[:at] + "@40000000" + line[at+9:]
	}
	return line
}

// byTemplate is the examples under the default template that reads them.
func byTemplate(t *testing.T) map[string][]string {
	t.Helper()
	templates, err := Parse("", Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]string{}
	for _, h := range NewDetector(templates).Hits() {
		groups[h.Name] = nil
	}
	for _, e := range examples() {
		if strings.HasPrefix(e, "UTC") {
			continue // after a change of places another of the two templates for zones reads it, to the same time
		}
		for _, text := range []string{e, "abc " + e, "1.2.3.4 " + e, "audit(" + e + ":42)"} { // at the start of a line, and within it
			if s, ok := NewDetector(templates).Find(text, moment()); ok {
				groups[s.Template] = append(groups[s.Template], text)
			}
		}
	}
	return groups
}

// 5,000 generated lines for each default template, in logs of fifty lines: the same template, place
// and time for every line, and the same order of the templates after each log.
func TestGeneratedLinesAsFail2ban(t *testing.T) {
	r := seeded(t, 12)
	before, after := texts()
	var cases []oracleCase
	groups := byTemplate(t)
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		group := groups[name]
		if len(group) == 0 {
			t.Errorf("no example is read by the template %s", name)
			continue
		}
		logs, lines := 5000/2/50, 50 // each template is there twice: at the start of a line, and within it
		for range logs {
			var c oracleCase
			b, a := before[r.IntN(len(before))], after[r.IntN(len(after))]
			for range lines {
				c.Lines = append(c.Lines, b+agreed(mutated(r, group[r.IntN(len(group))]), name)+a)
			}
			cases = append(cases, c)
		}
	}
	check(t, "UTC", moment(), cases)
}
