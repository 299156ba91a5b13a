package pattern

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestExpand compares with fail2ban's class on tags that stock filters use and on those that
// look like tags.
func TestExpand(t *testing.T) {
	needPython(t)
	input, err := json.Marshal(tagged)
	if err != nil {
		t.Fatal(err)
	}
	// A regex that does not compile is named in the exception: the expansion is its first line.
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import json, sys, warnings
warnings.simplefilter("ignore")
from fail2ban.server.failregex import Regex, RegexException
def expand(r, dns):
    try:
        return Regex(r, useDns=dns)._regex
    except RegexException as e:
        return str(e).split("regular expression '", 1)[1].rsplit("':", 1)[0]
print(json.dumps([[expand(r, dns) for dns in ("warn", "no")] for r in json.load(sys.stdin)]))`)
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want [][2]string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, expr := range tagged {
		for k, dns := range []string{"warn", "no"} {
			w := strings.ReplaceAll(want[i][k], `::?|::){1,7}`, `::?|:){1,7}`) // newer fail2ban's, §0
			if got := Expand(expr, TagOptions{UseDNS: dns}); got != w {
				t.Errorf("Expand(%q, %s)\n got %q\nwant %q", expr, dns, got, w)
			}
		}
	}
}

var tagged = []string{
	"<HOST>", "<ADDR>", "<IP4>", "<F-IP4/>", "<IP6>", "<F-IP6/>", "<DNS>", "<F-DNS/>", "<CIDR>", "<F-CIDR/>", "<SUBNET>", "<F-SUBNET/>", "<F-ADDR/>", "<F-ID/>",
	"<F-PORT/>", "<F-HOST/>", "<HOST/>", "</HOST>", "<ADDR/>", "<SUBNET/>", "<F-USER/>", "<ID>", "<PORT>", "<foo>", "<ip4>", "<IP>",
	"<F-ID>a</F-ID>", "<F-PORT>a</F-PORT>", "<F-USER>a</F-USER>", "a</F-USER>", "<F-USER>", "<F-A-B>x</F-A-B>", "<F-a>x</F-a>", "<f-A>", "<F-Id>x</F-Id>", "<F-1>x</F-1>",
	"<F-ALT_USER>x</F-ALT_USER>", "<F-_A>x</F-_A>", "<F-USER>a</F-OTHER>", "</F-USER><F-USER>x</F-USER>", "<F-A>a</F-A><F-A>b</F-A>", "<F-A><F-B>x</F-A></F-B>",
	"<F-IP4>x</F-IP4>", "<F-CONTENT>.+</F-CONTENT>", "<F-TUPLE_USER1>x</F-TUPLE_USER1>", "<F-->", "<F-A>x</F-A", "<F-A >", "<F-ID>x</F-ID>y</F-ID>",
	"<SKIPLINES>a<SKIPLINES>", "<SKIPLINES/>", "<HOST>x<HOST>", "<DNS><CIDR>", " <HOST> ", "x<HOST>:<F-PORT/>", "<F-ID>a</F-ID/>", "<F-ID/>a</F-ID>",
	"((?i)foo)", "(?:(?i)foo)", "a((?i)foo)b", "(?i)foo", "a(?i)foo", "((?im)foo)", "(?:(?i)foo)|(?:(?i)b)", "(?P<x>(?i)foo)", "((?i)a((?i)b))", `\((?i)a)`, `\\((?i)a)`,
	`x\(((?i)a)`, "[((?i)]x", "((?i:a))", "(((?i)a))", "((?ai)x)", "((?I)x)", "((?i)(?i)x)", "(?:((?i)a))", "((?i)a)((?s)b)", "(((?i)(?:(?s)a)))", "x((?i)<HOST>)",
}

// TestTagsAsExpression holds the scanner of tags against the expression that says what they are.
func TestTagsAsExpression(t *testing.T) {
	tag := regexp.MustCompile(`</?[\w-]+/?>`)
	g := rand.New(rand.NewPCG(5, 5))
	for range 100_000 {
		var b strings.Builder
		for range g.IntN(12) {
			b.WriteString([]string{"<", "<", "/", ">", "a", "-_", "F9", "é", " "}[g.IntN(9)])
		}
		from, to := nextTag(b.String())
		want := tag.FindStringIndex(b.String())
		if (want == nil) != (to == 0) || want != nil && (want[0] != from || want[1] != to) {
			t.Fatalf("%q: %d to %d, want %v", b.String(), from, to, want)
		}
	}
}
