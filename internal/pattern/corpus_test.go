package pattern

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// maxHangs is on how many pairs Python may give up. 26 were seen on the sample lines alone;
// mutated lines add some per seed.
const maxHangs = 120

// mutations is how often each sample line is changed.
const mutations = 3

type corpus struct {
	Regexes []struct {
		Expr      string   `json:"p"`
		Multiline bool     `json:"m"`
		Kinds     []string `json:"k"`
		Filters   []string `json:"f"`
	}
	Texts   []string
	Natural [][2]int
	Sources []struct{ From, To string }
	Errors  []string
}

// extracted is read once: it takes two seconds.
var extracted = sync.OnceValues(func() (c corpus, err error) {
	script, err := os.ReadFile("testdata/corpus.py")
	if err != nil {
		return c, err
	}
	out, err := exec.CommandContext(context.Background(), python, "-c", string(script)).Output()
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(out, &c)
})

// readCorpus asks the installed fail2ban package for its regexes and sample lines.
func readCorpus(t testing.TB) corpus {
	t.Helper()
	needPython(t)
	c, err := extracted()
	if err != nil {
		const how = "the corpus needs the package fail2ban: scripts/packages test"
		if os.Getenv("CI") == "true" {
			t.Fatal(how, err)
		}
		t.Skip(how, err)
	}
	if len(c.Regexes) < 300 || len(c.Texts) < 1000 {
		t.Fatalf("only %d expressions and %d texts: the extraction is broken", len(c.Regexes), len(c.Texts))
	}
	return c
}

// mutate changes a line a little: what it inserts is what engines treat differently.
func mutate(g *rand.Rand, texts []string, text string) string {
	odd := []string{"\u00a0", "é", "\u0661", "\x1c", "\u212a", "\ufffd", "\n", "\x00", " ", ":", "::", "[", "]", `"`, "'", "1.2.3.4", "from ", "user=", "=", "\t"}
	runes := []rune(text)
	for range 1 + g.IntN(3) {
		if len(runes) == 0 {
			return text
		}
		i := g.IntN(len(runes))
		j := min(len(runes), i+1+g.IntN(8))
		switch g.IntN(6) {
		case 0:
			runes = slices.Insert(runes, i, []rune(odd[g.IntN(len(odd))])...)
		case 1:
			runes = slices.Delete(runes, i, j)
		case 2:
			runes = slices.Insert(runes, i, slices.Clone(runes[i:j])...)
		case 3:
			other := []rune(texts[g.IntN(len(texts))])
			runes = append(runes[:i:i], other[min(i, len(other)):]...)
		case 4:
			runes[i] = []rune(odd[g.IntN(len(odd))])[0]
		case 5:
			runes = []rune(strings.ToUpper(string(runes[:i])) + string(runes[i:]))
		}
	}
	return string(runes)
}

// TestOracleCorpus compares every expression of the installed package with Python on every
// sample line and on mutations of each.
func TestOracleCorpus(t *testing.T) {
	c := readCorpus(t)
	g := seed(t)
	texts := slices.Clone(c.Texts)
	for range mutations {
		for _, text := range c.Texts {
			texts = append(texts, mutate(g, c.Texts, text))
		}
	}
	high := 0
	for _, text := range texts {
		if len(text) != utf8.RuneCountInString(text) {
			high++
		}
	}
	work := make(chan int)
	var sum tally
	var wait sync.WaitGroup
	for range 2 {
		o := newOracle(t)
		wait.Go(func() { sum.compareAll(t, o, c, texts, work) })
	}
	for i := range c.Regexes {
		work <- i
	}
	close(work)
	wait.Wait()
	t.Logf("%d expressions × %d texts (%d not ASCII): %d pairs, %d matches, %d where python gave up, %d where we did",
		len(c.Regexes), len(texts), high, len(c.Regexes)*len(texts), sum.matches, len(sum.hangs), sum.budget)
	for _, h := range sum.hangs {
		t.Logf("python gave up: %s", h)
	}
	if len(sum.hangs) > maxHangs {
		t.Errorf("python gave up on %d pairs, allowed are %d", len(sum.hangs), maxHangs)
	}
}

// TestOracleMutatedExpressions damages real expressions: mostly they are refused then, and the
// message and place have to be Python's.
func TestOracleMutatedExpressions(t *testing.T) {
	c := readCorpus(t)
	g := seed(t)
	o := newOracle(t)
	var cmp comparison
	special := []rune(`()[]{}*+?|\^$.<>=!:#-&~,0129abdwsAZPNxuiLmé"'` + "\n ")
	refused, bad := 0, 0
	for range 12 {
		for i, r := range c.Regexes {
			expr := []rune(r.Expr)
			for range 1 + g.IntN(3) {
				at := g.IntN(len(expr))
				if g.IntN(2) == 0 {
					expr = slices.Insert(expr, at, special[g.IntN(len(special))])
				} else {
					expr = slices.Delete(expr, at, min(len(expr), at+1+g.IntN(3)))
				}
			}
			q := request{Expr: string(expr), Multiline: r.Multiline, Texts: []string{c.Texts[c.Natural[i][1]], c.Texts[g.IntN(len(c.Texts))]}}
			a, err := o.ask(q)
			if err != nil {
				t.Fatal(err)
			}
			if a.Error != "" {
				refused++
			}
			if diff := cmp.compare(q, q.Texts, a); diff != "" {
				t.Errorf("%q: %s", q.Expr, diff)
				if bad++; bad > 20 {
					t.FailNow()
				}
			}
		}
	}
	t.Logf("%d of %d refused", refused, 12*len(c.Regexes))
}

// tally is what the workers found together.
type tally struct {
	sync.Mutex
	matches int
	budget  int
	hangs   []string
}

func (s *tally) compareAll(t *testing.T, o *oracle, c corpus, texts []string, work <-chan int) {
	var cmp comparison
	defer func() {
		s.Lock()
		s.budget += cmp.aborts
		s.Unlock()
	}()
	first := texts
	for i := range work {
		r := request{Expr: c.Regexes[i].Expr, Multiline: c.Regexes[i].Multiline, Texts: first}
		first = nil // Python keeps them
		a, err := o.ask(r)
		if err != nil {
			t.Errorf("%q: %v", r.Expr, err)
			return
		}
		diff := cmp.compare(r, texts, a)
		s.Lock()
		if diff != "" {
			t.Errorf("%q (m=%v): %s", r.Expr, r.Multiline, diff)
		}
		s.matches += len(a.Matches)
		for _, h := range a.Hangs {
			s.hangs = append(s.hangs, r.Expr+" on "+texts[h])
		}
		s.Unlock()
	}
}

// TestLiterals: every match contains one of the expression's literals, and what the scanner
// says is what strings.Contains says.
func TestLiterals(t *testing.T) {
	c := readCorpus(t)
	var all []*Regexp
	var sets [][]string
	for _, r := range c.Regexes {
		re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
		if err != nil {
			t.Fatal(err)
		}
		all, sets = append(all, re), append(sets, re.Literals())
		if re.Literals() == nil && slices.Contains(r.Kinds, "failregex") {
			t.Errorf("no literals for %q", r.Expr)
		}
	}
	s := NewScanner(sets)
	hit := make([]bool, len(sets))
	var mem Memory
	missed := 0
	for _, text := range c.Texts {
		s.Scan(text, hit)
		for i, re := range all {
			if want := contains(text, sets[i]); hit[i] != want {
				t.Fatalf("scanner says %v for %q on %q", hit[i], sets[i], text)
			}
			if spans, _ := re.Search(&mem, text); spans != nil && !hit[i] {
				missed++
				t.Errorf("%q matches %q without any of %q", re, text, sets[i])
			} else if spans != nil {
				for _, set := range re.Also() {
					if !slices.ContainsFunc(set, func(lit string) bool { return strings.Contains(text, lit) }) {
						missed++
						t.Errorf("%q matches %q without any of %q", re, text, set)
					}
				}
			}
		}
		if missed > 10 {
			t.FailNow()
		}
	}
}

func contains(text string, set []string) bool {
	for _, lit := range set {
		if strings.Contains(text, lit[:min(len(lit), scanLength)]) {
			return true
		}
	}
	return set == nil
}

// TestExpandCorpus: tags expand as fail2ban's own class expands them, but for the IPv6 tag,
// which is the newer version's (fail2ban-behaviour §0).
func TestExpandCorpus(t *testing.T) {
	c := readCorpus(t)
	for _, s := range c.Sources {
		want := strings.ReplaceAll(s.To, `(?:[0-9a-fA-F]{1,4}::?|::){1,7}`, `(?:[0-9a-fA-F]{1,4}::?|:){1,7}`)
		if got := Expand(s.From, TagOptions{}); got != want {
			t.Errorf("Expand(%q)\n got %q\nwant %q", s.From, got, want)
		}
	}
}
