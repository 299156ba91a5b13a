package store

import (
	"encoding/json"
	"strings"
	"testing"

	"gaol/internal/event"
)

// What a ban keeps is the JSON that encoding/json makes of it, whatever the text.
func TestPackedTextIsJSON(t *testing.T) {
	texts := []string{"", "Failed password for <root> & 'x'", `a "quoted" \ one`, "tab\tand\x00nul\x1f", "not \xff UTF-8 \xc3", "gült\u2028ig", "\x7f", "\\", "\""}
	for c := range 256 {
		texts = append(texts, "x"+string([]byte{byte(c)})+"y")
	}
	if got, want := packLines(texts), encode(texts); got != want {
		t.Errorf("lines:\n%s\nwant\n%s", got, want)
	}
	for _, text := range texts {
		f := event.Fields{{Name: "user", Value: text}, {Name: text, Value: "1"}}
		if got, want := packFields(f), encode(f); got != want {
			t.Errorf("fields: %s, want %s", got, want)
		}
	}
	long := strings.Repeat("é", KeptMatches)
	for _, packed := range []any{packLines([]string{"before", long}), packFields(event.Fields{{Name: "user", Value: long}})} {
		if text := packed.(string); !json.Valid([]byte(text)) || len(text) > KeptMatches+100 {
			t.Errorf("%d bytes, valid %v", len(text), json.Valid([]byte(text)))
		}
	}
	if packLines(nil) != nil || packFields(nil) != nil {
		t.Error("nothing is not NULL")
	}
}
