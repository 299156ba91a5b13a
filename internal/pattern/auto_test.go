package pattern

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// both searches with the backtracker and with the automaton, and reports a difference. done: the
// automaton could do it.
func both(t testing.TB, re *Regexp, text string) (done bool) {
	t.Helper()
	plain, auto := Memory{auto: autoNever}, Memory{auto: autoAlways}
	want, err := re.Search(&plain, text)
	if err != nil {
		return false
	}
	got, err := re.Search(&auto, text)
	if err != nil || !slices.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%q on %q: automaton %v %v, backtracker %v", re, text, got, err, want)
	}
	a := re.lazy.get(re.code.get(), autoAlways)
	if a == nil || text == "" {
		return false
	}
	_, done = auto.deterministic(a, text)
	return done
}

// TestAutomatonIsUsed: that the tests compare two matchers, and not one with itself.
func TestAutomatonIsUsed(t *testing.T) {
	c := readCorpus(t)
	runs, searches, done := 0, 0, 0
	for i, r := range c.Regexes {
		re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
		if err != nil {
			t.Fatal(err)
		}
		if newAutomaton(re.code.get()) == nil {
			continue
		}
		runs++
		for _, n := range c.Natural {
			if n[0] == i && n[1]%3 == 0 {
				searches++
				if both(t, re, c.Texts[n[1]]) {
					done++
				}
			}
		}
	}
	t.Logf("%d of %d expressions, %d of %d searches", runs, len(c.Regexes), done, searches)
	if runs < len(c.Regexes)*3/4 || done < searches*9/10 {
		t.Error("too few for a test")
	}
}

// FuzzAutomaton holds the automaton against the backtracker: the expression is generated from seed.
func FuzzAutomaton(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, "aab bca\n", "ab")
	}
	f.Fuzz(func(t *testing.T, seed uint64, text, more string) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		re, err := Compile(g.alternatives(3), Options{Multiline: g.IntN(4) == 0, IgnoreCase: g.IntN(6) == 0})
		if err != nil || len(text)+len(more) > 200 {
			return
		}
		for _, text := range []string{text, more, text + more, g.text(), g.text() + "\n"} {
			both(t, re, text)
		}
	})
}

// TestAutomatonIsShared: searches of several goroutines make one automaton's states. It is a test
// with -race.
func TestAutomatonIsShared(t *testing.T) {
	re, err := Compile(Expand(`^Failed \S+ for <F-USER>.*?</F-USER> from <HOST>(?: port \d+)?`, TagOptions{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			g := rand.New(rand.NewPCG(uint64(i), 3))
			mem := Memory{auto: autoAlways}
			for range 3000 {
				user, addr := strings.Repeat("ab cd"[g.IntN(3):], g.IntN(4)), []string{"192.0.2.7", "2001:db8::1", "host.example", "?"}[g.IntN(4)]
				spans, err := re.Search(&mem, "Failed x for "+user+" from "+addr+" port 22\n")
				if err != nil || (spans == nil) != (addr == "?") || spans != nil && spans[3] != int32(13+len(user)) {
					t.Errorf("user %q from %q: %v %v", user, addr, spans, err)
				}
			}
		})
	}
	all.Wait()
}

// TestAutomatonIsBounded: states that a text makes, whoever wrote it, are limited, and the
// backtracker goes on where they end.
func TestAutomatonIsBounded(t *testing.T) {
	re, err := Compile(`^(?:a|b)*a(?:a|b){12}(c+)$`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	undone := 0
	for range 500 {
		var b strings.Builder
		for range 60 {
			b.WriteByte("ab"[r.IntN(2)])
		}
		if !both(t, re, b.String()+"cc") {
			undone++
		}
	}
	if n := len(re.lazy.made.Load().state); n > maxStates || undone == 0 {
		t.Errorf("%d states, %d searches were too much for them", n, undone)
	}
}

// BenchmarkAutomaton is a match of sshd's expressions, with groups, by each of the two.
func BenchmarkAutomaton(b *testing.B) {
	list, texts := sshd(b)
	type pair struct {
		re   *Regexp
		text string
	}
	var pairs []pair
	size := 0
	for _, re := range list {
		var mem Memory
		for _, text := range texts {
			if spans, _ := re.Search(&mem, text); spans != nil && newAutomaton(re.code.get()) != nil {
				pairs = append(pairs, pair{re, text})
				size += len(text)
			}
		}
	}
	for _, by := range []struct {
		name string
		use  autoUse
	}{{"backtracker", autoNever}, {"automaton", autoAlways}} {
		b.Run(by.name, func(b *testing.B) {
			mem := Memory{auto: by.use}
			b.SetBytes(int64(size / len(pairs)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := pairs[i%len(pairs)]
				if spans, _ := p.re.Search(&mem, p.text); spans == nil {
					b.Fatal("no match")
				}
			}
		})
	}
}
