package config

import (
	"strings"
	"testing"
)

// FuzzRead holds that no file, specification or time makes the readers panic, and that every
// line a value remembers is a line of the file.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"[a]\nk = v\n  w\n", "[a]\nk = x[a=\"b", "%(a)s", "[a]\na = %(b)s\nb = <a>", "1h30m", "[DEFAULT]\n;\n=", "a[b='c',d=e][f=g] h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Count(s, "\n") + strings.Count(s, "\r") + 1
		file := parse("f", []byte(s))
		d := newDoc()
		d.add(file)
		for _, sect := range d.all() {
			for _, v := range sect.keys {
				for _, l := range v.Lines {
					if l.Pos.Line < 1 || l.Pos.Line > lines {
						t.Fatalf("line %d of %d", l.Pos.Line, lines)
					}
				}
				p := newParts(d, nil, true)
				if w, err := interpolate(v, p.within(sect.name)); err == nil {
					_, _ = substitute(w, "", p.tag)
				}
				for _, a := range splitActions(v) {
					_, _ = parseSpec(a)
				}
			}
		}
		_, _ = Seconds(s)
	})
}
