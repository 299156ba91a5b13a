package wide

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

var encodings = map[string]Units{
	"utf-16le": {Width: 2}, "utf-16be": {Width: 2, Big: true}, "utf-16": {Width: 2, Marked: true},
	"utf-32le": {Width: 4}, "utf-32be": {Width: 4, Big: true}, "utf-32": {Width: 4, Marked: true},
}

// texts are what is split and decoded: with units that hold the byte 0x0A and end no line, both
// halves of it, pairs, and nothing but newlines.
var texts = []string{"", "\n", "\n\n\n", "one\r\ntwo\n", "\u0a0a\n\u0a0a", "a\u0a00b\u000ac", "\u010a\u0d0a\n\u0a01\U0001000a\U000a0a0a\n", "J\u00fcrgen \U0001f512 \ud55c\n"}

// What Python makes of bytes: the lines it splits them into at U+000A, in UTF-8.
func python(t *testing.T, encoded map[string][][]byte) map[string][][]string {
	t.Helper()
	question := map[string][]string{}
	for name, all := range encoded {
		for _, b := range all {
			question[name] = append(question[name], base64.StdEncoding.EncodeToString(b))
		}
	}
	in, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", `import base64,json,sys
print(json.dumps({n: [base64.b64decode(b).decode(n, "replace").split("\n") for b in all] for n, all in json.load(sys.stdin).items()}))`)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask python3: %v", err)
	}
	var lines map[string][][]string
	if err := json.Unmarshal(out, &lines); err != nil {
		t.Fatal(err)
	}
	return lines
}

func lines(u Units, b []byte) []string {
	u = u.Ordered(b)
	var all []string
	for {
		i := u.Index(b)
		if i < 0 {
			return append(all, u.Text(b))
		}
		all = append(all, u.Text(b[:i]))
		b = b[i+u.Size():]
	}
}

// bytesOf are the units of a text.
func bytesOf(u Units, text string) (b []byte) {
	for _, r := range text {
		if u.Width == 2 && r > 0xffff {
			b = append(b, units(u, []uint32{0xd800 + uint32(r-0x10000)>>10})...)
			r = 0xdc00 + (r-0x10000)&0x3ff
		}
		b = append(b, units(u, []uint32{uint32(r)})...)
	}
	return b
}

func TestLinesArePythons(t *testing.T) {
	encoded := map[string][][]byte{}
	for name, u := range encodings {
		for _, text := range texts {
			b := bytesOf(u, text)
			encoded[name] = append(encoded[name], b, append(b[:len(b):len(b)], 0x0a)) // torn in a unit
			marked := bytesOf(u, bom+text)
			other := u
			other.Big = !u.Big
			encoded[name] = append(encoded[name], marked, bytesOf(other, bom+text))
		}
		for _, broken := range [][]uint32{{0xd800}, {0xd800, '\n'}, {0xdc00, 'a'}, {0xd800, 0xd800, 0xdc00}, {0xdbff, 'x', 0xdfff, '\n'}, {0xfffe}, {0xffff, 'a'}} {
			encoded[name] = append(encoded[name], units(u, broken))
		}
		if u.Width == 4 {
			encoded[name] = append(encoded[name], units(u, []uint32{0x110000, 'a', 0xffffffff, 0x80000041, '\n', 0x0a000000}))
		}
	}
	want := python(t, encoded)
	for name, all := range encoded {
		for i, b := range all {
			if got := lines(encodings[name], b); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want[name][i]) {
				t.Errorf("%s % x:\n got %q\nwant %q", name, b, got, want[name][i])
			}
		}
	}
}

func units(u Units, list []uint32) (b []byte) {
	for _, n := range list {
		for i := range u.Width {
			if u.Big {
				i = u.Width - 1 - i
			}
			b = append(b, byte(n>>(8*i)))
		}
	}
	return b
}

func TestNewlinesAreCounted(t *testing.T) {
	for name, u := range encodings {
		for _, text := range texts {
			b := bytesOf(u, text)
			if got, want := u.Count(b), strings.Count(text, "\n"); got != want {
				t.Errorf("%s %q: %d newlines, want %d", name, text, got, want)
			}
			want := -1
			if i := strings.LastIndexByte(text, '\n'); i >= 0 {
				want = len(bytesOf(u, text[:i]))
			}
			if got := u.LastIndex(b); got != want {
				t.Errorf("%s %q: last newline at %d, want %d", name, text, got, want)
			}
		}
	}
}

func TestZerosInFrontAreTrimmedByUnits(t *testing.T) {
	for name, u := range encodings {
		if got := string(u.TrimLeft(bytesOf(u, "\x00\x00a\x00b"))); got != string(bytesOf(u, "a\x00b")) {
			t.Errorf("%s: % x", name, got)
		}
	}
	if got := (Units{}).TrimLeft([]byte("\x00a")); string(got) != "a" {
		t.Errorf("bytes: %q", got)
	}
}
