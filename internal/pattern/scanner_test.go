package pattern

import (
	"slices"
	"testing"
)

// TestScanner compares with looking for every literal on its own, on texts where literals are
// prefixes, suffixes and parts of each other.
func TestScanner(t *testing.T) {
	g := &generator{Rand: seed(t)}
	for range 2000 {
		var sets [][]string
		for range g.IntN(6) {
			var set []string
			for range g.IntN(4) {
				set = append(set, g.pick("a", "b", "ab", "ba", "aab", "abab", "bbb", "cab", "é", "babaaabbb", "aaaaaaaaaaab"))
			}
			sets = append(sets, set)
		}
		s := NewScanner(sets)
		hit := make([]bool, len(sets))
		for n := range 5 {
			text := g.text() + g.text()
			for range 2 * n { // long ones are read in four parts
				text += g.text() + g.pick("", "babaaabbb", "aaaaaaaa", "é")
			}
			s.Scan(text, hit)
			for i, set := range sets {
				if want := contains(text, set); hit[i] != want {
					t.Fatalf("Scan(%q) of %q: %v, want %v", text, set, hit[i], want)
				}
			}
		}
	}
}

func TestLiteralsOf(t *testing.T) {
	for _, c := range []struct {
		expr string
		want []string
	}{
		{`^Failed \S+ for`, []string{"Failed "}},
		{`(?:error|fatal): x`, []string{"error: x", "fatal: x"}},
		{`a*`, nil},
		{`a|`, nil},
		{`(?i)user`, nil},
		{`(?i)user: \d+ 1234 x`, []string{" 1234 "}},
		{`\s+(?:foo)?bar`, []string{"bar", "foobar"}},
		{`[Ff]ailed`, []string{"Failed", "failed"}},
		{`(?:ab)+cd`, []string{"ab"}},
		{`(?!no)yes`, []string{"yes"}},
		{`(x)?(?(1)foo|bar)`, []string{"foo", "bar"}},
		{`(x)?(?(1)foo)`, nil},
		{`(?=foo)`, nil},
	} {
		re, err := Compile(c.expr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := re.Literals(); !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%q: %q, want %q", c.expr, got, c.want)
		}
	}
}

func TestAlso(t *testing.T) {
	re, err := Compile(`^\S+ \[\] "(GET|POST) /(?:pma|(?:php)?[Mm]yadmin)\S+" 404 (?:a*|b)(?:xyz)?$`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{`" 404 `}}
	if got := re.Also(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, literals %q", got, re.Literals())
	}
}
