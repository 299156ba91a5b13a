package pattern

import "testing"

// TestTraps compares with Python what other engines do differently (regex.md §6) and what the
// matcher does in special ways.
func TestTraps(t *testing.T) {
	o := newOracle(t)
	texts := []string{"", "a", "aab", "abab", "ab\n", "ab\nab", "foo ab: x", "K\u212ak s\u017fS", "\u0130iI\u0131", "\u00dfss\u1e9e", "x\u00b5\u03bc",
		"\x1c\x1d\u0085\u00a0 ", "\u0661\u00b2\u203f\u0301", "aXbXc", "key=aa bb aa", "((x))", "\u00e9t\u00e9", "a.b-c]", "aaaaaaaaaaaa", "abcabcabd", "12:34:56",
		"abc", "aabdc", "baaac", "x\nab", "\n\nab\n"}
	var c comparison
	for _, expr := range traps {
		for _, r := range []request{{Expr: expr}, {Expr: expr, Multiline: true}, {Expr: expr, IgnoreCase: true}} {
			r.Texts = texts
			a, err := o.ask(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := c.compare(r, texts, a); diff != "" {
				t.Errorf("%q (m=%v i=%v): %s", expr, r.Multiline, r.IgnoreCase, diff)
			}
		}
	}
	if c.aborts > 0 {
		t.Errorf("%d searches took too many steps", c.aborts)
	}
}

var traps = []string{
	// classes, anchors, quantifiers
	`\d+`, `\w+`, `\s+`, `\b`, `\B`, `\D`, `\W`, `\S`, `(?a)\w+`, `(?a)\s+`, `(?a:\d)\w`, `(?a)\b`, `$`, `^`, `\Z`, `\A`, `b$`, `b\Z`, `^ab`,
	`a{,2}`, `a{,}`, `a{2}`, `a{1,}b`, `a{}`, `a{x}`, `a{1`, `{`, `a{,2`, `x{1001}`, `a{0}b`, `(a){0}b`, `.`, `(?s).`, `(?s).+`, `.+`,
	`\Aa|b`, `\Afoo (?:ab|cd)\b`, `a\Z|b`,
	// empty iterations and what they leave in groups
	`(a|)+`, `(a*)+`, `(a|b*)*`, `((a|b*)*)*`, `(a|b*)*c`, `(|a)+`, `(|a)*?b`, `(?:(a)|b)*`, `(a?){2,3}`, `(a?){2,}?b`, `((a?)*)*$`, `(?:a?)*?b`,
	`(\Ba|b?)*`, `(?:|a)*b`, `(?:(?=a)|ab)*`, `((b*)|a)*`, `(?:a*?)*b`, `(a*?)+?b`, `((?:a|b?){2})*`,
	// groups, references, conditions
	`(?P<n>a)(?P=n)`, `(a)\1`, `(a)(?(1)b|c)`, `(a)?(?(1)b|c)`, `(?(1)b|a)(x)?`, `(?:(a)|b)(?(1)a|b)`, `(?P<q>")?(?(q)"|a)`, `(?:(a)|(?(1)b|x))+`,
	`((?(1)a|b))+`, `(a(?(1)b|a))*`, `(?:(a)|b)*(?(1)b)$`, `(\w+)=(\w+) \w+ \2`, `(a*)b\1`, `(?i)(a)\1`, `(x)?\1`, `(a)|\1b`, `(?:(a)|b\1)+`,
	// look-arounds
	`a(?=b)`, `a(?!b)`, `(?<=a)b`, `(?<!a)b`, `(?<=(a))b`, `(?=(a+))\1`, `(?=(a*)b)a`, `(?:(?! ab).)*`, `(?=.*c)a`, `(?=.*b$)a`, `(?:(?=(a)).)*b`,
	`(?<=ab|cd)`, `(?<=^a)b`, `(?<=\b)a`, `(?!)`, `(?=)`, `(?<=)`, `(?<!)`, `(?<=a{2})b`, `(?<=(?=ab)a)b`, `(?!(a)b)a`, `(?=(?:a|ab)*c)`, `(?=a*)*b`,
	`(?<=a)*b`, `(?<=.)\d`, `(?<=é)t`, `(?<!é)t`, `(?:(?!.*d).)+`,
	// atomic, possessive
	`(?>a*)b`, `(?>a|ab)c`, `(?>a*)a`, `a*+a`, `a++b`, `a?+a`, `(?:a|ab){2}+`, `(?:ab|a)++b`, `(a|b*)*+`, `(|a)++`, `((|a))*+b`, `(a?){3}+`, `(?:|a){2,}+`,
	`(?:ab){1,2}+a`, `(?>(a)|b)*c`, `(?:(?>a*)b)*$`, `(?>(?:|a)b?)b`, `a{1,2}+a`, `(?>(?>a*)b|a)+`, `(?=(?>a*)b)a`, `(?>(?=a*b)a)+`, `(?:a|b)*+$`,
	// what the memo must not confuse: the same state reached on two ways
	`(?:(a)b|ab)(?=(c))(?(1)x|c)`, `(?>a*b|abd)c`, `(?:ba|b)a*+aaac`, `(?>(?:a|ab))c|(?>abc?)`, `(?:a|(?>a)b)*c`,
	`(?>(?:|a)b?)c`, `(?>a?)(?:ab)?c`, `(.*)([^a])`, `(.*)(.)`, `(.*)(\W|\w)`, `(.{1,3})([^b])`, `(.*?)([^t])$`,
	// flags
	`(?i)k+`, `(?i)s+`, `(?i)[k]+`, `(?i)[^k]+`, `(?i)i+`, `(?i)\u0130`, `(?i)ß`, `(?i)µ`, `(?i)[a-z]+`, `(?i)[A-Z]+`, `(?ai)k+`, `(?ai)[j-l]+`, `(?i:A)b`,
	`(?-i:a)B`, `(?x) a  b # c`, `(?x)a\ b`, `(?x: a b )c`, `(?x)a #`, `(?x)[a b]`, `(?x)a {2}`, `(?s:.)$`, `(?m:^ab$)`, `(?m)^b?`, `(?#x)a`, `(?#x)(?i)A`,
	`(?i)(?m)A`, `(?t)a`, `(?im-s:A)`, `(?u:\w)`, `(?i)(?:a|B)+`, `(?i)[\w]`, `(?s-i:.)`,
	// escapes, sets
	`\x41|a`, `\u0061`, `\U00000061`, `\0`, `\07`, `\101`, `\141`, `\_`, `\-`, `\ `, `\/`, `\"`, `[\w.-]+`, `[]a]`, `[^]a]`, `[a-]`, `[a\-z]`, `[\]]`, `[\b]`,
	`[[:alpha:]]`, `[a-c]`, `[^a]`, `[^\S]`, `[\S\s]`, `[\x61-\u0063]`, `[\141]`, `[.]`, `[é]t`, `[^a-z]`, `[à-ü]`, `[\d\-]`, `[a||b]`, `\ud800`, `[\ud800-\udfff]`,
	// refused
	`a(?i)b`, `(?L)a`, `(?au)a`, `(?a)(?u)a`, `(?i:a`, `a{3,2}`, `a**`, `a*{2}`, `a+?+`, `*a`, `^*`, `$*`, `\b+`, `(*a)`, `(|*)`, `(?P<a>x)(?P<a>y)`, `(?P<1>x)`, `(?P=x)`,
	`(?P<a>x(?P=a))`, `\2(a)`, `\1`, `(\1)`, `(?(2)a)`, `(?(0)a)`, `(?(1)a|b|c)`, `(?(x)a)`, `(?(-1)a)`, `(?(1`, `(?()a)`, `(?<=a|bc)`, `(?<=a*)`, `(?<!a+b)`, `(?<=(a)\1)`,
	`(?<=(a)(?(1)b|c))`, `(?<=(?(1)b))(x)`, `[b-a]`, `[\w-.]`, `[a-\d]`, `[a`, `[]`, `[^]`, `[a-`, `a\`, `\q`, `\z`, `\h`, `\e`, `\N`, `\N{`, `\N{}`, `[\q]`, `[\8]`, `\8`, `(?z)`, `(?`,
	`(?i`, `(?-i)`, `(?-`, `(?-a:x)`, `(?-z:x)`, `(?i-:x)`, `(?i-z:x)`, `(?i-i:a)`, `(?t:a)`, `(?-t:a)`, `(?iz)`, `(?i.)`, `a{99999999999}`, `(?P<a`, `(?P<`, `(?P<>x)`, `(?P`, `(?Px`,
	`(?<x`, `(?<`, `(?=a`, `(?!a`, `(?>a`, `(?#a`, `(a`, `a)`, `)`, `(?(1)a`, `\x1`, `\u12`, `\U0001`, `\U00110000`, `\400`, `[\400]`, `\18`, `(?i)*`, "(\n?i)\n(", "a\n**", `(?a-u:x)`,
	`(?P<é>x)`, `(?P<a-b>x)`, `(?P<it's>x)`, `(?P<\n>x)`, `(?( 1 )b)(x)`, `(?(1_0)b)`, `(?(١)b)(x)`, `((?P<a>)(?P=a)|(?P=b))`, `(?:a)(?`, `(?i)(?#`, `x(?#)*`, `((?i)a)`, `(?\a)`, `(?P\a)`,
	`(?<\a)`, `(?a\i)`, `(?(1)*)(a)`, `(?(1)a|*)(a)`, `[z-\x41]`, `[\x41-\x40]`,
}
