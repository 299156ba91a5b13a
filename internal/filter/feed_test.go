package filter

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

func moment() time.Time { return time.Date(2026, 11, 24, 11, 18, 0, 0, time.UTC) }

func rules(exprs []string) []Rule {
	var all []Rule
	for i, e := range exprs {
		all = append(all, Rule{Expr: e, Where: fmt.Sprintf("x.conf:%d", i)})
	}
	return all
}

func (c filterCase) compile() (*Program, error) {
	return Compile(Spec{
		Name: "x", Prefregex: Rule{Expr: c.Pref}, Failregex: rules(c.Fail), Ignoreregex: rules(c.Ignore),
		MaxLines: c.MaxLines, UseDNS: c.UseDNS,
	})
}

// against feeds the lines of each case to both filters and compares every failure: the rule, the
// id, the lines it stands on, the fields.
func against(t *testing.T, cases []filterCase) {
	t.Helper()
	faults := 0
	compiled := map[string]*Program{}
	for i, want := range askFilter(t, moment().Unix(), cases) {
		key := fmt.Sprint(cases[i].Pref, cases[i].Fail, cases[i].Ignore, cases[i].UseDNS, cases[i].MaxLines)
		p, err := compiled[key], error(nil)
		if p == nil {
			p, err = cases[i].compile()
			compiled[key] = p
		}
		if err != nil || want.Error != "" {
			if (err != nil) != (want.Error != "") {
				t.Errorf("%+v: error %v, want %q", cases[i], err, want.Error)
			}
			continue
		}
		f := New(p)
		for n, line := range cases[i].Lines {
			got := feed(f, line)
			if len(got) == 0 && len(want.Answers[n]) == 0 {
				continue
			}
			if !reflect.DeepEqual(got, want.Answers[n]) {
				t.Errorf("case %d %+v\nline %d %q\n  is   %+v\n  want %+v", i, cases[i].Fail, n, cases[i].Lines[:n+1], got, want.Answers[n])
				if faults++; faults > 5 {
					t.Fatal("and so on")
				}
				break
			}
		}
	}
}

func feed(f *Filter, line string) []filterFailure {
	e := event.Entry{Line: event.Line{Text: line}, After: line, Time: moment()}
	m := f.Match(e, moment())
	if m.Verdict != Failed {
		return nil
	}
	fields := map[string]any{}
	for _, f := range m.Failure(e, moment()).Fields {
		fields[f.Name] = f.Value
	}
	if _, ok := fields["users"]; ok {
		fields["users"] = sortedSet(fields["users"].(string))
	}
	return []filterFailure{{Rule: m.Rule, ID: m.ID, Matches: append([]string(nil), m.Lines...), Fields: fields}}
}

func sortedSet(text string) []any {
	var all []any
	names := strings.Split(strings.Trim(text, "{}"), ", ")
	for _, n := range names {
		all = append(all, strings.Trim(n, "'"))
	}
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			if all[j].(string) < all[i].(string) {
				all[i], all[j] = all[j], all[i]
			}
		}
	}
	return all
}

// Connections told about in several lines (§2.4, §9.11): random conversations over a filter that
// has every kind of line.
func TestConnectionsAsFail2ban(t *testing.T) {
	fail := []string{
		`^fail <F-USER>\S*</F-USER> from <ADDR>`,
		`^<F-NOFAIL>try</F-NOFAIL> <F-USER>\S*</F-USER> from <ADDR>`,
		`^noip <F-USER>\S*</F-USER>$`,
		`^<F-MLFFORGET><F-MLFGAINED>ok</F-MLFGAINED></F-MLFFORGET> <F-USER>\S*</F-USER>$`,
		`^<F-MLFGAINED>stay</F-MLFGAINED> <F-USER>\S*</F-USER>$`,
		`^<F-MLFFORGET>bye</F-MLFFORGET> <ADDR>$`,
		`^<F-MLFFORGET>leave</F-MLFFORGET> <F-USER>\S*</F-USER> <ADDR>$`,
		`^<F-NOFAIL><F-MLFFORGET>close</F-MLFFORGET></F-NOFAIL> <ADDR>$`,
		`^<F-NOFAIL>hello</F-NOFAIL> <ADDR>$`,
		`^alt <F-ALT_USER>\S*</F-ALT_USER> (?:<F-USER>\S+</F-USER>)? ?from <ADDR>`,
	}
	r := rand.New(rand.NewPCG(7, 8))
	kinds := []string{"fail %u from %a", "try %u from %a", "noip %u", "ok %u", "stay %u", "bye %a", "leave %u %a", "close %a", "hello %a", "alt %u from %a", "alt %u %u from %a", "none"}
	var cases []filterCase
	for range 1500 {
		c := filterCase{Pref: `^<F-MLFID>\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$`, Fail: fail, UseDNS: "warn"}
		for range 2 + r.IntN(8) {
			line := kinds[r.IntN(len(kinds))]
			for strings.Contains(line, "%u") {
				line = strings.Replace(line, "%u", []string{"al", "bob", "bob", ""}[r.IntN(4)], 1)
			}
			line = strings.Replace(line, "%a", []string{"192.0.2.1", "192.0.2.1", "2001:db8::1"}[r.IntN(3)], 1)
			c.Lines = append(c.Lines, fmt.Sprintf("%d %s", 7+r.IntN(2), line))
		}
		cases = append(cases, c)
	}
	against(t, cases)
}

func TestRulesAsFail2ban(t *testing.T) {
	one := func(fail string, lines ...string) filterCase {
		return filterCase{Fail: []string{fail}, UseDNS: "raw", Lines: lines}
	}
	three := []string{`a <HOST>`, `b <HOST>`, `c <HOST>`}
	cases := []filterCase{
		// §9.13: what is an id.
		one(`<HOST>`, "1.2.3.456", "12:34:56", "::ffff:1.2.3.4", "::ffff:102:304", "2001:DB8:0:0::1", "010.1.2.3", "example.org"),
		one(`^<SUBNET>$`, "1.2.3.4/24", "1.2.3.4/32", "1.2.3.4/33", "2001:db8::1/64", "1.2.3.4/0", "1.2.3.456/24", "1.2.3.4/024", "1.2.3.4", "[1.2.3.4]"),
		one(`<HOST>:22`, "[2001:db8::1]:22", "1.2.3.4:22"), one(`<HOST> <HOST>`), one(`^foo`), one(`^(<HOST>`), one(`^<F-ALT_ID>\S+</F-ALT_ID>`),
		one(`<F-ID>\S+</F-ID> <HOST>`, "bob 1.2.3.4", "1.2.3.4 1.2.3.4"), one(`<F-ID>\S+</F-ID>`, "1.2.3.4", "x y"),
		one(`^<F-ID>\S+</F-ID> <F-TUPLE_ID>\S+</F-TUPLE_ID>`, "a bob", "a 'b"), one(`^<F-NOFAIL>x</F-NOFAIL> <HOST>`, "x 1.2.3.4"),
		// §9.14: alternates.
		one(`u=<F-USER>\S*</F-USER> ru=<F-ALT_USER>\S*</F-ALT_USER> <HOST>`, "u= ru=bob 1.1.1.1", "u=al ru=bob 1.1.1.1", "u= ru= 1.1.1.1"),
		one(`a=<F-ALT_USER_2>\S*</F-ALT_USER_2> c=<F-ALT_USER>\S*</F-ALT_USER> <HOST>`, "a=x c=z 1.1.1.1", "a=x c= 1.1.1.1"),
		// usedns.
		{Fail: []string{`x from <HOST> y`}, UseDNS: "no", Lines: []string{"x from example.org y", "x from 1.2.3.4 y"}},
		{Fail: []string{`x from <HOST> y`}, UseDNS: "nonsense", Lines: []string{"x from example.org y"}},
		// First match wins; ignoreregex is tried when one matches.
		{Fail: []string{`(?:a|b) <HOST>`, `b (?P<user>\S+)? ?<HOST>`}, UseDNS: "no", Lines: []string{"a 1.1.1.1", "b x 1.1.1.1", "b 1.1.1.1"}},
		{Fail: three, Ignore: []string{`^a 1`, `z$`}, UseDNS: "warn", Lines: []string{"a 1.1.1.1", "a 2.1.1.1", "b 2.1.1.1 z", "b 2.1.1.1"}},
		// §9.12: the text an ignoreregex sees depends on how many there are.
		{Pref: `^host <F-CONTENT>.+</F-CONTENT>$`, Fail: []string{`^a <HOST>`}, Ignore: []string{`^host a 1\.2`}, UseDNS: "warn", Lines: []string{"host a 1.2.3.4"}},
		{Pref: `^host <F-CONTENT>.+</F-CONTENT>$`, Fail: append([]string{`^d <HOST>`}, three...), Ignore: []string{`^host a 1\.2`}, UseDNS: "warn", Lines: []string{"host a 1.2.3.4", "host a 2.2.3.4"}},
		{Pref: `^host <F-CONTENT>.+</F-CONTENT>$`, Fail: append([]string{`^d <HOST>`}, three...), Ignore: []string{`^a 1\.2`}, UseDNS: "warn", Lines: []string{"host a 1.2.3.4", "host a 2.2.3.4"}},
		{Pref: `^host <F-CONTENT>.+</F-CONTENT>$`, Fail: three, Ignore: []string{`^host a 1\.2`}, UseDNS: "warn", Lines: []string{"host a 1.2.3.4"}},
		// prefregex gives the id, and fields.
		{Pref: `^<HOST> <F-USER>\w*</F-USER>`, Fail: []string{`fail$`, `bad (?:u=<F-LOGIN>\w+</F-LOGIN>)?`}, UseDNS: "warn", Lines: []string{"1.1.1.1 al fail", "1.1.1.1  bad u=x", "1.1.1.1  bad", "fail"}},
		{Pref: `^p(?: <F-CONTENT>.*</F-CONTENT>)?$`, Fail: []string{`<HOST>$`}, UseDNS: "no", Lines: []string{"p 1.1.1.1", "p", "p "}},
		// The newline at the end.
		one(`x <ADDR>$`, "x 1.1.1.1"), one(`x <ADDR>\Z`, "x 1.1.1.1"), one(`x <ADDR>\s*\n`, "x 1.1.1.1"), one(`^x <ADDR>[^a]*$`, "x 1.1.1.1"),
	}
	against(t, cases)
}

// Several lines in one match (§2.9).
func TestWindowAsFail2ban(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	words := []string{"start 7", "start 8", "noise", "end 7 1.1.1.1", "end 8 1.1.1.1", "pair", "next 2.2.2.2", "alone 3.3.3.3"}
	fails := [][]string{
		{`^start <F-ID>\d</F-ID>$<SKIPLINES>^end \d+ <ADDR>$`},
		{`^start (?P<n>\d)$<SKIPLINES>^end (?P=n) <ADDR>$`, `^alone <ADDR>$`},
		{`^pair$\n^next <ADDR>$`, `^alone <ADDR>`}, {`pair\nnext <ADDR>`},
	}
	var cases []filterCase
	for range 300 {
		c := filterCase{Fail: fails[r.IntN(len(fails))], UseDNS: "warn", MaxLines: 2 + r.IntN(4)}
		for range 3 + r.IntN(9) {
			c.Lines = append(c.Lines, words[r.IntN(len(words))])
		}
		cases = append(cases, c)
	}
	against(t, cases)
}
