package date

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

// Every byte decodes as Python's codec of the same name decodes it, with U+FFFD for those it lacks.
func TestDecoderIsPythons(t *testing.T) {
	names := []string{"ascii", "US-ASCII", "latin-1", "latin_1", "iso8859-1", "L1", "ISO-8859-15", "iso8859_2", "iso8859-7", "cp1250", "cp1251",
		"cp1252", "windows-1251", "koi8-r", "cp437", "cp850", "cp866", "mac_roman", "auto", "utf8", "utf_8", "UTF-8"}
	question, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	// Byte by byte: how much of a broken sequence is one U+FFFD is pattern.DecodeUTF8's to test.
	cmd := exec.Command("/usr/bin/python3", "-c", `import json,sys
print(json.dumps([[bytes([b]).decode("utf-8" if n == "auto" else n, "replace") for b in range(256)] for n in json.load(sys.stdin)]))`)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(question)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		decode, err := Decoder(name)
		if err != nil {
			t.Error(err)
			continue
		}
		c := Cutter{Decode: decode, Lenient: true, Detector: nil}
		for b := range 256 {
			if got := decoded(&c, string([]byte{byte(b)})); got != want[i][b] {
				t.Errorf("%s, byte %#x: %q, Python %q", name, b, got, want[i][b])
			}
		}
	}
}

func TestDecoderOfManyBytes(t *testing.T) {
	for name, c := range map[string]struct{ bytes, text string }{
		"shift_jis": {"\x83\x8d\x83O", "ログ"}, "euc-jp": {"\xa5\xed\xa5\xb0", "ログ"}, "gbk": {"\xc8\xd5\xd6\xbe", "日志"},
		"gb18030": {"\xc8\xd5\xd6\xbe", "日志"}, "big5": {"\xa4\xe9\xbb\x78", "日誌"}, "euc_kr": {"\xb7\xce\xb1\xd7", "로그"},
	} {
		decode, err := Decoder(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := decode(c.bytes); got != c.text {
			t.Errorf("%s: %q, want %q", name, got, c.text)
		}
	}
	for _, name := range []string{"nonsense", "utf-16", "utf_16_le", "iso2022_jp", "rot13", "hex"} {
		if _, err := Decoder(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func decoded(c *Cutter, line string) string {
	e, _ := c.Cut(event.Line{Text: line}, "log", time.Unix(0, 0))
	return e.Line.Text
}
