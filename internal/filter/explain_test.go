package filter

import (
	"testing"
	"time"

	"gaol/internal/event"
)

// A report names the tag that excuses a line, and of an expression that does not match how far it
// came, in the words it was written in.
func TestExplain(t *testing.T) {
	p, err := Compile(Spec{
		Prefregex: Rule{Expr: `^ <F-MLFID>h app\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$`, Where: "f:1"},
		Failregex: []Rule{
			{Expr: `^bad login of <F-USER>\S+</F-USER> from <HOST>$`, Where: "f:2"},
			{Expr: `^<F-NOFAIL>gone</F-NOFAIL> <HOST>$`, Where: "f:3"},
		},
		Ignoreregex: []Rule{{Expr: `of trusted `, Where: "f:4"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := New(p)
	explain := func(text string) Report {
		return f.Explain(event.Entry{Line: event.Line{Text: text}, After: text}, time.Unix(0, 0))
	}
	if r := explain(" h app[7]: gone 192.0.2.1"); r.Match.Verdict != Quiet || r.Tag != "<F-NOFAIL>" || r.TagText != "gone" || r.Match.Where != "f:3" {
		t.Errorf("helper: %+v", r)
	}
	r := explain(" h app[7]: bad login of bob at 192.0.2.1")
	n := Nearest(r.Rules)
	if r.Match.Verdict != Missed || r.Content != "bad login of bob at 192.0.2.1" || n == nil || n.Where != "f:2" ||
		n.Stop.At != 17 || n.Stop.Rest != `from <HOST>$` || n.Stop.Done != `^bad login of <F-USER>\S+</F-USER> ` {
		t.Errorf("missed: %+v, nearest %+v %+v", r, n, n.Stop)
	}
	if r := explain(" h app[x]: bad login of bob from 192.0.2.1"); r.Prefix.Matched || r.Prefix.Stop.Rest != `\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$` || r.Content != "" {
		t.Errorf("prefix: %+v %+v", r.Prefix, r.Prefix.Stop)
	}
	if r := explain(" h app[7]: bad login of trusted from 192.0.2.1"); r.Match.Verdict != Ignored || !r.Ignores[0].Matched || !r.Rules[0].Matched {
		t.Errorf("ignored: %+v", r)
	}
	if r := explain(" h app[7]: bad login of bob from 192.0.2.1"); r.Match.Verdict != Failed || r.Match.ID != "192.0.2.1" || len(r.Match.Lines) != 2 {
		t.Errorf("failure: %+v", r)
	}
}
