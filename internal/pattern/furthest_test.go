package pattern

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// Where the best attempt stops, and what the expression says there.
func TestFurthest(t *testing.T) {
	for _, c := range []struct{ expr, text, upTo, rest string }{
		{`^Failed password for .* from \d+`, "Failed password for root by 7", "Failed password for root ", `from \d+`},
		{`^Failed (?:password|none) for`, "Failed publickey for x", "Failed p", `assword|none) for`},
		{`^Failed (?:password|none) for`, "Failed x", "Failed ", `(?:password|none) for`},
		{`^a(?: b)? c$`, "a d", "a ", `c$`},
		{`^a \S+ from x`, "a bcd", "a bcd", ` from x`},
		{`^\S+: (?!no)yes`, "w: no", "w: ", `(?!no)yes`},
		{`user=(\w+) again=\1$`, "user=ab again=ac", "user=ab again=", `\1$`},
		{`^(x )?(?(1)one|two)$`, "x two", "x ", `(?(1)one|two)$`},
		{`end$`, "the end of", "the end", `$`},
		{`^ä+\d`, "äää!", "äää", `\d`},
		{`(?i)^FAILED now`, "failed new", "failed n", `ow`},
		{`^(?:a|a)+b`, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", `b`},
		{`^(?:)*x`, "y", "", `(?:)*x`},
		{`^x{2,3}y`, "xxxxy", "xxx", `y`},
		{`^a b?]?: c`, "a d", "a ", `: c`},
		{`(?<=ab)c`, "abd", "ab", `c`},
	} {
		s, err := Furthest(c.expr, Options{}, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got, rest := c.text[:s.At], c.expr[s.Expr:]; got != c.upTo || rest != c.rest || s.Cut {
			t.Errorf("%s on %q: up to %q, expected %q; want %q, %q", c.expr, c.text, got, rest, c.upTo, c.rest)
		}
	}
}

// The slow tracer finds a match where, and only where, Search finds one. What depends on how text
// was captured, or is not given back, is beyond it (see Furthest).
func TestFurthestMatchesWhereSearchDoes(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(80, 6))}
	beyond := regexp.MustCompile(`\(\?>|[*+?}]\+|\\\d|\(\?\(`)
	tried := 0
	for range 5_000 {
		g.groups, g.closed = 0, nil
		expr := g.alternatives(3)
		re, err := Compile(expr, Options{})
		if err != nil || beyond.MatchString(expr) {
			continue
		}
		text := g.text()
		var mem Memory
		spans, err := re.Search(&mem, text)
		if err != nil {
			continue
		}
		trace, err := follow(expr, Options{}, text)
		if err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
		if tried++; trace.found != (spans != nil) {
			t.Fatalf("%q on %q: found %t, Search says %v", expr, text, trace.found, spans)
		}
		if s, err := Furthest(expr, Options{}, text); err != nil || s.At > len(text) || s.Expr > len(expr) {
			t.Fatalf("%q on %q: %+v, %v", expr, text, s, err)
		}
	}
	if tried < 1000 {
		t.Errorf("only %d expressions were tried", tried)
	}
}

// A place in an expanded expression is told as one in what was written.
func TestOrigin(t *testing.T) {
	const expr = `((?i)^x) <F-USER>\S+</F-USER> from <HOST> end`
	full := Expand(expr, TagOptions{UseDNS: "no"})
	for _, c := range []struct{ in, want string }{
		{` (?P<user>`, ` <F-USER>\S+</F-USER> from <HOST> end`},
		{`\S+`, `\S+</F-USER> from <HOST> end`},
		{` from `, ` from <HOST> end`},
		{`\[?(?:`, `<HOST> end`},
		{`(?P<ip6>`, `<HOST> end`},
		{` end`, ` end`},
		{`nd`, `nd`},
	} {
		if got := expr[Origin(expr, TagOptions{UseDNS: "no"}, strings.Index(full, c.in)):]; got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
	if got := Origin(expr, TagOptions{UseDNS: "no"}, len(full)); got != len(expr) {
		t.Errorf("the end is at %d, want %d", got, len(expr))
	}
}
