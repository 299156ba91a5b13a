package date

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
	"gaol/internal/wide"
)

// Every byte decodes as Python's codec of the same name decodes it, with U+FFFD for those it lacks.
func TestDecoderIsPythons(t *testing.T) {
	names := []string{"ascii", "US-ASCII", "latin-1", "latin_1", "iso8859-1", "L1", "ISO-8859-15", "iso8859_2", "iso8859-7", "cp1250", "cp1251",
		"cp1252", "windows-1251", "koi8-r", "cp437", "cp850", "cp852", "cp855", "cp858", "cp860", "cp862", "cp863", "cp865", "cp866", "mac_roman", "utf_8_sig", "auto", "utf8", "utf_8", "UTF-8"}
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

// Words in the encodings that take several bytes for a letter, in whole lines of a log.
func TestDecoderOfManyBytes(t *testing.T) {
	out, err := exec.Command("/usr/bin/python3", "-c", `import base64,json
names = "utf_8_sig shift_jis sjis cp932 euc_jp iso2022_jp iso-2022-jp gb2312 gbk cp936 gb18030 hz big5 cp950 euc_kr cp949".split()
line = "2026-11-24 11:00:00 fail \u30ed\u30b0 \u65e5\u5fd7 \u65e5\u8a8c \ub85c\uadf8 from 192.0.2.1"
web = line.replace("\u30ed\u30b0", "")  # the web's big5 has other letters in kana's places (0040)
all = [(n, (web if n in ("big5", "cp950") else line).encode(n, "ignore")) for n in names]
print(json.dumps([[n, base64.b64encode(b).decode(), b.decode(n)] for n, b in all]))`).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines [][3]string
	if err := json.Unmarshal(out, &lines); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		text, err := base64.StdEncoding.DecodeString(l[1])
		if err != nil {
			t.Fatal(err)
		}
		decode, err := Decoder(l[0])
		if err != nil {
			t.Error(err)
			continue
		}
		if got := decode(string(text)); got != l[2] {
			t.Errorf("%s: %q, want %q", l[0], got, l[2])
		}
	}
}

func TestUnknownEncodings(t *testing.T) {
	for _, name := range []string{"nonsense", "utf-16-xe", "utf-7", "iso2022_kr", "cp037", "rot13", "hex"} {
		if _, err := Decoder(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Units are told under all of Python's names, and the lines cut out of them are text already.
func TestUnits(t *testing.T) {
	for name, want := range map[string]wide.Units{
		"utf-16": {Width: 2, Marked: true}, "UTF16": {Width: 2, Marked: true}, "u16": {Width: 2, Marked: true}, "utf_16": {Width: 2, Marked: true},
		"utf-16le": {Width: 2}, "utf_16_le": {Width: 2}, "UTF-16LE": {Width: 2}, "UnicodeLittleUnmarked": {Width: 2},
		"utf-16be": {Width: 2, Big: true}, "UTF-16-BE": {Width: 2, Big: true}, "UnicodeBigUnmarked": {Width: 2, Big: true},
		"utf-32": {Width: 4, Marked: true}, "u32": {Width: 4, Marked: true}, "utf_32": {Width: 4, Marked: true},
		"utf-32le": {Width: 4}, "utf_32_le": {Width: 4}, "UTF-32BE": {Width: 4, Big: true}, "utf_32_be": {Width: 4, Big: true},
		"utf-8": {}, "auto": {}, "": {}, "latin-1": {},
	} {
		if got := Units(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if decode, err := Decoder(name); err != nil || decode != nil && want.Wide() {
			t.Errorf("%s: has a decoder: %t, %v", name, decode != nil, err)
		}
	}
}

func decoded(c *Cutter, line string) string {
	e, _ := c.Cut(event.Line{Text: line}, "log", time.Unix(0, 0))
	return e.Line.Text
}
