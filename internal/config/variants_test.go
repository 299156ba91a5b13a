package config

import (
	"slices"
	"testing"
)

// The other modes of the embedded sshd filter, and of one that chooses by two tags.
func TestVariants(t *testing.T) {
	embedded := LoadOptions{Embedded: true}
	f, _, err := ReadFilter(embedded, "sshd[mode=normal]")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range Variants(embedded, f) {
		got = append(got, v.Param+"="+v.Value)
		if v.Filter.Params[v.Param] != v.Value {
			t.Errorf("%s=%s: the filter has %v", v.Param, v.Value, v.Filter.Params)
		}
	}
	want := []string{"mode=aggressive", "mode=ddos", "mode=extra", "publickey=any", "publickey=ignore", "publickey=invalid"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	d := newDoc()
	s := newSection(definition, Pos{})
	for k, v := range map[string]string{"failregex": "<re-<mode>-other>\n<re-<mode>>", "re-a": "x", "re-b": "y", "re-a-other": "z", "re-b-other": "", "reb": ""} {
		s.set(k, text(v, Pos{}))
	}
	d.sections[definition], d.order = s, []string{definition}
	if got := d.choices()["mode"]; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("mode can be %q, want a and b", got)
	}
}
