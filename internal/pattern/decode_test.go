package pattern

import (
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

func TestDecodeUTF8(t *testing.T) {
	needPython(t)
	g := seed(t)
	list := []string{"", "plain", "\xe2\x82", "\xed\xa0\x80", "\xf0\x9f\x98", "\xc0\xaf", "\xf4\x90\x80\x80", "\xff\xfe", "a\x80b", "\xe2\x82\xac\xe2", "\xf0\x9f\x98\x80\xf0\x9f"}
	// Bytes at the borders of what may follow what, so that most strings are wrong in some way.
	bytes := []byte("a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	for range 3000 {
		text := ""
		for range g.IntN(10) {
			text += string(bytes[g.IntN(len(bytes)):][:1])
		}
		list = append(list, text)
	}
	var coded []string
	for _, text := range list {
		coded = append(coded, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	input, err := json.Marshal(coded)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import base64, json, sys
print(json.dumps([base64.b64decode(x).decode("utf-8", "replace") for x in json.load(sys.stdin)]))`)
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, text := range list {
		if got := DecodeUTF8(text); got != want[i] {
			t.Errorf("DecodeUTF8(%q) = %q, python %q", text, got, want[i])
		}
	}
}
