package pattern

import (
	"errors"
	"slices"
	"testing"
)

func TestGroups(t *testing.T) {
	re, err := Compile(Expand(`^x (<F-USER>\S+</F-USER>) from <ADDR>$`, TagOptions{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "", "user", "ip4", "ip6"}; !slices.Equal(re.Names(), want) {
		t.Errorf("names %q, want %q", re.Names(), want)
	}
	if re.Index("ip4") != 3 || re.Index("") != -1 || re.Index("dns") != -1 {
		t.Errorf("index: ip4 %d, empty %d, dns %d", re.Index("ip4"), re.Index(""), re.Index("dns"))
	}
	var mem Memory
	spans, err := re.Search(&mem, "x bob from 1.2.3.4\n")
	if want := []int32{0, 18, 2, 5, 2, 5, 11, 18, -1, -1}; err != nil || !slices.Equal(spans, want) {
		t.Errorf("spans %v, %v, want %v", spans, err, want)
	}
}

func TestSyntaxError(t *testing.T) {
	_, err := Compile("é\n(a", Options{})
	var e *SyntaxError
	if !errors.As(err, &e) || e.Pos != 2 || e.Expr != "é\n(a" {
		t.Fatalf("%v: %#v", err, e)
	}
	const want = "missing ), unterminated subpattern at position 2 (line 2, column 1)"
	if e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
}

// TestNamedCharacters: the one thing that Python accepts and we do not.
func TestNamedCharacters(t *testing.T) {
	_, err := Compile(`x\N{DIGIT ONE}`, Options{})
	var e *SyntaxError
	if !errors.As(err, &e) || e.Pos != 1 {
		t.Errorf("%v, want an error at 1", err)
	}
}

// TestOversized: a repetition too large to unroll is counted, exactly but with a budget.
func TestOversized(t *testing.T) {
	o := newOracle(t)
	var c comparison
	for _, expr := range []string{
		`(?:(?:a|bc){1000}){100}`, `(?:(a|b|){300,}?){80}c`, `((?:(?:ab|c){0,3000}){0,30})d`, `(?:(?:a|b){2000,3000}?c){2,9}`, `((a|b)*?){40000}$`, `(?:(?:a|b)?(?:c|d)?){30000}+x`,
	} {
		r := request{Expr: expr, Texts: []string{"", "a", "abcd", "ababcabdc", "abx", "ccd"}}
		a, err := o.ask(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := c.compare(r, r.Texts, a); diff != "" {
			t.Errorf("%q: %s", expr, diff)
		}
	}
	re, err := Compile(`(?:(?:a|bc){1000}){100}`, Options{})
	if err != nil || !re.Bounded() || len(re.code.get().ins) > 2*maxUnrolled {
		t.Errorf("%v: bounded %v, %d instructions", err, re.Bounded(), len(re.code.get().ins))
	}
}

// As re.compile(expr).search(text, pos) of Python 3.11 answers.
func TestSearchFrom(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		from       int
		want       []int32
	}{
		{"b", "bab", 1, []int32{2, 3}},
		{"b", "bab", 3, nil},
		{"^b", "ab", 1, nil},
		{"(?:^|a)?b", "ab", 1, []int32{1, 2}},
		{"(?m)^b", "a\nb", 1, []int32{2, 3}},
		{`\bb`, "ab b", 1, []int32{3, 4}},
		{"(?<=a)b", "ab", 1, []int32{1, 2}},
		{"", "ab", 2, []int32{2, 2}},
	} {
		re, err := Compile(c.expr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var mem Memory
		got, err := re.SearchFrom(&mem, c.text, c.from)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s in %q from %d: %v %v, want %v", c.expr, c.text, c.from, got, err, c.want)
		}
	}
}
