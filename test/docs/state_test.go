package docs

import (
	"regexp"
	"slices"
	"testing"
)

// TestViews: the page on the state names all views of the database, and no other.
func TestViews(t *testing.T) {
	var made, named []string
	for _, m := range regexp.MustCompile(`CREATE VIEW (\w+)`).FindAllStringSubmatch(read(t, "internal/store/schema.go"), -1) {
		made = append(made, m[1])
	}
	list := between(t, read(t, "docs/state.md"), "The views are ", ". The tables")
	for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(list, -1) {
		named = append(named, m[1])
	}
	if len(made) < 5 || !slices.Equal(made, named) {
		t.Errorf("views of the store: %q\nviews that docs/state.md names: %q", made, named)
	}
}
