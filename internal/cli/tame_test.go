package cli

import (
	"bytes"
	"testing"
)

func TestTame(t *testing.T) {
	for text, want := range map[string]string{
		"plain\tünd 漢 │ \ufffd\n":                   "plain\tünd 漢 │ \ufffd\n",
		"\x1b[2J\x1b]52;c;aGk=\a\x7f\r\x00\n":       "?[2J?]52;c;aGk=????\n",
		"\u009b31m\xc2":                             "?31m",
		"a\x9b31m\xffb":                             "a?31m?b",
		"\u202e\u2066\u200b\u2028\u2029\U000e0041x": "??????x",
	} {
		var whole, bytewise bytes.Buffer
		if n, err := (&tame{to: &whole}).Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: %d, %v", text, n, err)
		}
		w := &tame{to: &bytewise}
		for i := range len(text) {
			if _, err := w.Write([]byte{text[i]}); err != nil {
				t.Fatal(err)
			}
		}
		if whole.String() != want || bytewise.String() != want {
			t.Errorf("%q came out as %q, byte by byte as %q, want %q", text, whole.String(), bytewise.String(), want)
		}
	}
}
