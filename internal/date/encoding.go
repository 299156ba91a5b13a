package date

import (
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"gaol/internal/pattern"
	"gaol/internal/wide"
)

// Decoder returns what Cutter.Decode needs for a log in encoding name (logencoding, §3): a
// function that makes text of a line's bytes, U+FFFD for what the encoding does not have. nil is
// UTF-8, which auto means too: a daemon has no locale of its own. The names are Python's, as far
// as they belong to encodings whose lines end in the byte of \n, and in no other place have that
// byte; others are an error. nil are the encodings of Units too, which are text already where
// lines are made of them.
func Decoder(name string) (func(string) string, error) {
	if Units(name).Wide() {
		return nil, nil
	}
	switch plain := plainName(name); plain {
	case "", "auto", "utf8", "u8", "cp65001":
		return nil, nil
	case "utf8sig":
		return func(line string) string { return pattern.DecodeUTF8(strings.TrimPrefix(line, "\xef\xbb\xbf")) }, nil
	case "ascii", "usascii", "646":
		return ascii, nil
	case "latin1", "iso88591", "l1", "latin", "cp819", "88591":
		return latin1, nil
	default:
		e := byName(plain, name)
		if e == nil {
			return nil, fmt.Errorf("logencoding %q is not known: write auto, utf-8, latin-1, cp1252 or another name of a codec", name)
		}
		if c, ok := e.(*charmap.Charmap); ok && strings.HasPrefix(plain, "iso8859") {
			return iso8859(c), nil
		}
		return func(line string) string {
			text, err := e.NewDecoder().String(line)
			if err != nil {
				return pattern.DecodeUTF8(line)
			}
			return text
		}, nil
	}
}

// Units says how the lines of a log in encoding name are told apart. Zero: at bytes.
func Units(name string) wide.Units {
	switch plainName(name) {
	case "utf16", "u16":
		return wide.Units{Width: 2, Marked: true}
	case "utf16le", "unicodelittleunmarked":
		return wide.Units{Width: 2}
	case "utf16be", "unicodebigunmarked":
		return wide.Units{Width: 2, Big: true}
	case "utf32", "u32":
		return wide.Units{Width: 4, Marked: true}
	case "utf32le":
		return wide.Units{Width: 4}
	case "utf32be":
		return wide.Units{Width: 4, Big: true}
	}
	return wide.Units{}
}

// plainName is a codec's name without case, '-', '_' and blanks, as Python compares them.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// byName is an encoding under Python's name; nil: none, or one that reads lines otherwise.
func byName(plain, name string) encoding.Encoding {
	for prefix, family := range map[string]string{"cp125": "windows-125", "iso8859": "iso-8859-", "latin": "latin"} {
		if rest, ok := strings.CutPrefix(plain, prefix); ok {
			name = family + rest
		}
	}
	if e := own(plain); e != nil {
		return e
	}
	if strings.HasPrefix(plain, "utf16") || strings.HasPrefix(plain, "iso2022") {
		return nil
	}
	for _, n := range []string{name, strings.ReplaceAll(strings.ToLower(name), "_", "-"), plain} {
		if e, err := htmlindex.Get(n); err == nil && e != encoding.Replacement {
			return e
		}
	}
	return nil
}

// own are the encodings that the web does not know, or not under Python's name for them.
func own(plain string) encoding.Encoding {
	switch plain {
	case "cp437", "437", "ibm437":
		return charmap.CodePage437
	case "cp850", "850", "ibm850":
		return charmap.CodePage850
	case "cp852", "852", "ibm852":
		return charmap.CodePage852
	case "cp855", "855", "ibm855":
		return charmap.CodePage855
	case "cp858", "858", "ibm858":
		return charmap.CodePage858
	case "cp860", "860", "ibm860":
		return charmap.CodePage860
	case "cp862", "862", "ibm862":
		return charmap.CodePage862
	case "cp863", "863", "ibm863":
		return charmap.CodePage863
	case "cp865", "865", "ibm865":
		return charmap.CodePage865
	case "macroman", "macintosh":
		return charmap.Macintosh
	case "cp932", "932", "ms932", "mskanji":
		return japanese.ShiftJIS
	case "eucjp", "ujis":
		return japanese.EUCJP
	case "iso2022jp", "csiso2022jp":
		return japanese.ISO2022JP
	case "cp936", "936", "ms936", "euccn":
		return simplifiedchinese.GBK
	case "hz", "hzgb", "hzgb2312":
		return simplifiedchinese.HZGB2312
	case "cp949", "949", "ms949", "uhc":
		return korean.EUCKR
	case "cp950", "950", "ms950":
		return traditionalchinese.Big5
	}
	return nil
}

func ascii(line string) string {
	for i := range len(line) {
		if line[i] >= 0x80 {
			return each(line, func(b byte) rune {
				if b >= 0x80 {
					return '\uFFFD'
				}
				return rune(b)
			})
		}
	}
	return line
}

// latin1 is Python's: byte n is U+00n, also where Windows-1252 has a letter.
func latin1(line string) string { return each(line, func(b byte) rune { return rune(b) }) }

// iso8859 is Python's: its bytes 0x80 to 0x9f are control characters, which the web's are not.
func iso8859(c *charmap.Charmap) func(string) string {
	return func(line string) string {
		return each(line, func(b byte) rune {
			if b >= 0x80 && b <= 0x9f {
				return rune(b)
			}
			return c.DecodeByte(b)
		})
	}
}

func each(line string, to func(byte) rune) string {
	var out strings.Builder
	for i := range len(line) {
		out.WriteRune(to(line[i]))
	}
	return out.String()
}
