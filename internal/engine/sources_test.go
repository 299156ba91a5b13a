package engine

import (
	"testing"

	"gaol/internal/source"
)

func TestJournalFlags(t *testing.T) {
	for _, c := range []struct {
		text string
		from source.JournalOptions
		dir  string
		all  bool
	}{
		{"", source.JournalOptions{}, "", false},
		{"4", source.JournalOptions{}, "", false},
		{"5", source.JournalOptions{}, "", false},
		{"1", source.JournalOptions{}, "", true},
		{"6", source.JournalOptions{}, runtimeJournal, false},
		{"6", source.JournalOptions{Dir: "/d"}, "/d", false},
	} {
		o := c.from
		if err := setJournalFlags(&o, c.text); err != nil || o.Dir != c.dir || o.Users != c.all {
			t.Errorf("%q: %+v, %v", c.text, o, err)
		}
	}
	if err := setJournalFlags(&source.JournalOptions{}, "many"); err == nil {
		t.Error("journalflags = many was taken")
	}
}
