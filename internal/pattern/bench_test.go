package pattern

import (
	"slices"
	"strings"
	"testing"
)

// sshd gives Debian's sshd filter in its default mode and the texts that its failregexes run
// on: what prefregex cut out of the sample lines.
func sshd(b *testing.B) (list []*Regexp, texts []string) {
	b.Helper()
	c := readCorpus(b)
	seen := map[int]bool{}
	for i, r := range c.Regexes {
		if !slices.Contains(r.Filters, "sshd") || !slices.Contains(r.Kinds, "failregex") {
			continue
		}
		re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, re)
		for _, n := range c.Natural {
			if n[0] == i && !seen[n[1]] {
				seen[n[1]] = true
				texts = append(texts, c.Texts[n[1]])
			}
		}
	}
	if len(list) < 10 || len(texts) < 50 {
		b.Fatalf("only %d expressions, %d texts", len(list), len(texts))
	}
	return list, texts
}

// BenchmarkSSHD runs the whole list on each text until one matches, as a jail does.
func BenchmarkSSHD(b *testing.B) {
	list, texts := sshd(b)
	var mem Memory
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		text := texts[i%len(texts)]
		for _, re := range list {
			if spans, _ := re.Search(&mem, text); spans != nil {
				break
			}
		}
	}
}

// BenchmarkSSHDScanned asks the literal scanner first which expressions are worth running.
func BenchmarkSSHDScanned(b *testing.B) {
	list, texts := sshd(b)
	var sets [][]string
	for _, re := range list {
		sets = append(sets, re.Literals())
	}
	s, hit := NewScanner(sets), make([]bool, len(sets))
	var mem Memory
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		text := texts[i%len(texts)]
		s.Scan(text, hit)
		for k, re := range list {
			if !hit[k] {
				continue
			}
			if spans, _ := re.Search(&mem, text); spans != nil {
				break
			}
		}
	}
}

// BenchmarkSearch tells pairs that match from pairs that do not.
func BenchmarkSearch(b *testing.B) {
	list, texts := sshd(b)
	type pair struct {
		re   *Regexp
		text string
	}
	var mem Memory
	pairs := map[bool][]pair{}
	for _, re := range list {
		for _, text := range texts {
			spans, _ := re.Search(&mem, text)
			pairs[spans != nil] = append(pairs[spans != nil], pair{re, text})
		}
	}
	for _, hit := range []bool{true, false} {
		b.Run(map[bool]string{true: "match", false: "none"}[hit], func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				p := pairs[hit][i%len(pairs[hit])]
				_, _ = p.re.Search(&mem, p.text)
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	list, texts := sshd(b)
	var sets [][]string
	for _, re := range list {
		sets = append(sets, re.Literals())
	}
	s, hit := NewScanner(sets), make([]bool, len(sets))
	text := strings.Join(texts, "")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Scan(text, hit)
	}
}

func BenchmarkCompile(b *testing.B) {
	list, _ := sshd(b)
	for i := 0; b.Loop(); i++ {
		if _, err := Compile(list[i%len(list)].String(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
