package pattern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func FuzzFinder(f *testing.F) {
	f.Add("GET / HTTP/1.1\" 404 17", "\" 404 ")
	f.Add("aaaaaaaaaaaaaaaaaaaaab", "aab")
	f.Add("\x00\x01\x00\x01\x01\x00\x00\x01\x01\x01\x00\x01\x00\x00", "\x01\x00\x00")
	f.Add("a log line: No such file or directory, client", "No such file or directory")
	f.Fuzz(func(t *testing.T, s, text string) {
		finder := NewFinder(text)
		for i := range min(len(s), 12) + 1 {
			if is, want := finder.In(s[i:]), strings.Contains(s[i:], text); is != want {
				t.Errorf("%q in %q: %v", text, s[i:], is)
			}
		}
	})
}

func TestFinder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab\x80\x81\x00 ]"[r.IntN(7)]
		}
		return string(b)
	}
	found := 0
	for range 20000 {
		s, text := word(r.IntN(40)), word(r.IntN(6))
		if r.IntN(3) == 0 { // a long one; two letters alone make many of its pairs alike
			s = strings.Repeat(word(r.IntN(4)), r.IntN(20)) + word(r.IntN(300))
			from := r.IntN(len(s) + 1)
			text = s[from:min(len(s), from+longText+r.IntN(300))] + word(r.IntN(2))
		}
		f := NewFinder(text)
		if is := f.In(s); is != strings.Contains(s, text) {
			t.Fatalf("%q in %q: %v", text, s, is)
		} else if is && len(text) > 2 {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d were in", found)
	}
}

// TestBegin holds what a match may begin with against what the matcher finds.
func TestBegin(t *testing.T) {
	g := &generator{Rand: seed(t)}
	var mem Memory
	matches := 0
	for range 3000 {
		g.groups, g.closed = 0, nil
		re, err := Compile(g.alternatives(3), Options{Multiline: g.IntN(4) == 0, IgnoreCase: g.IntN(6) == 0})
		if err != nil {
			continue
		}
		for range 6 {
			text := g.text()
			spans, err := re.Search(&mem, text)
			if err != nil || spans == nil {
				continue
			}
			matches++
			b := re.Begin()
			if int(spans[0]) < len(text) && !b.Has(text[spans[0]]) || b.Anchored && spans[0] > 0 {
				t.Errorf("%q on %q: %v, begin %+v", re, text, spans, b)
			}
		}
	}
	if matches < 1000 {
		t.Errorf("only %d matches", matches)
	}
	for expr, want := range map[string]string{"^[iI]nvalid": "Ii", "^(?P<x>a|b?c|^d)": "", "^(?:a|b?c)": "abc", "a*b|(?:x)?y": "abxy"} {
		re, err := Compile(expr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for c := range 256 {
			if re.Begin().Has(byte(c)) {
				got = append(got, byte(c))
			}
		}
		if want != "" && !slices.Equal(got, []byte(want)) {
			t.Errorf("%s begins with %q, want %q", expr, got, want)
		}
	}
}

func BenchmarkFinder(b *testing.B) {
	line := `198.18.8.125 - - [] "GET /articles/3922/page-31.html HTTP/1.1" 200 26963 "https://example.org/" "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"`
	for _, text := range []string{`" 404 `, `]: Failed `, `/xmlrpc.php`, ` (2: No such file or directory), client: `} {
		f := NewFinder(text)
		b.Run(fmt.Sprintf("%q", text), func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if f.In(line) {
					b.Fatal("found")
				}
			}
		})
		b.Run(fmt.Sprintf("contains-%q", text), func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if strings.Contains(line, text) {
					b.Fatal("found")
				}
			}
		})
	}
}
