package pattern

import (
	"math/rand/v2"
	"testing"
)

// TestLinearWithoutCompiling holds what the tree says about a budget against the program.
func TestLinearWithoutCompiling(t *testing.T) {
	linear, all := 0, 0
	check := func(expr string, o Options) {
		re, err := Compile(expr, o)
		if err != nil {
			return
		}
		all++
		if re.code.linear {
			linear++
			if re.code.get().budgeted {
				t.Errorf("%q: has a budget, and its tree says that it has none", expr)
			}
		}
	}
	c := readCorpus(t)
	for _, r := range c.Regexes {
		check(r.Expr, Options{Multiline: r.Multiline})
	}
	t.Logf("fail2ban's: %d of %d", linear, all)
	if linear < all*3/4 {
		t.Error("nearly all have to be compiled")
	}
	g := &generator{Rand: rand.New(rand.NewPCG(1, 2))}
	for range 2_000 {
		g.groups, g.closed = 0, nil
		check(g.alternatives(4), Options{})
	}
	t.Logf("generated ones too: %d of %d", linear, all)
}

// TestCompiledWhenSearched: an expression that is never searched costs its tree only.
func TestCompiledWhenSearched(t *testing.T) {
	re, err := Compile(`^Failed (?P<what>\S+) for`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _ = re.Bounded(); re.code.made != nil {
		t.Error("compiled before it is searched")
	}
	var mem Memory
	if spans, err := re.Search(&mem, "Failed password for x"); spans == nil || err != nil || re.code.tree != nil {
		t.Errorf("%v, %v, tree kept: %v", spans, err, re.code.tree != nil)
	}
}
