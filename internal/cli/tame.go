package cli

import (
	"io"
	"unicode"
	"unicode/utf8"
)

// steers says whether a terminal may obey r: control characters (C0, DEL and C1), signs that hide or
// turn round what stands beside them (bidi, tags, zero width), and line ends that are none of ours.
func steers(r rune) bool {
	return unicode.IsControl(r) && r != '\t' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// tame passes text on with '?' for what a terminal may obey and for bytes that are no UTF-8 (0x9b
// begins a command on some). Whatever prints on a terminal goes through it, so that no command line
// can forget to. Line ends and tabs stay.
type tame struct {
	to   io.Writer
	part []byte // the begin of a character whose end is in the next write
}

// Write takes all of p, as far as who prints is concerned.
func (t *tame) Write(p []byte) (int, error) {
	text := append(t.part, p...)
	t.part = nil
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1 && !utf8.FullRune(text):
			t.part = append(t.part, text...)
			n = len(text)
		case r == utf8.RuneError && n == 1, r != '\n' && steers(r):
			out = append(out, '?')
		default:
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	if _, err := t.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
