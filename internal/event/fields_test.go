package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// Fields hold, show and write what a map of the same names does.
func TestFieldsAreLikeAMap(t *testing.T) {
	text := func(v any, escape bool) string {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(escape)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.StringN(0, 3, -1), rapid.String(), 0, 6).Draw(t, "map")
		f := FieldsOf(want)
		for name, value := range rapid.MapOfN(rapid.StringN(0, 3, -1), rapid.String(), 0, 6).Draw(t, "more") {
			f.Set(name, value)
			want[name] = value
		}
		if f.Get("no such name") != "" {
			t.Error("a name that is not there has a value")
		}
		got := map[string]string{}
		for _, field := range f {
			got[field.Name] = f.Get(field.Name)
		}
		if !maps.Equal(got, want) || len(f) != len(want) {
			t.Fatalf("%q, want %q", f, want)
		}
		var back Fields
		for _, escape := range []bool{true, false} {
			if is, should := text(f, escape), text(want, escape); is != should {
				t.Fatalf("JSON %s, want %s", is, should)
			}
			if err := json.Unmarshal([]byte(text(f, escape)), &back); err != nil || text(back, escape) != text(f, escape) {
				t.Fatalf("%q came back as %q: %v", f, back, err)
			}
		}
	})
	bad := map[string]string{"user": "a\xffb", "\xff": "<&>"} // as a log may have them
	if is, should := text(FieldsOf(bad), false), text(bad, false); is != should {
		t.Errorf("JSON %s, want %s", is, should)
	}
}
