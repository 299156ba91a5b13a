package date

import (
	"testing"

	"gaol/internal/pattern"
)

// Wherever a template of the default list matches, the line shows what the template needs there.
func TestShapesAreThereWhereTemplatesMatch(t *testing.T) {
	templates, err := Parse("", Options{Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	r := seeded(t, 16)
	before, after := texts()
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	var mem pattern.Memory
	matched := map[string]int{}
	for range rounds(40_000) {
		text := mutate(r, pick(before)+mutated(r, pick(examples()))+pick(after))
		for _, tpl := range templates.list {
			spans, err := tpl.search(&mem, text, 0)
			if err != nil || spans == nil || tpl.needs == 0 {
				continue
			}
			matched[tpl.name]++
			last := int(spans[0])
			if tpl.anchored {
				last = 2
			}
			if shapes(text, last)&tpl.needs == 0 {
				t.Fatalf("%q: %s matches at %d, but the line shows only %b up to %d", text, tpl.name, spans[0], shapes(text, last), last)
			}
		}
	}
	for _, tpl := range templates.list {
		if tpl.needs != 0 && matched[tpl.name] < 10 {
			t.Errorf("%s matched %d lines only", tpl.name, matched[tpl.name])
		}
	}
}
