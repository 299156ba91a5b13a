package docs

import (
	"slices"
	"testing"
)

// TestChinesePage: the Chinese page on containers has the English one's examples, in their order,
// so that what runs for one holds for the other.
func TestChinesePage(t *testing.T) {
	texts := func(name string) (all []string) {
		for _, b := range blocksOf(t, name) {
			all = append(all, b.lang+" "+b.mark+"\n"+b.text)
		}
		return all
	}
	english, chinese := texts("docs/containers.md"), texts("docs/containers.zh.md")
	if len(english) < 4 || !slices.Equal(english, chinese) {
		t.Errorf("the blocks of docs/containers.zh.md are\n%q\nthose of docs/containers.md\n%q", chinese, english)
	}
}
